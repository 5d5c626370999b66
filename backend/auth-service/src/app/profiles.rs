//! Tells the user service of accounts that were made or deleted, and the messaging service of those that were deleted.
//!
//! Their databases are others, so no transaction covers them. What has to be told is noted with the account itself and
//! told at once; a worker repeats what was not heard.

use std::time::Duration;

use chrono::{DateTime, Utc};
use protos::messaging::v1::EraseUserRequest;
use protos::messaging::v1::messaging_service_client::MessagingServiceClient;
use protos::user::v1::user_service_client::UserServiceClient;
use protos::user::v1::{DeleteProfileRequest, EnsureProfileRequest};
use rpc::PeerChannel;
use tonic::Status;

use super::App;
use crate::storage::profile_sync::{self, Pending};

/// The other services, as far as accounts concern them.
#[derive(Clone)]
pub struct Profiles {
    client: UserServiceClient<PeerChannel>,
    messaging: MessagingServiceClient<PeerChannel>,
    timeout: Duration,
}

impl Profiles {
    /// The user service behind one channel, the messaging service behind another.
    pub fn new(users: PeerChannel, messaging: PeerChannel, timeout: Duration) -> Self {
        let messaging = MessagingServiceClient::new(messaging);
        Self { client: UserServiceClient::new(users), messaging, timeout }
    }

    /// When the worker takes over from the call that is made at once.
    pub(super) fn retry_at(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        now + self.timeout + Duration::from_secs(1)
    }

    async fn tell(&self, pending: &Pending) -> Result<(), Status> {
        let mut client = self.client.clone();
        let user_id = pending.user.to_string();
        match pending.deleted_at {
            Some(at) => {
                let request = DeleteProfileRequest { user_id: user_id.clone(), deleted_at: clock::rfc3339(at) };
                client.delete_profile(request).await?;
                self.messaging.clone().erase_user(EraseUserRequest { user_id }).await?;
            }
            None => {
                let request = EnsureProfileRequest {
                    user_id,
                    username: pending.username.clone(),
                    display_name: pending.display_name.clone().unwrap_or_default(),
                    created_at: clock::rfc3339(pending.created_at),
                };
                client.ensure_profile(request).await?;
            }
        }
        Ok(())
    }
}

impl App {
    /// Tells the user service while the caller waits; a failure is left to the worker.
    pub(super) async fn sync_profile(&self, pending: &Pending) {
        if let Err(cause) = self.tell_of(pending, self.finish_profile(pending)).await {
            let user = pending.user;
            tracing::warn!(user.id = %user, %cause, "the user service was not told of account {user}, it will be: {cause}");
        }
    }

    /// The same for the worker; returns why it failed, if it did.
    pub(super) async fn sync_due_profile(&self, pending: &Pending) -> Option<String> {
        self.tell_of(pending, self.step(self.finish_profile(pending))).await.err()
    }

    async fn tell_of(
        &self,
        pending: &Pending,
        finish: impl Future<Output = Result<(), pg::Error>>,
    ) -> Result<(), String> {
        let told = match self.profiles.tell(pending).await {
            Ok(()) => finish.await.map_err(|error| error.to_string()),
            Err(status) => Err(format!("{:?}: {}", status.code(), status.message())),
        };
        if told.is_err() {
            self.metrics.profile_sync_failed();
        }
        told
    }

    async fn finish_profile(&self, pending: &Pending) -> Result<(), pg::Error> {
        let mut conn = self.pg.conn().await?;
        profile_sync::finish(&mut conn, pending.user, pending.deleted_at.is_some()).await
    }
}
