//! nginx on the loopback device: a server that is nobody's invention.
//!
//! [`Nginx::start`] is a tier with WebDAV: everything below its folder is read and written by HTTP; below `/private/` only with the
//! credentials `user:pw`. [`TlsFolder`] is a folder that is read over HTTPS, with a certificate that nobody trusts who is not told to.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Need;
use crate::sandbox::set_mode;

/// A running nginx; dropping it stops it.
#[derive(Debug)]
pub struct Nginx {
    dir: PathBuf,
    port: u16,
    master: Child,
}

impl Nginx {
    /// Starts it with its files in `dir`, which is made. Needs [`crate::Need::Tool`]`("nginx")`.
    pub fn start(dir: &Path) -> Nginx {
        let root = dir.join("root");
        std::fs::create_dir_all(&root).expect("make the folder of nginx");
        // Its workers are another user's.
        set_mode(dir, 0o777);
        set_mode(&root, 0o777);
        std::fs::write(dir.join("passwords"), "user:{PLAIN}pw\n").expect("write passwords");
        let port = free_port();
        let dir_text = dir.display();
        let config = format!(
            "worker_processes 2;\ndaemon off;\npid {dir_text}/pid;\nerror_log {dir_text}/errors;\nevents {{}}\n\
             http {{\n access_log {dir_text}/log;\n client_body_temp_path {dir_text}/body;\n client_max_body_size 0;\n sendfile on;\n\
             server {{\n listen 127.0.0.1:{port};\n root {dir_text}/root;\n\
             location / {{ dav_methods PUT; create_full_put_path on; }}\n\
             location /private/ {{ dav_methods PUT; create_full_put_path on; auth_basic x; auth_basic_user_file {dir_text}/passwords; }}\n\
             }}\n}}\n"
        );
        Nginx::run(dir, port, &config)
    }

    fn run(dir: &Path, port: u16, config: &str) -> Nginx {
        std::fs::write(dir.join("config"), config).expect("write the configuration of nginx");
        let master = Command::new("nginx")
            .arg("-e")
            .arg(dir.join("errors"))
            .arg("-c")
            .arg(dir.join("config"))
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("start nginx");
        let nginx = Nginx { dir: dir.to_owned(), port, master };
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begin.elapsed() < Duration::from_secs(10), "nginx does not listen: {}", nginx.errors());
            std::thread::sleep(Duration::from_millis(5));
        }
        nginx
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The folder that it serves.
    pub fn root(&self) -> PathBuf {
        self.dir.join("root")
    }

    /// The requests so far, as `METHOD path status`.
    pub fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.dir.join("log")).unwrap_or_default();
        let short = |line: &str| {
            let (_, request) = line.split_once('"')?;
            let (request, rest) = request.split_once('"')?;
            let request = request.trim_end_matches(" HTTP/1.1");
            Some(format!("{request} {}", rest.split_whitespace().next()?))
        };
        log.lines().filter_map(short).collect()
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.dir.join("errors")).unwrap_or_default()
    }
}

/// A folder that is served over HTTPS at one name; dropping it stops the server.
#[derive(Debug)]
pub struct TlsFolder {
    dir: PathBuf,
    config: String,
    port: u16,
    nginx: Option<Nginx>,
}

impl TlsFolder {
    /// What it stands on, for [`crate::missing`].
    pub const NEEDS: [Need<'static>; 2] = [Need::Tool("nginx"), Need::Tool("openssl")];

    /// Serves `folder` at `name` (`/debian`), with its own files in `dir`, which is made. All users must be able to read the folder.
    pub fn start(dir: &Path, name: &str, folder: &Path) -> TlsFolder {
        TlsFolder::with_key(dir, name, folder, &["ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
    }

    /// [`TlsFolder::start`] with another key: what follows `openssl req -newkey`, such as `rsa:2048`.
    pub fn with_key(dir: &Path, name: &str, folder: &Path, kind: &[&str]) -> TlsFolder {
        std::fs::create_dir_all(dir).expect("make the folder of nginx");
        set_mode(dir, 0o777);
        let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-nodes", "-newkey"]).args(kind);
        openssl.args(["-days", "36500", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]);
        // rustls takes no authority's certificate for a server's.
        openssl.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        openssl.arg("-keyout").arg(&key).arg("-out").arg(&certificate).stdin(Stdio::null());
        let made = openssl.output().expect("start openssl");
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        let port = crate::git::free_port();
        let (here, folder) = (dir.display(), folder.display());
        let config = format!(
            "worker_processes 1;\ndaemon off;\npid {here}/pid;\nerror_log {here}/errors;\nevents {{}}\n\
             http {{\n access_log {here}/log;\n client_body_temp_path {here}/body;\n\
             server {{\n listen 127.0.0.1:{port} ssl;\n ssl_protocols TLSv1.2 TLSv1.3;\n ssl_certificate {here}/certificate.pem;\n ssl_certificate_key {here}/key.pem;\n\
             location {name}/ {{ alias {folder}/; }}\n }}\n}}\n"
        );
        let mut served = TlsFolder { dir: dir.to_owned(), config, port, nginx: None };
        served.resume();
        served
    }

    /// `https://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.port)
    }

    /// The certificate, to be trusted as an authority's (`Acquire::https::CaInfo`, `SSL_CERT_FILE`).
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("certificate.pem")
    }

    /// The server, for its log; none while it is stopped.
    pub fn server(&self) -> Option<&Nginx> {
        self.nginx.as_ref()
    }

    /// Refuses connections from now on. Idempotent.
    pub fn stop(&mut self) {
        self.nginx = None;
    }

    /// Serves on the same port again. Idempotent.
    pub fn resume(&mut self) {
        if self.nginx.is_none() {
            self.nginx = Some(Nginx::run(&self.dir, self.port, &self.config));
        }
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.master.id().cast_signed()) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).ok();
        }
        self.master.wait().ok();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its number").port()
}
