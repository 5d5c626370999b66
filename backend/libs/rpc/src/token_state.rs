//! Keeps a [`Verifier`] up to date with a remote auth service: public keys, and sessions that have ended.

use std::time::Duration;

use authn::Verifier;
use chrono::{DateTime, TimeDelta, Utc};
use ids::SessionId;
use protos::auth::v1::auth_service_client::AuthServiceClient;
use protos::auth::v1::{GetTokenStateRequest, GetTokenStateResponse, PublicKey};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tonic::Status;

use crate::PeerChannel;

/// After this long without an answer a warning is logged; what is known goes on holding.
const STALE_AFTER: Duration = Duration::from_secs(3);
/// No access token lives longer: the auth service's configuration is bounded by this.
const LONGEST_TOKEN_LIFE: TimeDelta = TimeDelta::hours(24);

/// Asks the auth service again and again, `every` so often, for ever; and at once when the bus has told of another key.
///
/// While it does not answer, tokens go on being checked with what is known: nobody can end a session meanwhile either.
pub async fn follow_token_state(verifier: &Verifier, auth: PeerChannel, every: Duration) {
    let mut client = AuthServiceClient::new(auth.for_upkeep());
    let mut since = None;
    let mut ticks = interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered = Instant::now();
    let mut warned = false;
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = verifier.keys_expected() => {}
        }
        let asking = sync(verifier, &mut client, since.clone());
        match traces::scope(traces::Current::unrecorded(), asking).await {
            Ok(as_of) => {
                if warned {
                    tracing::info!("the auth service answers again");
                }
                since = Some(as_of);
                answered = Instant::now();
                warned = false;
            }
            Err(status) if answered.elapsed() > STALE_AFTER && !warned => {
                tracing::warn!(status.code = ?status.code(), "the auth service does not answer: {}", status.message());
                warned = true;
            }
            Err(_) => {}
        }
    }
}

async fn sync(
    verifier: &Verifier,
    client: &mut AuthServiceClient<PeerChannel>,
    since: Option<String>,
) -> Result<String, Status> {
    let mut page_token = String::new();
    let mut first: Option<GetTokenStateResponse> = None;
    loop {
        let answer =
            client.get_token_state(GetTokenStateRequest { since: since.clone(), page_token }).await?.into_inner();
        for revoked in &answer.revoked_sessions {
            let (id, until) = parse(&revoked.session_id, &revoked.revoked_at)
                .ok_or_else(|| Status::internal("the auth service named a session that can't be read"))?;
            verifier.revoke(id, until);
        }
        page_token = answer.next_page_token.clone();
        let first = first.get_or_insert(answer);
        if page_token.is_empty() {
            // The keys last: a verifier that has keys knows the revocations too.
            verifier.install(&jwks(&first.keys)).map_err(|e| Status::internal(e.to_string()))?;
            return Ok(std::mem::take(&mut first.as_of));
        }
    }
}

fn parse(session_id: &str, revoked_at: &str) -> Option<(SessionId, DateTime<Utc>)> {
    let at = DateTime::parse_from_rfc3339(revoked_at).ok()?;
    Some((SessionId::parse(session_id).ok()?, at.to_utc() + LONGEST_TOKEN_LIFE))
}

fn jwks(keys: &[PublicKey]) -> String {
    let keys: Vec<_> = keys
        .iter()
        .map(|key| {
            let mut jwk = serde_json::json!({ "kid": key.kid, "alg": key.alg, "kty": key.kty, "use": "sig" });
            for (name, value) in [("n", &key.n), ("e", &key.e), ("crv", &key.crv), ("x", &key.x)] {
                if !value.is_empty() {
                    jwk[name] = value.as_str().into();
                }
            }
            jwk
        })
        .collect();
    serde_json::json!({ "keys": keys }).to_string()
}
