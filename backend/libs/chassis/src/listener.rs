//! Accepts connections: HTTP/1.1 and HTTP/2 on one port, in plaintext (h2c) or under TLS, with bounds on how many there are and
//! what each may cost.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use authn::Peer;
use axum::Router;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Version};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use metrics::{Counter, Gauge, counter, describe_counter, describe_gauge, gauge};
use tokio::io::DuplexStream;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::{ServiceExt, service_fn};

use crate::address::Proxies;
use crate::age::{Age, Term};
use crate::config::Listen;
use crate::connection::{Connection, Place, Terms};
use crate::{Lifecycle, hsts};

/// Calls at once on one connection; more wait for a stream.
const MAX_CONCURRENT_STREAMS: u32 = 1024;
/// Bytes that a connection may send ahead of their being read. h2 also derives from it how many small DATA frames may wait
/// (half the window, each frame counting for up to 256 bytes; beyond that it closes the connection): enough for
/// [`MAX_CONCURRENT_STREAMS`] small requests at once, which the 64 KiB that an adaptive window begins with are not.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The same for one call.
const STREAM_WINDOW: u32 = 256 * 1024;
const MAX_HEADER_BYTES: u32 = 32 * 1024;
/// HTTP/1.1: headers of a request, and bytes that are read ahead; a request whose headers do not fit gets 431.
const MAX_HEADERS: usize = 100;
const READ_AHEAD_BYTES: usize = 64 * 1024;
/// Streams that a client has opened and reset again before they were looked at: beyond, the connection is closed. Resets are
/// cheap for who sends them, so they are counted and not only bounded by [`MAX_CONCURRENT_STREAMS`] (CVE-2023-44487, "rapid
/// reset"; the same for streams that a client makes this side reset, CVE-2025-8671, "made you reset").
const MAX_PENDING_RESETS: usize = 20;
const MAX_OWN_RESETS: usize = 1024;
const KEEP_ALIVE_EVERY: Duration = Duration::from_secs(20);
const KEEP_ALIVE_WAIT: Duration = Duration::from_secs(20);
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A connection that asks for nothing is closed: an open socket costs its owner nothing and us a descriptor.
const FIRST_CALL_TIMEOUT: Duration = Duration::from_secs(60);

/// Takes a port.
///
/// # Errors
/// With a sentence that says what to do if the port is in use or may not be taken.
pub async fn bind(address: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        std::io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "port {} on {} is in use by another program: stop it, or set {key} to a free port",
            address.port(),
            address.ip()
        ),
        std::io::ErrorKind::PermissionDenied => {
            anyhow::anyhow!(
                "port {} needs more rights than this user has: set {key} to a port above 1023",
                address.port()
            )
        }
        _ => anyhow::Error::new(error).context(format!("can't listen on {address}: set {key} to another address")),
    })
}

/// A port.
pub(crate) struct Port {
    /// Its name in metrics and logs, such as `auth-grpc`.
    pub name: String,
    /// Where connections come from.
    pub listener: TcpListener,
    /// TLS, if the port has it.
    pub tls: Option<tls::Server>,
    /// Where the parts of this process come in that call one another without a network.
    pub doorway: Option<mpsc::Receiver<DuplexStream>>,
}

/// Serves `routes` until the process drains, then lets calls under way end within the grace.
pub(crate) fn serve(port: Port, routes: Router, listen: &Listen, life: &Lifecycle) -> anyhow::Result<SocketAddr> {
    let address = port.listener.local_addr().context("a bound listener has an address")?;
    let (grace, drain_delay) = (listen.shutdown_grace, listen.drain_delay);
    let draining = life.draining().clone();
    let (meters, connections) = (Meters::of(port.name, listen.max_connections), TaskTracker::new());
    let room = Arc::new(Semaphore::new(listen.max_connections.min(Semaphore::MAX_PERMITS)));
    let routes = if port.tls.is_some() { hsts::announce(routes, listen.tls.hsts) } else { routes };
    let terms = Terms::new(port.tls, &listen.tls.service_names, listen.write_timeout);
    let proxies =
        Proxies::of(listen).map_err(|text| anyhow::anyhow!("{text:?} is neither a network nor an address"))?;
    let (age, closed, retired) = (Age::of(listen), CancellationToken::new(), meters.retired.clone());
    let serving =
        Arc::new(Serving { http: http(), routes, terms, proxies, age, draining: draining.clone(), closed, retired });
    let (listener, mut doorway) = (port.listener, port.doorway);
    life.spawn_listener(async move {
        let stop_accepting = async {
            draining.cancelled().await;
            tokio::time::sleep(drain_delay).await;
        };
        tokio::pin!(stop_accepting);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                entered = enter(&mut doorway) => {
                    let connection = Connection::inside(entered);
                    connections.spawn(Arc::clone(&serving).serve(connection, Peer::SameProcess, None));
                    continue;
                }
                () = &mut stop_accepting => break,
            };
            let (stream, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end make room.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
                meters.refused.increment(1);
                continue;
            };
            let place = Place::new(permit, &meters.open);
            let (serving, failed) = (Arc::clone(&serving), meters.failed.clone());
            connections.spawn(async move {
                match serving.closed.run_until_cancelled(serving.terms.open(stream, place)).await {
                    Some(Ok((connection, peer))) => {
                        Arc::clone(&serving).serve(connection, peer, Some(from.ip())).await;
                    }
                    Some(Err(error)) => {
                        failed.increment(1);
                        tracing::debug!(%error, %from, "a TLS handshake failed");
                    }
                    None => {}
                }
            });
        }
        drop((listener, doorway));
        serving.closed.cancel();
        connections.close();
        if tokio::time::timeout(grace, connections.wait()).await.is_err() {
            tracing::warn!(%address, "calls were still under way after the grace of {grace:?} and were cut off");
        }
    });
    Ok(address)
}

