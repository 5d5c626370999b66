//! Webhooks themselves: made, shown, changed, deleted.

use authn::Caller;
use ids::WebhookId;
use pg::page::{Binding, Page};
use tracing::instrument;
use uuid::Uuid;
use webhooks::{Guard, Secret, Target};
use zeroize::Zeroizing;

use super::{Error, context};
use crate::app::App;
use crate::model::audit::{Event, Kind};
use crate::model::webhook::{EventTypes, Webhook};
use crate::storage::{webhook_deliveries, webhook_lanes, webhooks as store};

/// A webhook to be made.
pub struct Registration {
    /// Where events are sent to.
    pub target: Target,
    /// What it is for.
    pub description: String,
    /// What it wants.
    pub event_types: EventTypes,
}

/// What is changed of a webhook; what is none stays.
pub struct Change {
    /// Where events are sent to.
    pub target: Option<Target>,
    /// What it is for.
    pub description: Option<String>,
    /// What it wants.
    pub event_types: Option<EventTypes>,
    /// Whether events are sent.
    pub enabled: Option<bool>,
    /// The version that it must have; 0: any.
    pub expected_version: i64,
}

impl App {
    /// Which network addresses may be reached.
    pub fn webhook_guard(&self) -> Guard {
        self.config.webhooks.guard()
    }

    /// Makes a webhook. The secret is told here and nowhere else.
    #[instrument(skip_all)]
    pub async fn create_webhook(
        &self,
        caller: &Caller,
        registration: Registration,
    ) -> Result<(Webhook, Zeroizing<String>), Error> {
        caller.must_be_admin()?;
        let (now, secret) = (self.clock.now(), Secret::generate());
        let id = WebhookId::generate(now);
        let sealed = self.master.seal(&context(id), secret.bytes())?;
        let new = store::New {
            id,
            url: &registration.target.to_string(),
            description: &registration.description,
            event_types: &registration.event_types,
            secret: &sealed,
        };
        let max = self.config.webhooks.max_webhooks;
        let mut tx = self.pg.begin().await?;
        if !store::insert_webhook(&mut tx, &new, i64::try_from(max).unwrap_or(i64::MAX), now).await? {
            return Err(Error::LimitReached(max));
        }
        let webhook = store::find_webhook(&mut tx, id).await?.ok_or(Error::NotFound(id))?;
        self.commit(tx, [Event::by(caller, Kind::WebhookCreation).with("webhook_id", id)]).await?;
        self.wishes.forget();
        tracing::info!(webhook.id = %id, "webhook {id} was registered");
        Ok((webhook, secret.reveal()))
    }

    /// A page of webhooks, newest first, and the token of the next one.
    #[instrument(skip_all)]
    pub async fn list_webhooks(
        &self,
        caller: &Caller,
        limit: i32,
        page_token: &str,
    ) -> Result<(Vec<Webhook>, String), Error> {
        caller.must_be_admin()?;
        let limits = self.config.paging.limits();
        let page: Page<Uuid> = Page::parse(limits, limit, 0, page_token, Binding::new("ListWebhooks"))?;
        let rows = store::list_webhooks(&mut *self.pg.conn().await?, page.after().copied(), page.fetch()).await?;
        Ok(page.finish(rows, |webhook| webhook.id.uuid()))
    }

    /// A webhook.
    #[instrument(skip_all, fields(webhook.id = %id))]
    pub async fn webhook(&self, caller: &Caller, id: WebhookId) -> Result<Webhook, Error> {
        caller.must_be_admin()?;
        store::find_webhook(&mut *self.pg.conn().await?, id).await?.ok_or(Error::NotFound(id))
    }

    /// Changes a webhook. One that is enabled begins anew with what waits for it.
    #[instrument(skip_all, fields(webhook.id = %id))]
    pub async fn update_webhook(&self, caller: &Caller, id: WebhookId, change: Change) -> Result<Webhook, Error> {
        caller.must_be_admin()?;
        let now = self.clock.now();
        let url = change.target.as_ref().map(Target::to_string);
        let stored = store::Change {
            url: url.as_deref(),
            description: change.description.as_deref(),
            event_types: change.event_types.as_ref(),
            enabled: change.enabled,
        };
        let mut tx = self.pg.begin().await?;
        let before = store::find_webhook(&mut tx, id).await?.ok_or(Error::NotFound(id))?;
        let is_enabled_again = change.enabled == Some(true) && before.disabled.is_some();
        if is_enabled_again {
            webhook_lanes::hurry_all(&mut tx, id, now).await?;
            webhook_deliveries::restart_pending(&mut tx, id, now).await?;
        }
        let is_changed = store::update_webhook(&mut tx, id, &stored, change.expected_version, now).await?;
        let after = store::find_webhook(&mut tx, id).await?.ok_or(Error::NotFound(id))?;
        if !is_changed {
            return Err(Error::VersionConflict(after.version));
        }
        let mut event = Event::by(caller, Kind::WebhookUpdate).with("webhook_id", id);
        if before.disabled.is_some() != after.disabled.is_some() {
            event = event.with("enabled", after.disabled.is_none());
        }
        self.commit(tx, [event]).await?;
        self.wishes.forget();
        if is_enabled_again {
            self.courier.wake();
        }
        Ok(after)
    }

    /// Deletes a webhook, its secrets and what waits for it. Nothing happens if there is none.
    #[instrument(skip_all, fields(webhook.id = %id))]
    pub async fn delete_webhook(&self, caller: &Caller, id: WebhookId) -> Result<(), Error> {
        caller.must_be_admin()?;
        let mut tx = self.pg.begin().await?;
        if store::delete_webhook(&mut tx, id, self.clock.now()).await? {
            self.commit(tx, [Event::by(caller, Kind::WebhookDeletion).with("webhook_id", id)]).await?;
            self.wishes.forget();
            tracing::info!(webhook.id = %id, "webhook {id} was deleted");
        }
        Ok(())
    }

    /// Gives a webhook another secret; the present one signs too for a while.
    #[instrument(skip_all, fields(webhook.id = %id))]
    pub async fn rotate_webhook_secret(
        &self,
        caller: &Caller,
        id: WebhookId,
    ) -> Result<(Webhook, Zeroizing<String>), Error> {
        caller.must_be_admin()?;
        let (now, secret) = (self.clock.now(), Secret::generate());
        let sealed = self.master.seal(&context(id), secret.bytes())?;
        let old_until = now + self.config.webhooks.secret_overlap;
        let mut tx = self.pg.begin().await?;
        if !store::rotate_secret(&mut tx, id, &sealed, old_until, now).await? {
            return Err(Error::NotFound(id));
        }
        let webhook = store::find_webhook(&mut tx, id).await?.ok_or(Error::NotFound(id))?;
        self.commit(tx, [Event::by(caller, Kind::WebhookSecretRotation).with("webhook_id", id)]).await?;
        Ok((webhook, secret.reveal()))
    }
}
