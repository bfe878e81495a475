//! nginx with WebDAV on the loopback device: a tier that is nobody's invention. Everything below its folder is read and written by
//! HTTP; below `/private/` only with the credentials `user:pw`.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