/// The next that comes through the doorway; waits for ever where there is none.
async fn enter(doorway: &mut Option<mpsc::Receiver<DuplexStream>>) -> DuplexStream {
    if let Some(entered) = doorway {
        if let Some(stream) = entered.recv().await {
            return stream;
        }
        *doorway = None;
    }
    std::future::pending().await
}

fn http() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    http.http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(MAX_HEADERS)
        .max_buf_size(READ_AHEAD_BYTES);
    http.http2()
        .timer(TokioTimer::new())
        .initial_connection_window_size(CONNECTION_WINDOW)
        .initial_stream_window_size(STREAM_WINDOW)
        .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_pending_accept_reset_streams(MAX_PENDING_RESETS)
        .max_local_error_reset_streams(MAX_OWN_RESETS)
        .keep_alive_interval(KEEP_ALIVE_EVERY)
        .keep_alive_timeout(KEEP_ALIVE_WAIT);
    http
}

struct Meters {
    open: Gauge,
    refused: Counter,
    failed: Counter,
    retired: Counter,
}

impl Meters {
    fn of(port: String, most: usize) -> Self {
        describe_gauge!("nova_connections_open", "Connections that are open, by port");
        describe_gauge!("nova_connections_max", "Most connections that may be open, by port");
        describe_counter!(
            "nova_connections_refused_total",
            "Connections closed at once because as many as may be were open"
        );
        describe_counter!("nova_tls_handshakes_failed_total", "TLS handshakes that came to nothing");
        describe_counter!("nova_connections_retired_total", "Connections that were asked to end because of their age");
        gauge!("nova_connections_max", "port" => port.clone()).set(most as f64);
        Self {
            open: gauge!("nova_connections_open", "port" => port.clone()),
            refused: counter!("nova_connections_refused_total", "port" => port.clone()),
            failed: counter!("nova_tls_handshakes_failed_total", "port" => port.clone()),
            retired: counter!("nova_connections_retired_total", "port" => port),
        }
    }
}

/// What every connection of a port has.
struct Serving {
    http: auto::Builder<TokioExecutor>,
    routes: Router,
    terms: Terms,
    proxies: Proxies,
    /// How old connections from the network get; none: as old as they like.
    age: Option<Age>,
    /// Cancelled when the process drains. HTTP/1.1 has no way to say that a connection which is kept will be closed but with an
    /// answer: so each says it from then on, and nobody asks over a connection that is closed at that moment.
    draining: CancellationToken,
    /// Cancelled when no connection is accepted any more: handshakes that are under way are given up, and connections end when
    /// the calls on them have.
    closed: CancellationToken,
    retired: Counter,
}

impl Serving {
    /// Answers what comes over a connection; `from` is its other end, where that is outside this process.
    async fn serve(self: Arc<Self>, connection: Connection, peer: Peer, from: Option<IpAddr>) {
        let called = Arc::new(AtomicBool::new(false));
        let (calls, here) = (Arc::clone(&called), Arc::clone(&self));
        // What is inside this process has nowhere else to go.
        let term = self.age.filter(|_| from.is_some()).map(Age::begin);
        let service = TowerToHyperService::new(service_fn(move |mut request: Request<Incoming>| {
            calls.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(peer.clone());
            if let Some(from) = from {
                here.proxies.note(from, &mut request);
            }
            if let Some(term) = term {
                request.extensions_mut().insert(term);
            }
            let leaves = request.version() < Version::HTTP_2 && here.draining.is_cancelled();
            let answered = here.routes.clone().oneshot(request);
            async move {
                let mut response = answered.await?;
                if leaves && !response.headers().contains_key(CONNECTION) {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(response)
            }
        }));
        let served = self.http.serve_connection_with_upgrades(TokioIo::new(connection), service).into_owned();
        let mut served = std::pin::pin!(served);
        let silent = async {
            tokio::time::sleep(FIRST_CALL_TIMEOUT).await;
            if called.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
        };
        let ended = tokio::select! {
            ended = served.as_mut() => ended,
            () = silent => return tracing::trace!("a connection on which nothing was asked was closed"),
            () = self.closed.cancelled() => {
                served.as_mut().graceful_shutdown();
                served.await
            }
            () = Term::over(term, |term| term.retires_at) => {
                self.retired.increment(1);
                served.as_mut().graceful_shutdown();
                tokio::select! {
                    ended = served => ended,
                    () = Term::over(term, |term| term.cut_at) => return tracing::debug!("an old connection was cut off"),
                }
            }
        };
        if let Err(error) = ended {
            tracing::trace!(%error, "a connection ended early");
        }
    }
}
