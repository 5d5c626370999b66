//! `nova serve`: three services and the front door in one process.

use std::net::SocketAddr;
use std::sync::Arc;

use authn::Verifier;
use chassis::config::ServiceConfig;
use chassis::{Lifecycle, Running, Wiring, bind};
use clock::Clock;
use messaging_service::app::contact_view::ContactView;
use rpc::Doorway;

use crate::config::{Config, reachable};
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
    for (_, database) in config.databases_mut() {
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
    /// `http` or `https`.
    scheme: &'static str,
    services: [Running; 3],
}

/// Starts everything and waits until it can answer.
///
/// # Errors
/// What kept it from starting.
pub async fn start(mut config: Config, life: &Lifecycle) -> anyhow::Result<Nova> {
    let door = bind(config.front_door.address(), "NOVA_FRONT_DOOR__PORT").await?;
    let listen = config.front_door.listen(config.auth.listen());
    let ops = match listen.ops {
        Some(address) => Some(bind(address, "NOVA_FRONT_DOOR__OPS").await?),
        None => None,
    };
    let scheme = config.front_door.scheme();

    // In one process the services find each other by the front door's inner side, whatever their own ports are: no address,
    // no certificate, and nobody else comes in there.
    let (doorway, inside) = Doorway::new();
    config.auth.peers.doorway = Some(doorway.clone());
    config.user.peers.doorway = Some(doorway.clone());
    config.messaging.peers.doorway = Some(doorway);
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
    let front_door = chassis::front_door(door, inside, &services.each_ref(), front_door::routes(), ops, &listen, life)?;
    for service in &services {
        service.readiness.ready().await;
    }
    Ok(Nova { front_door, scheme, services })
}

/// Tells a person at a terminal where things are and what to do next.
fn announce(nova: &Nova) {
    let door = reachable(nova.front_door);
    println!("\nNova is ready.\n");
    println!(
        "  everything         {}://{door}   (REST, gRPC, gRPC-Web; in a browser a page to talk, /admin, /explorer)",
        nova.scheme
    );
    for service in &nova.services {
        println!("  {:<18} gRPC {}   HTTP {}", format!("{} service", service.name), service.grpc, service.http);
    }
    println!("\nFirst call, in a second terminal:\n");
    println!(
        "  grpcurl {}-d '{{\"username\":\"alice\",\"email\":\"alice@example.org\",\"password\":\"correct horse\"}}' \\",
        if nova.scheme == "http" { "-plaintext " } else { "" }
    );
    println!("      {door} nova.auth.v1.AuthService/Register\n");
    println!("People to try it with: `nova demo`. Stop with Ctrl-C; the data stays.\n");
}
