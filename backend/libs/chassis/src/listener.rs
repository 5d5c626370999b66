//! Accepts connections: HTTP/1.1 and HTTP/2 (h2c) on one port, with bounds on what a connection may cost.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::Lifecycle;
use crate::config::Listen;

/// Calls at once on one connection; more wait for a stream.
const MAX_CONCURRENT_STREAMS: u32 = 1024;
/// Bytes that a connection may send ahead of their being read. h2 also derives from it how many small DATA frames may wait
/// (half the window, each frame counting for up to 256 bytes; beyond that it closes the connection): enough for
/// [`MAX_CONCURRENT_STREAMS`] small requests at once, which the 64 KiB that an adaptive window begins with are not.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The same for one call.
const STREAM_WINDOW: u32 = 256 * 1024;
const MAX_HEADER_BYTES: u32 = 32 * 1024;
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

/// Serves `routes` until the process drains, then lets calls under way end within the grace.
pub(crate) fn serve(
    listener: TcpListener,
    routes: Router,
    listen: &Listen,
    life: &Lifecycle,
) -> anyhow::Result<SocketAddr> {
    let address = listener.local_addr().context("a bound listener has an address")?;
    let grace = listen.shutdown_grace;
    let drain_delay = listen.drain_delay;
    let draining = life.draining().clone();
    life.spawn_listener(async move {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
        server
            .http2()
            .timer(TokioTimer::new())
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_stream_window_size(STREAM_WINDOW)
            .max_concurrent_streams(MAX_CONCURRENT_STREAMS)
            .max_header_list_size(MAX_HEADER_BYTES)
            .keep_alive_interval(KEEP_ALIVE_EVERY)
            .keep_alive_timeout(KEEP_ALIVE_WAIT);
        let graceful = GracefulShutdown::new();
        let stop_accepting = async {
            draining.cancelled().await;
            tokio::time::sleep(drain_delay).await;
        };
        tokio::pin!(stop_accepting);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = &mut stop_accepting => break,
            };
            let stream = match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors, most likely: connections that end make room.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            // Without it a small answer may wait for the acknowledgement of the one before (Nagle).
            let _ = stream.set_nodelay(true);
            let called = Arc::new(AtomicBool::new(false));
            let calls = Arc::clone(&called);
            let service = TowerToHyperService::new(routes.clone().map_request(move |request| {
                calls.store(true, Ordering::Relaxed);
                request
            }));
            let connection = server.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            let connection = graceful.watch(connection);
            tokio::spawn(async move {
                let silent = async {
                    tokio::time::sleep(FIRST_CALL_TIMEOUT).await;
                    if called.load(Ordering::Relaxed) {
                        std::future::pending::<()>().await;
                    }
                };
                tokio::select! {
                    ended = connection => if let Err(error) = ended {
                        tracing::trace!(%error, "a connection ended early");
                    },
                    () = silent => tracing::trace!("a connection on which nothing was asked was closed"),
                }
            });
        }
        drop(listener);
        if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
            tracing::warn!(%address, "calls were still under way after the grace of {grace:?} and were cut off");
        }
    });
    Ok(address)
}
