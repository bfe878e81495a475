//! What is asked of the clouds, and what is made of answers that a sound server does not give: against a server on loopback that notes
//! requests and answers from a list. It stands for no cloud: that a real one agrees is not shown here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};

use vcache_cloud::Variable;
use vcache_store::{Sha256Id, Tier, TierError};

use crate::server::{SECRET, blob, chain, content, store, variables};

/// What was asked: `METHOD /path?query`, and the headers by their names.
struct Asked {
    line: String,
    headers: Vec<(String, String)>,
    body: usize,
}

impl Asked {
    fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(given, _)| given == name).map_or("", |(_, value)| value)
    }
}

/// Answers one request after the other, the last answer again and again, and notes them.
fn serve(answers: &[&str]) -> (SocketAddr, Receiver<Asked>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answers: Vec<String> = answers.iter().map(|text| answer(text)).collect();
    let (sender, receiver) = mpsc::channel();
    // It lives as long as the test's process.
    std::thread::spawn(move || {
        for (number, connection) in listener.incoming().enumerate() {
            let answer = answers.get(number).or(answers.last()).unwrap();
            let mut connection = connection.unwrap();
            // Noted before it is answered, so that who has the answer finds the note.
            if let Some(asked) = listen(&connection) {
                let _ = sender.send(asked);
                let _ = connection.write_all(answer.as_bytes());
            }
        }
    });
    (address, receiver)
}

fn listen(connection: &TcpStream) -> Option<Asked> {
    let mut lines = BufReader::new(connection);
    let mut line = String::new();
    lines.read_line(&mut line).ok()?;
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        lines.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut asked = Asked { line: line.rsplit_once(' ')?.0.to_owned(), headers, body: 0 };
    let length: u64 = asked.header("content-length").parse().unwrap_or(0);
    asked.body = std::io::copy(&mut lines.take(length), &mut std::io::sink()).ok()? as usize;
    Some(asked)
}

