//! Where the server listens: a TCP address, or a socket file.
//!
//! A socket file is bound under a temporary name, gets its mode, and is then renamed into place: nobody can connect before
//! the mode is right, and one that a dead server left is replaced. One whose server answers is an error. Its mode is 0600, or
//! 0666 where a token guards it (a build may run as another user). It is removed at the end if it is still ours.

use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio::net::{TcpListener, UnixListener};

/// How TCP avoids congestion within a machine: by a window, which every system knows.
const UNPACED: &str = "reno";

/// An address to listen at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Listen {
    /// `ADDR:PORT`; port 0 means any.
    Tcp(SocketAddr),
    /// `unix:PATH`.
    Unix(PathBuf),
}

/// Why it can't be listened there.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Neither form.
    #[error("{0:?} is no address to listen at: write ADDR:PORT (127.0.0.1:8080, [::1]:0) or unix:PATH")]
    Form(String),
    /// Other machines could read and fill the cache.
    #[error(
        "{0} can be reached by other machines, so a token is needed: give --token-file FILE, or --insecure if everyone may read and write the cache"
    )]
    Open(SocketAddr),
    /// The system said no.
    #[error("{at}: can't listen there: {source}")]
    Bind {
        /// The address.
        at: String,
        /// The system's answer.
        source: io::Error,
    },
    /// Someone answers there.
    #[error("{}: another server answers there; stop it, or choose another path", .0.display())]
    Live(PathBuf),
    /// A file that is no socket.
    #[error("{}: is there and is no socket; choose another path", .0.display())]
    InTheWay(PathBuf),
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        match text.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(Self::Unix(path.into())),
            _ => text.parse().map(Self::Tcp).map_err(|_| ListenError::Form(text.to_owned())),
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "http://{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An open listener.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// A listener, where it is (with the port that it got), and what goes with it.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) listener: Listener,
    pub(crate) at: Listen,
    pub(crate) file: Option<SocketFile>,
}

impl Bound {
    /// Opens a listener; `guarded` by a token or not. To be called inside the runtime.
    ///
    /// # Errors
    /// [`ListenError`].
    pub(crate) async fn open(listen: &Listen, guarded: bool) -> Result<Bound, ListenError> {
        let failed = |source| ListenError::Bind { at: listen.to_string(), source };
        match listen {
            Listen::Tcp(address) => {
                let listener = TcpListener::bind(address).await.map_err(failed)?;
                if address.ip().is_loopback() {
                    // Nothing gets lost there; BBR, where it is the system's choice, would all the same send at a pace.
                    let _ = rustix::net::sockopt::set_tcp_congestion(&listener, UNPACED);
                }
                let bound = listener.local_addr().map_err(failed)?;
                Ok(Bound { listener: Listener::Tcp(listener), at: Listen::Tcp(bound), file: None })
            }
            Listen::Unix(path) => {
                must_be_free(path)?;
                let (listener, file) =
                    bind_file(path, if guarded { 0o666 } else { 0o600 }).map_err(failed)?;
                Ok(Bound { listener: Listener::Unix(listener), at: listen.clone(), file: Some(file) })
            }
        }
    }
}

fn must_be_free(path: &Path) -> Result<(), ListenError> {
    match fs::symlink_metadata(path) {
        Err(_) => Ok(()),
        Ok(there) if !there.file_type().is_socket() => Err(ListenError::InTheWay(path.to_owned())),
        Ok(_) => match UnixStream::connect(path) {
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => Ok(()),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
            // Also one that we may not connect to: it is not ours to replace.
            _ => Err(ListenError::Live(path.to_owned())),
        },
    }
}

fn bind_file(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let temporary = path.with_file_name(name);
    let _ = fs::remove_file(&temporary);
    let listener = UnixListener::bind(&temporary)?;
    let ready = fs::set_permissions(&temporary, fs::Permissions::from_mode(mode))
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| fs::symlink_metadata(path));
    match ready {
        Ok(made) => Ok((listener, SocketFile { path: path.to_owned(), id: (made.dev(), made.ino()) })),
        Err(e) => {
            let _ = fs::remove_file(&temporary);
            Err(e)
        }
    }
}

/// A socket file of ours; removed when dropped, unless another server has taken the name.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    id: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|now| (now.dev(), now.ino()) == self.id) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_printed() {
        for (text, url) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("[::1]:0", "http://[::1]:0"),
            ("unix:/run/vcache.sock", "unix:/run/vcache.sock"),
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), url);
        }
        for text in ["", "8080", "unix:", "localhost:80", "127.0.0.1", "http://127.0.0.1:80"] {
            assert!(text.parse::<Listen>().is_err(), "{text:?}");
        }
    }
}
