//! The processes that serve: `git daemon`, nginx, fcgiwrap; and a script in place of ssh.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use super::command::{Git, alone};
use crate::process::kill_group;
use crate::sandbox::set_mode;

/// Starts all three in the process group of the shell, and ends them with itself when its standard input does: with this process, however that
/// ends.
const SCRIPT: &str = r#"fcgiwrap -f -c 8 -s "unix:$1/fcgi" 2>>"$1/errors" &
nginx -e "$1/errors" -c "$1/nginx.conf" 2>/dev/null &
"$2/git-daemon" --verbose --reuseaddr --export-all --enable=upload-archive --listen=127.0.0.1 "--port=$3" "--base-path=$1/repos" 2>>"$1/daemon.log" &
read -r _
kill -KILL 0
"#;

/// An ssh for git: whoever is asked for, it runs the command, its last word, on this machine, where `up` is there. What git has told its own
/// processes by variables no other machine would know.
const SSH: &str = r#"#!/bin/sh
for command; do :; done
[ -e "DIR/up" ] || { echo "ssh: connect to host h.example port 22: Connection refused" >&2; exit 255; }
cd "DIR/repos" && exec env -i PATH=/usr/local/bin:/usr/bin:/bin HOME="DIR" GIT_CONFIG_NOSYSTEM=1 GIT_PROTOCOL="$GIT_PROTOCOL" sh -c "$command"
"#;

/// The processes; dropping the value ends them.
#[derive(Debug)]
pub(super) struct Servers {
    shell: Child,
    ports: [u16; 2],
    /// There while they serve, for [`SSH`].
    up: PathBuf,
}

impl Servers {
    /// Starts them, and returns when both ports take connections.
    pub(super) fn start(dir: &Path, http_port: u16, git_port: u16) -> Servers {
        let socket = dir.join("fcgi");
        std::fs::remove_file(&socket).ok();
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "sh"]).arg(dir).arg(exec_path()).arg(git_port.to_string());
        alone(&mut command, dir);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let shell = command.spawn().expect("start a shell");
        let servers = Servers { shell, ports: [http_port, git_port], up: dir.join("up") };
        std::fs::write(&servers.up, "").expect("write a mark");
        let complaints = || std::fs::read_to_string(dir.join("errors")).unwrap_or_default();
        let is_up = || socket.exists() && servers.ports.iter().all(|port| listens(*port));
        assert!(comes(is_up), "no server: {}", complaints());
        // The workers of nginx are another user's.
        set_mode(&socket, 0o777);
        servers
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        std::fs::remove_file(&self.up).ok();
        kill_group(&self.shell);
        self.shell.wait().ok();
        // The others are no children of ours.
        comes(|| !self.ports.iter().any(|port| listens(*port)));
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Waits for something, and not for ever.
fn comes(is_there: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    while !is_there() {
        if begin.elapsed() > Duration::from_secs(10) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

/// Writes what the servers are told: a configuration of git for both, and nginx's own.
pub(super) fn configure(dir: &Path, http_port: u16) {
    let dir_text = dir.display();
    let hook = format!("#!/bin/sh\npwd >>{dir_text}/packs\nexec \"$@\"\n");
    std::fs::write(dir.join("hook"), hook).expect("write the hook");
    set_mode(&dir.join("hook"), 0o755);
    let config = format!(
        "[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n\tpackObjectsHook = {dir_text}/hook\n\
         [safe]\n\tdirectory = *\n[gc]\n\tauto = 0\n"
    );
    std::fs::write(dir.join(".gitconfig"), config).expect("write the configuration of git");
    std::fs::write(dir.join("ssh"), SSH.replace("DIR", &dir_text.to_string())).expect("write the ssh");
    set_mode(&dir.join("ssh"), 0o755);
    std::fs::write(dir.join("passwords"), "user:{PLAIN}pw\n").expect("write passwords");
    let backend = exec_path().join("git-http-backend");
    let pass = format!(
        "fastcgi_pass unix:{dir_text}/fcgi; fastcgi_buffering off; \
         fastcgi_param SCRIPT_FILENAME {}; fastcgi_param GIT_PROJECT_ROOT {dir_text}/repos; \
         fastcgi_param GIT_HTTP_EXPORT_ALL 1; fastcgi_param GIT_CONFIG_NOSYSTEM 1; fastcgi_param HOME {dir_text}; \
         fastcgi_param PATH /usr/local/bin:/usr/bin:/bin; fastcgi_param PATH_INFO $uri; \
         fastcgi_param QUERY_STRING $query_string; fastcgi_param REQUEST_METHOD $request_method; \
         fastcgi_param CONTENT_TYPE $content_type; fastcgi_param CONTENT_LENGTH $content_length; \
         fastcgi_param GIT_PROTOCOL $http_git_protocol; fastcgi_param REMOTE_USER $remote_user; \
         fastcgi_param REMOTE_ADDR $remote_addr;",
        backend.display()
    );
    let temporary: String = ["client_body", "fastcgi", "proxy", "scgi", "uwsgi"]
        .iter()
        .map(|what| format!(" {what}_temp_path {dir_text}/{what};\n"))
        .collect();
    let config = format!(
        "worker_processes 1;\ndaemon off;\npid {dir_text}/pid;\nerror_log {dir_text}/errors;\nevents {{}}\nhttp {{\n\
         log_format short '$request_method $request_uri $status $bytes_sent';\n access_log {dir_text}/access.log short;\n{temporary}\
         client_max_body_size 0;\n server {{\n listen 127.0.0.1:{http_port};\n\
         location / {{ {pass} }}\n\
         location /private/ {{ auth_basic x; auth_basic_user_file {dir_text}/passwords; {pass} }}\n\
         location /redirect/ {{ rewrite ^/redirect(/.*)$ $1 redirect; }}\n\
         location /dumb/ {{ alias {dir_text}/repos/; }}\n\
         }}\n}}\n"
    );
    std::fs::write(dir.join("nginx.conf"), config).expect("write the configuration of nginx");
}

/// A port that nobody listens on, from below the range that the kernel gives out for outgoing connections, so that nobody
/// takes it by chance while the server is stopped.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() * 16 % 2_400).expect("below 2400");
    for _ in 0..2_400 {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 30_300 + (first.wrapping_add(step) % 2_400);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
    panic!("no free port");
}

fn exec_path() -> PathBuf {
    Git::here(Path::new("/")).run(&["--exec-path"]).into()
}