/// An answer of a status, headers and, behind an empty line, a body.
fn answer(text: &str) -> String {
    let (head, body) = text.split_once("\n\n").unwrap_or((text, ""));
    let (status, headers) = head.split_once('\n').unwrap_or((head, ""));
    let mut head = format!("HTTP/1.1 {status}\r\nConnection: close\r\n");
    headers.lines().for_each(|header| head.push_str(&format!("{header}\r\n")));
    if !head.contains("Content-Length") {
        head.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    format!("{head}\r\n{body}")
}

const FOUND: &str = "200 OK\nETag: \"1\"\nLast-Modified: Tue, 24 Nov 2026 10:00:00 GMT\n\nabc";
const PUT: &str = "201 Created\nETag: \"1\"\n\n";

fn azure(endpoint: &SocketAddr) -> Vec<Variable> {
    [
        ("AZURE_STORAGE_ACCOUNT_NAME", "account"),
        ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0LW9mLXRoZS10ZXN0"),
        ("AZURE_STORAGE_ENDPOINT", &format!("http://{endpoint}")),
        ("AZURE_ALLOW_HTTP", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn google(endpoint: &SocketAddr) -> Vec<Variable> {
    let key = r#"{"private_key": "k", "private_key_id": "i", "client_email": "e", "disable_oauth": true}"#;
    [
        ("GOOGLE_SERVICE_ACCOUNT_KEY", key),
        ("GOOGLE_BASE_URL", &format!("http://{endpoint}")),
        ("GOOGLE_ALLOW_HTTP", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

fn tier(address: &str, variables: &[Variable]) -> Box<dyn Tier> {
    vcache_cloud::open(address.parse().unwrap(), variables)
}

fn read(tier: &dyn Tier) -> Result<Option<Vec<u8>>, TierError> {
    let Some(mut incoming) = tier.content(&Sha256Id::of(b"abc"))? else { return Ok(None) };
    let mut bytes = Vec::new();
    incoming.content.read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// Reads content and puts an alias, and gives what was asked for that.
fn get_and_put(address: &str, variables: &dyn Fn(&SocketAddr) -> Vec<Variable>) -> [Asked; 2] {
    let (endpoint, asked) = serve(&[FOUND, PUT]);
    let tier = tier(address, &variables(&endpoint));
    assert_eq!(read(tier.as_ref()).unwrap().unwrap(), b"abc");
    tier.put_alias(&[0xab; 16], &Sha256Id::of(b"abc"), 3).unwrap();
    [asked.recv().unwrap(), asked.recv().unwrap()]
}

#[test]
fn each_cloud_is_asked_in_its_own_words() {
    let s3 = |endpoint: &SocketAddr| variables(&format!("http://{endpoint}"), SECRET);
    let content = format!("cas/{}", Sha256Id::of(b"abc"));
    let alias = format!("ac/{}{}", "ab".repeat(16), "00".repeat(16));
    let [get, put] = get_and_put("s3://bucket/p/q", &s3);
    assert_eq!(get.line, format!("GET /bucket/p/q/{content}"));
    assert_eq!(put.line, format!("PUT /bucket/p/q/{alias}"));
    assert!(put.header("authorization").starts_with("AWS4-HMAC-SHA256 Credential=key/"));
    assert!(put.header("authorization").contains("/eu-central-1/s3/"));

    let [get, put] = get_and_put("az://container/p/q", &azure);
    assert_eq!(get.line, format!("GET /container/p/q/{content}"));
    assert_eq!(put.line, format!("PUT /container/p/q/{alias}"));
    assert!(put.header("authorization").starts_with("SharedKey account:"));
    assert_eq!(put.header("x-ms-blob-type"), "BlockBlob");

    let [get, put] = get_and_put("gs://bucket/p/q", &google);
    assert_eq!(get.line, format!("GET /bucket/p%2Fq%2F{}", content.replace('/', "%2F")));
    assert_eq!(put.line, format!("PUT /bucket/p%2Fq%2F{}", alias.replace('/', "%2F")));
    assert!(put.header("authorization").starts_with("Bearer"));
}

#[test]
fn large_content_goes_to_azure_in_blocks() {
    let (endpoint, asked) = serve(&[PUT]);
    let dir = tempfile::tempdir().unwrap();
    let blob = blob(&store(dir.path(), "", &[]), &content(20 << 20));
    tier("az://container", &azure(&endpoint)).put_content(&blob).unwrap();
    let asked: Vec<Asked> = asked.try_iter().collect();
    let blocks: Vec<_> = asked.iter().filter(|asked| asked.line.contains("comp=block&")).collect();
    assert_eq!(blocks.len(), 3);
    assert_eq!(blocks.iter().map(|block| block.body).sum::<usize>(), 20 << 20);
    assert!(asked.last().unwrap().line.ends_with("comp=blocklist"), "{}", asked.last().unwrap().line);
}

#[test]
fn answers_of_no_use_are_told_and_asked_for_no_more_than_three_times() {
    let missing = "404 Not Found\n\n<?xml?><Error><Code>NoSuchBucket</Code><Message>m</Message></Error>";
    let absent = "404 Not Found\n\n<?xml?><Error><Code>NoSuchKey</Code></Error>";
    let half = FOUND.replacen("200 OK\n", "200 OK\nContent-Length: 100\n", 1);
    let rows = [
        (absent, None, 1),
        (missing, Some("404 Not Found (NoSuchBucket); make the bucket"), 1),
        ("503 Busy\n\n<Error><Code>SlowDown</Code></Error>", Some("503 Service Unavailable (SlowDown)"), 3),
        ("500 Oh\n\nplain\nwords", Some("500 Internal Server Error: plain words"), 3),
        ("301 Moved\nLocation: http://elsewhere.invalid/\n\n", Some("301"), 1),
        ("403 No\n\n", Some("403 Forbidden; are AWS_ACCESS_KEY_ID"), 1),
        (&half, Some(""), 3),
    ];
    for (answer, expected, most) in rows {
        let (endpoint, asked) = serve(&[answer]);
        let tier = tier("s3://bucket", &variables(&format!("http://{endpoint}"), SECRET));
        match (read(tier.as_ref()), expected) {
            (Ok(None), None) => {}
            (Err(error), Some(expected)) => {
                let said = chain(error.as_ref());
                assert!(said.contains(expected) && said.len() < 400 && !said.contains('\n'), "{said}");
            }
            (got, _) => panic!("{answer}: {:?}", got.map(|content| content.is_some())),
        }
        let asked = asked.try_iter().count();
        assert!((1..=most).contains(&asked), "{answer}: asked {asked} times");
    }
}
