//! `nova serve`: three services and the front door in one process.

use std::net::SocketAddr;
use std::sync::Arc;

use authn::Verifier;
use chassis::config::{Listen, ServiceConfig};
use chassis::{Lifecycle, Running, Wiring, bind};
use clock::Clock;
use messaging_service::app::contact_view::ContactView;

use crate::config::Config;
use crate::front_door;

/// Serves until a signal, then stops cleanly: calls under way end, then the workers, then the managed PostgreSQL.
///
/// # Errors
/// What kept it from starting, or made it stop.
pub async fn run(mut config: Config, no_migrate: bool) -> anyhow::Result<()> {
    let life = Lifecycle::new(Clock::system());
    life.listen_for_signals()?;
    let managed = config.open_databases().await?;
    if let Some(postgres) = &managed {
        postgres.watch(&life);
    }
    for database in [config.auth.database_mut(), config.user.database_mut(), config.messaging.database_mut()] {
        database.migrate &= !no_migrate;
    }
    if let Some(nova) = life.start(start(config, &life)).await {
        announce(&nova);
    }
    let ended = life.run().await;
    if let Some(postgres) = managed {
        postgres.stop().await;
    }
    tracing::info!("stopped");
    ended
}

/// Everything that listens.
pub struct Nova {
    /// The front door's address.
    pub front_door: SocketAddr,
    services: [Running; 3],
}

/// Starts everything and waits until it can answer.
///
/// # Errors
/// What kept it from starting.
pub async fn start(mut config: Config, life: &Lifecycle) -> anyhow::Result<Nova> {
    let door = bind(config.front_door.address(), "NOVA_FRONT_DOOR__PORT").await?;
    let address = door.local_addr()?;
    let listen = Listen { cors_origins: config.front_door.cors_origins.clone(), ..config.auth.listen().clone() };

    // In one process the services find each other through the front door, whatever their own ports are.
    let here = format!("http://{}", reachable(address));
    config.auth.peers.user_url.clone_from(&here);
    for peers in [&mut config.user.peers, &mut config.messaging.peers] {
        (peers.auth_url, peers.user_url, peers.messaging_url) = (here.clone(), here.clone(), here.clone());
    }
    let verifier =
        Arc::new(Verifier::new(life.clock(), config.auth.tokens.issuer.clone(), config.auth.tokens.audience.clone()));
    let contacts = ContactView::new(config.messaging.contact.terms());
    let wiring = Wiring {
        verifier: Some(verifier),
        on_contact_change: Some({
            let contacts = contacts.clone();
            Arc::new(move |user, other| {
                let contacts = contacts.clone();
                Box::pin(async move {
                    contacts.invalidate(user, other);
                    contacts.settle().await;
                })
            })
        }),
    };
    let auth = auth_service::start(config.auth, life.clone(), wiring.clone()).await?;
    let user = user_service::start(config.user, life.clone(), wiring.clone()).await?;
    let messaging = messaging_service::start_with(config.messaging, life.clone(), wiring, contacts).await?;
    let services = [auth, user, messaging];
    let front_door = chassis::front_door(door, &services.each_ref(), front_door::routes(), &listen, life)?;
    for service in &services {
        service.readiness.ready().await;
    }
    Ok(Nova { front_door, services })
}

/// 0.0.0.0 is where to listen, not where to connect.
fn reachable(address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() { SocketAddr::from(([127, 0, 0, 1], address.port())) } else { address }
}

/// Tells a person at a terminal where things are and what to do next.
fn announce(nova: &Nova) {
    let door = reachable(nova.front_door);
    println!("\nNova is ready.\n");
    println!("  everything         http://{door}   (REST, gRPC, gRPC-Web; in a browser a start page, /explorer)");
    for service in &nova.services {
        println!("  {:<18} gRPC {}   HTTP {}", format!("{} service", service.name), service.grpc, service.http);
    }
    println!("\nFirst call, in a second terminal:\n");
    println!(
        "  grpcurl -plaintext -d '{{\"username\":\"alice\",\"email\":\"alice@example.org\",\"password\":\"correct horse\"}}' \\"
    );
    println!("      {door} nova.auth.v1.AuthService/Register\n");
    println!("People to try it with: `nova demo`. Stop with Ctrl-C; the data stays.\n");
}
