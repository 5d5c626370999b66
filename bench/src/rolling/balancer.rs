//! What a Kubernetes Service is to its clients: one address, and behind it those replicas that say they are ready, as far as that
//! has got about. Connections that exist are nobody's business: they go on until one of their ends closes them.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// See the module.
pub struct Balancer {
    /// Where it listens.
    pub port: u16,
    rotation: Arc<Mutex<Vec<u16>>>,
    nobody: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Balancer {
    /// Starts one with nobody behind it.
    pub async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let (rotation, nobody) = (Arc::<Mutex<Vec<u16>>>::default(), Arc::new(AtomicUsize::new(0)));
        let (behind, missed) = (Arc::clone(&rotation), Arc::clone(&nobody));
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let chosen = choose(&behind.lock().unwrap_or_else(PoisonError::into_inner));
                let missed = Arc::clone(&missed);
                tokio::spawn(async move {
                    // Where nobody answers the client finds its connection closed, as it does in a cluster.
                    let server = match chosen {
                        Some(port) => TcpStream::connect(("127.0.0.1", port)).await.ok(),
                        None => None,
                    };
                    match server {
                        Some(server) => pass(client, server).await,
                        None => {
                            missed.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        Ok(Self { port, rotation, nobody, accepting })
    }

    /// Lets a replica get new connections.
    pub fn add(&self, port: u16) {
        let mut rotation = self.rotation.lock().unwrap_or_else(PoisonError::into_inner);
        if !rotation.contains(&port) {
            rotation.push(port);
        }
    }

    /// Lets it get no more.
    pub fn remove(&self, port: u16) {
        self.rotation.lock().unwrap_or_else(PoisonError::into_inner).retain(|known| *known != port);
    }

    /// Connections that came when nobody was there, or to somebody who was gone.
    pub fn missed(&self) -> usize {
        self.nobody.load(Ordering::Relaxed)
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn choose(rotation: &[u16]) -> Option<u16> {
    let chance = RandomState::new().hash_one(0) % (rotation.len().max(1) as u64);
    rotation.get(usize::try_from(chance).unwrap_or(0)).copied()
}

async fn pass(mut client: TcpStream, mut server: TcpStream) {
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
}
