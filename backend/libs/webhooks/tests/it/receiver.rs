//! Somebody who is sent messages and does not always behave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What a receiver does with what it is sent.
#[derive(Clone)]
pub enum Manner {
    /// Answers with these bytes, and closes.
    Says(String),
    /// Reads and never answers.
    Hangs,
    /// Answers with these bytes, and never closes.
    Stalls(String),
}

impl Manner {
    pub fn status(line: &str) -> Self {
        Self::Says(format!("HTTP/1.1 {line}\r\ncontent-length: 0\r\n\r\n"))
    }
}

/// A receiver on a free port of 127.0.0.1. It ends with the test.
pub struct Receiver {
    pub address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    pub async fn start(manner: Manner) -> Self {
        Self::start_on("127.0.0.1:0", manner, None).await
    }

    pub async fn start_tls(manner: Manner, tls: tokio_rustls::TlsAcceptor) -> Self {
        Self::start_on("127.0.0.1:0", manner, Some(tls)).await
    }

    async fn start_on(at: &str, manner: Manner, tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(at).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let requests = Arc::new(Mutex::new(vec![]));
        let seen = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (manner, seen, tls) = (manner.clone(), Arc::clone(&seen), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => serve(stream, manner, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, manner, &seen).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, requests, task }
    }

    /// Whole requests that came, as they were.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, manner: Manner, seen: &Mutex<Vec<String>>) {
    let mut request = vec![];
    while !is_whole(&request) {
        if !matches!(stream.read_buf(&mut request).await, Ok(1..)) {
            return;
        }
    }
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(String::from_utf8_lossy(&request).into_owned());
    match manner {
        Manner::Says(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Manner::Hangs => std::future::pending().await,
        Manner::Stalls(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.flush().await;
            std::future::pending().await
        }
    }
}

/// Whether the head and as much of a body as it names is there.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}
