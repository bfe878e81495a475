//! A file server on 127.0.0.1 that is no bottleneck: files go out by `sendfile`, nothing is kept in memory.
//!
//! `vcache_testkit::Origin` holds what it serves in memory, a gigabyte would stay there and be counted as ours; this
//! one serves a folder. `/<anything>-<name>` is the file `<name>`: many URLs of one content, so that each miss has a URL
//! that nobody has asked for. GETs are counted for each path.
//!
//! Life cycle: [`Origin::start`] serves until the process ends. Not handled: everything but GET and HEAD of a whole
//! file over HTTP/1.1.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The server's address, and what it was asked for.
#[derive(Clone)]
pub(crate) struct Origin {
    port: u16,
    gets: Arc<Mutex<BTreeMap<String, u32>>>,
}

impl Origin {
    /// Serves the files of `dir` from threads of this process.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub(crate) fn start(dir: &Path) -> io::Result<Origin> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let origin = Origin { port: listener.local_addr()?.port(), gets: Arc::default() };
        let (dir, log) = (Arc::new(dir.to_owned()), origin.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (dir, log) = (Arc::clone(&dir), log.clone());
                // A client that leaves early is its own affair: the bench looks at what the client did.
                std::thread::spawn(move || converse(&stream, &dir, &log).ok());
            }
        });
        Ok(origin)
    }

    /// The URL of a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// How often GET was asked for this path so far.
    pub(crate) fn gets(&self, path: &str) -> u32 {
        self.log().get(path).copied().unwrap_or(0)
    }

    fn log(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u32>> {
        self.gets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn converse(stream: &TcpStream, dir: &Path, log: &Origin) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let mut words = line.split_whitespace();
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut header = String::new();
        while reader.read_line(&mut header)? > 2 {
            header.clear();
        }
        if method == "GET" {
            *log.log().entry(path.to_owned()).or_default() += 1;
        }
        answer(stream, method, &file_of(dir, path))?;
    }
}

fn file_of(dir: &Path, path: &str) -> PathBuf {
    let last = path.rsplit('/').next().unwrap_or_default();
    dir.join(last.rsplit('-').next().unwrap_or_default())
}

fn answer(mut stream: &TcpStream, method: &str, path: &Path) -> io::Result<()> {
    let file = File::open(path).and_then(|file| Ok((file.metadata()?, file)));
    let Ok((meta, mut file)) =
        file.map_err(drop).and_then(|found| found.0.is_file().then_some(found).ok_or(()))
    else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nContent-Type: application/octet-stream\r\n\
         Last-Modified: Tue, 01 Jan 2019 00:00:00 GMT\r\n\r\n",
        meta.len()
    );
    stream.write_all(head.as_bytes())?;
    if method == "GET" {
        // From a file to a socket this is sendfile(2).
        io::copy(&mut file, &mut stream)?;
    }
    Ok(())
}
