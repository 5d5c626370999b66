//! Tells the messaging service that it may have changed who may write to whom.

use std::time::Duration;

use chassis::ContactHook;
use futures::FutureExt;
use ids::UserId;
use protos::messaging::v1::InvalidateContactRequest;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use rpc::PeerChannel;
use tonic::Status;

use crate::metrics::Metrics;

/// An answer waits no longer than this for another process, which believes what it knows for less than a second anyway.
const WAIT: Duration = Duration::from_millis(500);
/// Time that is kept for the answer itself before the caller stops waiting.
const MARGIN: Duration = Duration::from_millis(100);

/// What was accepted before may still be written.
#[derive(Debug, thiserror::Error)]
#[error("the block holds, but a direct message from before it may still arrive: block again to wait for it")]
pub struct Unsettled;

/// Tells it by the shortest way: a function where the two share a process, a call where they do not.
pub struct Contacts {
    way: Way,
    metrics: Metrics,
}

enum Way {
    Hook(ContactHook),
    Call(MessagingServiceClient<PeerChannel>),
}

impl Contacts {
    /// Tells by a function in this process.
    pub fn by_hook(hook: ContactHook, metrics: Metrics) -> Self {
        Self { way: Way::Hook(hook), metrics }
    }

    /// Tells by a call over this channel.
    pub fn by_call(channel: PeerChannel, metrics: Metrics) -> Self {
        Self { way: Way::Call(MessagingServiceClient::new(channel)), metrics }
    }

    /// Tells that something changed between `one` and `other`, or between `one` and anybody: messages that come from now on
    /// are held against it. What is being written already is waited for, but not for long.
    pub async fn announce(&self, one: UserId, other: Option<UserId>) {
        // Whoever was not told asks anew within a second.
        let _ = self.tell(one, other, WAIT).await;
    }

    /// Tells of a block. When it succeeds in one process, nothing between the two is written any more because of what was
    /// known before; across processes that holds within a second, also of a replica that could not be told.
    ///
    /// # Errors
    /// [`Unsettled`] if the caller's time was over first.
    pub async fn settle(&self, one: UserId, other: UserId) -> Result<(), Unsettled> {
        match &self.way {
            Way::Hook(_) => self.tell(one, Some(other), patience()).await,
            Way::Call(_) => {
                self.announce(one, Some(other)).await;
                Ok(())
            }
        }
    }

    async fn tell(&self, one: UserId, other: Option<UserId>, wait: Duration) -> Result<(), Unsettled> {
        let telling = match &self.way {
            Way::Hook(hook) => hook(one, other).map(Ok).boxed(),
            Way::Call(client) => call(client.clone(), one, other).boxed(),
        };
        let metrics = self.metrics.clone();
        // A task of its own: the change has been committed, so it is told of even if the caller goes away now.
        let told = tokio::spawn(async move {
            let fault = match tokio::time::timeout(wait, telling).await {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(status)) => format!("{:?}: {}", status.code(), status.message()),
                Err(_) => "no answer in time".to_owned(),
            };
            metrics.announcement_failed();
            tracing::warn!("the messaging service has not settled a changed contact in time: {fault}");
            Err(Unsettled)
        });
        told.await.unwrap_or(Err(Unsettled))
    }
}

/// How long a block may wait in one process: until shortly before its caller stops waiting.
fn patience() -> Duration {
    rpc::current().map_or(WAIT, |context| {
        let left = context.remaining();
        left - MARGIN.min(left / 10)
    })
}

async fn call(
    mut client: MessagingServiceClient<PeerChannel>,
    one: UserId,
    other: Option<UserId>,
) -> Result<(), Status> {
    let request = InvalidateContactRequest {
        user_id_1: one.to_string(),
        user_id_2: other.map(|id| id.to_string()).unwrap_or_default(),
    };
    client.invalidate_contact(request).await.map(drop)
}
