//! The address that a service's peers know it by.
//!
//! Services listen on free ports, but each has to be told where the others are before they run. So every world holds a
//! port of its own for each service, bound before anything starts and kept through restarts, and sends on what comes in.
//! No port is ever reserved by closing it and hoping. It is also the place to cut a service off from its peers.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What becomes of peers' connections to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// They go through.
    Open,
    /// They are cut, and new ones too.
    Cut,
    /// They are accepted, and nothing ever comes back.
    Stalled,
}

/// See the module.
pub(crate) struct Relay {
    /// Where peers connect to.
    pub address: SocketAddr,
    state: Arc<watch::Sender<State>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct State {
    /// Where the service is now; none before it has started.
    target: Option<SocketAddr>,
    link: Link,
}

impl Relay {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State { target: None, link: Link::Open }));
        let changes = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((peer, _)) = listener.accept().await {
                tokio::spawn(relay(peer, changes.subscribe()));
            }
        });
        Ok(Self { address, state })
    }

    /// Sends connections to where the service is now; those to where it was end.
    pub(crate) fn point_at(&self, target: SocketAddr) {
        self.state.send_modify(|state| state.target = Some(target));
    }

    pub(crate) fn set(&self, link: Link) {
        self.state.send_modify(|state| state.link = link);
    }
}

async fn relay(mut peer: TcpStream, mut state: watch::Receiver<State>) {
    let Ok(now) = state.wait_for(|state| state.target.is_some()).await.map(|state| *state) else { return };
    let (Some(target), Link::Open) = (now.target, now.link) else {
        if now.link == Link::Stalled {
            let _ = state.wait_for(|state| *state != now).await;
        }
        return; // dropping the connection cuts it
    };
    let copy = async {
        if let Ok(mut service) = TcpStream::connect(target).await {
            let _ = (peer.set_nodelay(true), service.set_nodelay(true));
            let _ = copy_bidirectional(&mut peer, &mut service).await;
        }
    };
    let changed = async {
        let Ok(new) = state.wait_for(|state| *state != now).await.map(|state| *state) else { return true };
        new.link != Link::Stalled
    };
    // A stalled connection stays open but is copied no more, until the link changes again.
    let stalled = tokio::select! {
        () = copy => false,
        cut = changed => !cut,
    };
    if stalled {
        let _ = state.wait_for(|state| state.link != Link::Stalled).await;
    }
}
