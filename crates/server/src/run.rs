//! Connections, from the first to the last.
//!
//! Life: [`Server::bind`] -> [`Server::run`], which accepts until it is told to stop, then lets what runs finish for
//! [`FAREWELL`] at most. Told to stop by SIGTERM, SIGINT, or the end of stdin where that was asked for.
//!
//! At most [`CONNECTIONS`] are open; who comes later waits in the system's queue. A head must have come within [`HEAD`], which
//! is also how long a connection may stay between two requests.

use std::convert::Infallible;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::upstream::Upstream;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Semaphore;
use tokio::sync::oneshot;
use vcache_store::Store;

use crate::budget::Budget;
use crate::listen::{Bound, Listener};
use crate::patient::Patient;
use crate::straight::{Socket, Straight};
use crate::{Config, Listen, ListenError, Shared, routes};

/// Open connections at most. A build farm has some hundred; each may cost a buffer or two of 256 KiB.
const CONNECTIONS: usize = 512;
/// For a head to come, and between two requests of a connection: a client at its slowest, not one that has forgotten us.
const HEAD: Duration = Duration::from_secs(30);
/// For running transfers when the server stops.
const FAREWELL: Duration = Duration::from_secs(30);
/// What a connection reads at a time, at most. A body comes in pieces of this size.
const READ: usize = 128 << 10;
/// After a failure to accept (no file descriptors left, say): until the next try.
const BREATH: Duration = Duration::from_millis(100);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// It can't listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The store can't be measured or brought down to the limit.
    #[error("the size of the cache can't be measured")]
    Store(#[from] vcache_store::Error),
    /// No threads, or no signals.
    #[error("the server can't be started: {0}")]
    System(#[from] io::Error),
}

/// A server that listens.
#[derive(Debug)]
pub struct Server {
    runtime: Runtime,
    shared: Arc<Shared>,
    bound: Bound,
    terminate: Signal,
    interrupt: Signal,
}

impl Server {
    /// Brings the store down to its limit and opens the listener. From here on signals end in a graceful stop.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn bind(config: Config, store: Store) -> Result<Server, ServeError> {
        if let Listen::Tcp(address) = config.listen
            && !address.ip().is_loopback()
            && config.token.is_none()
            && !config.insecure
        {
            return Err(ListenError::Open(address).into());
        }
        // As many threads for waiting as there are connections: one that waits for the disk holds up no other.
        let runtime = Builder::new_multi_thread().enable_all().max_blocking_threads(CONNECTIONS).build()?;
        let store = Arc::new(store);
        let budget = Budget::new(Arc::clone(&store), config.max_size)?;
        let inside = runtime.enter();
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let bound = runtime.block_on(Bound::open(&config.listen, config.token.is_some()))?;
        let shared = Shared {
            upstream: Upstream::new(&store, config.tell),
            store,
            token: config.token,
            read_only: config.read_only,
            image: config.image,
            slow_store: config.slow_store,
            tell: config.tell,
            event_log: config.event_log,
            budget,
            counts: Default::default(),
            measured: Default::default(),
            buffers: Default::default(),
            warm: Default::default(),
            started: Instant::now(),
        };
        drop(inside);
        Ok(Server { runtime, shared: Arc::new(shared), bound, terminate, interrupt })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> &Listen {
        &self.bound.at
    }

    /// Answers until it is told to stop, and for running transfers a little longer. `until_stdin_closes`: the end of
    /// stdin stops it, too.
    pub fn run(self, until_stdin_closes: bool) {
        let Server { runtime, shared, bound, mut terminate, mut interrupt } = self;
        let Bound { listener, file, .. } = bound;
        runtime.block_on(async {
            let stdin = stdin_closed(until_stdin_closes);
            let transfers = GracefulShutdown::new();
            tokio::select! {
                () = accept(&listener, &shared, &transfers) => {}
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                () = stdin => {}
            }
            // No new connections from here on.
            drop((listener, file));
            let _ = tokio::time::timeout(FAREWELL, transfers.shutdown()).await;
        });
        // What has not ended by now is cut off.
        runtime.shutdown_background();
    }
}

/// Ends when stdin does; never, if that was not asked for.
async fn stdin_closed(asked: bool) {
    let (closed, wait) = oneshot::channel::<()>();
    if asked {
        // A thread of its own: a read of stdin can't be called off, and must not hold up the end.
        std::thread::spawn(move || {
            let mut sink = [0; 256];
            let mut stdin = io::stdin().lock();
            loop {
                match stdin.read(&mut sink) {
                    Ok(0) => break,
                    Err(e) if e.kind() != io::ErrorKind::Interrupted => break,
                    _ => {}
                }
            }
            let _ = closed.send(());
        });
        let _ = wait.await;
    } else {
        std::future::pending::<()>().await;
    }
}

async fn accept(listener: &Listener, shared: &Arc<Shared>, transfers: &GracefulShutdown) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        let accepted = match listener {
            Listener::Tcp(listener) => listener.accept().await.map(|(stream, _)| {
                // Answers are written as a whole; waiting for more would only delay them.
                let _ = stream.set_nodelay(true);
                attend(stream, shared, transfers, place);
            }),
            Listener::Unix(listener) => {
                listener.accept().await.map(|(stream, _)| attend(stream, shared, transfers, place))
            }
        };
        if accepted.is_err() {
            tokio::time::sleep(BREATH).await;
        }
    }
}

fn attend<S>(
    stream: S,
    shared: &Arc<Shared>,
    transfers: &GracefulShutdown,
    place: tokio::sync::OwnedSemaphorePermit,
) where
    S: Socket + Send + 'static,
{
    let shared = Arc::clone(shared);
    let straight = Arc::new(Straight::default());
    let service = service_fn({
        let (shared, straight) = (Arc::clone(&shared), Arc::clone(&straight));
        move |request| {
            let (shared, straight) = (Arc::clone(&shared), Arc::clone(&straight));
            async move {
                let answer = routes::answer(shared, request).await;
                Ok::<_, Infallible>(answer.map(|body| body.through(straight)))
            }
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(READ)
        .half_close(false)
        // Bodies reach the connection as they are, never copied together: `straight` needs that.
        .writev(true)
        .serve_connection(TokioIo::new(Patient::new(stream, straight)), service);
    let connection = transfers.watch(connection);
    tokio::spawn(async move {
        shared.counts.connected();
        // How a connection ended is the client's business.
        let _ = connection.await;
        shared.counts.disconnected();
        drop(place);
    });
}
