//! A web server on the loopback device whose every answer follows from the path that is asked for. Files are served from folders that
//! are mounted (`folder.rs`).
//!
//! Life cycle: [`Origin::start`] binds a port and answers until [`Origin::stop`]; while it is stopped a connection is
//! refused; [`Origin::resume`] listens on the same port again. Each request is kept in a log. Every connection has a
//! thread; dropping the value stops the server.
//!
//! Ports come from below the range that the kernel gives out for outgoing connections, so that nobody takes the port
//! of a stopped origin by chance.
//!
//! Requests that are sent ahead (pipelining) are answered one after the other.
//!
//! Not handled: TLS, HTTP/2.

mod answer;
mod bytes;
pub(crate) mod date;
mod folder;
mod wire;

use std::collections::BTreeMap;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;

pub use answer::{LAST_MODIFIED, LAST_MODIFIED_TEXT};
pub use bytes::{content, gzip, tar_of, tar_of_all};
pub use folder::Fault;

/// One request as it arrived, and what became of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// `GET`, `HEAD`, …
    pub method: String,
    /// The path with its query, as sent.
    pub target: String,
    /// Header names in lower case with their values, in the order of arrival.
    pub headers: Vec<(String, String)>,
    /// The length of the request's body.
    pub body: usize,
    /// The status answered.
    pub status: u16,
    /// Where a redirect pointed to.
    pub location: Option<String>,
    /// The whole content that the answer stands for (before a range is cut out of it or it is compressed), when the
    /// status is 2xx, 304 or 416.
    pub content: Option<Arc<Vec<u8>>>,
}

impl Request {
    /// The value of a header, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// The server.
#[derive(Debug)]
pub struct Origin {
    shared: Arc<Shared>,
    host: &'static str,
    port: u16,
    listener: Option<(Arc<AtomicBool>, JoinHandle<()>)>,
}

/// What the threads of a server share.
#[derive(Debug, Default)]
struct Shared {
    log: Mutex<Vec<Request>>,
    named: Mutex<BTreeMap<String, Arc<Vec<u8>>>>,
    open: Mutex<Vec<TcpStream>>,
    /// How often each path of `/flaky/` was asked for.
    asked: Mutex<BTreeMap<String, u32>>,
    /// Folders by the part of a path that leads to them.
    mounts: Mutex<BTreeMap<String, PathBuf>>,
    faults: Mutex<BTreeMap<String, Fault>>,
}

impl Shared {
    fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
        // A panic in another thread has its own message; the data here is whole at any time.
        what.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Origin {
    /// A running server on 127.0.0.1.
    pub fn start() -> Origin {
        Origin::on("127.0.0.1")
    }

    /// A running server on `[::1]`.
    pub fn start_v6() -> Origin {
        Origin::on("[::1]")
    }

    fn on(host: &'static str) -> Origin {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = u16::try_from(std::process::id() % 20_000).expect("below 20000");
        for _ in 0..2_000 {
            let step = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = 10_240 + (first.wrapping_add(step) % 20_000);
            if let Ok(listener) = TcpListener::bind(format!("{host}:{port}")) {
                let mut origin = Origin { shared: Arc::default(), host, port, listener: None };
                origin.listen(listener);
                return origin;
            }
        }
        panic!("no free port on {host}");
    }

    /// `http://HOST:PORT`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.host_port())
    }

    /// `HOST:PORT`.
    pub fn host_port(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Stops listening and cuts every open connection: from now on connections are refused. Idempotent.
    pub fn stop(&mut self) {
        let Some((stopping, thread)) = self.listener.take() else { return };
        stopping.store(true, Ordering::SeqCst);
        // `accept` has no time limit; a connection of our own wakes it.
        TcpStream::connect(self.host_port()).ok();
        thread.join().ok();
        for stream in Shared::lock(&self.shared.open).drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    /// Listens on the same port again. Idempotent.
    pub fn resume(&mut self) {
        if self.listener.is_some() {
            return;
        }
        for _ in 0..200 {
            match TcpListener::bind(self.host_port()) {
                Ok(listener) => return self.listen(listener),
                Err(_) => std::thread::sleep(std::time::Duration::from_millis(10)),
            }
        }
        panic!("cannot listen on {} again", self.host_port());
    }

    /// Gives a path content of its own, instead of what follows from its name.
    pub fn set(&self, target: &str, bytes: impl Into<Vec<u8>>) {
        Shared::lock(&self.shared.named).insert(target.to_owned(), Arc::new(bytes.into()));
    }

    /// The whole content of a path, as an ordinary GET gets it in the end.
    pub fn content(&self, target: &str) -> Arc<Vec<u8>> {
        answer::whole(&self.shared, target)
    }

    /// Takes the log, leaving it empty.
    pub fn take_log(&self) -> Vec<Request> {
        std::mem::take(&mut *Shared::lock(&self.shared.log))
    }

    fn listen(&mut self, listener: TcpListener) {
        let stopping = Arc::new(AtomicBool::new(false));
        let (shared, flag) = (Arc::clone(&self.shared), Arc::clone(&stopping));
        let thread = std::thread::spawn(move || accept(&listener, &shared, &flag));
        self.listener = Some((stopping, thread));
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        self.stop();
    }
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, stopping: &Arc<AtomicBool>) {
    for stream in listener.incoming() {
        if stopping.load(Ordering::SeqCst) {
            // Also for a child that another thread is just forking: its copy would go on taking connections until its exec.
            rustix::net::shutdown(listener, rustix::net::Shutdown::Both).ok();
            return;
        }
        let Ok(stream) = stream else { continue };
        stream.set_nodelay(true).ok();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(30))).ok();
        if let Ok(twin) = stream.try_clone() {
            Shared::lock(&shared.open).push(twin);
        }
        let (shared, stopping) = (Arc::clone(shared), Arc::clone(stopping));
        std::thread::spawn(move || wire::serve(&stream, &shared, &stopping).ok());
    }
}
