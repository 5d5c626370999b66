//! The RPCs about webhooks: decode, call, encode.

use chrono::{DateTime, Utc};
use clock::rfc3339;
use errors::{FieldExt, FieldViolation};
use ids::{DeliveryId, WebhookId};
use protos::auth::v1 as pb;
use tonic::{Request, Response};
use webhooks::{Guard, Target};

use super::{Reply, caller, convert, invalid};
use crate::app::App;
use crate::app::webhooks::{Change, Registration, Shown};
use crate::model::text;
use crate::model::webhook::{Attempt, Delivery, EventTypes, MAX_DESCRIPTION, State, Webhook};

type Decoded<T> = Result<T, FieldViolation>;

pub(super) async fn create(app: &App, request: Request<pb::CreateWebhookRequest>) -> Reply<pb::CreateWebhookResponse> {
    let caller = caller(&request)?;
    let registration = registration(request.into_inner(), &app.webhook_guard()).map_err(invalid)?;
    let (hook, secret) = app.create_webhook(&caller, registration).await?;
    Ok(Response::new(pb::CreateWebhookResponse { webhook: Some(webhook(hook, app.now())), secret: secret.to_string() }))
}

pub(super) async fn list(app: &App, request: Request<pb::ListWebhooksRequest>) -> Reply<pb::ListWebhooksResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let (webhooks, next_page_token) = app.list_webhooks(&caller, request.limit, &request.page_token).await?;
    let webhooks = webhooks.into_iter().map(|hook| webhook(hook, app.now())).collect();
    Ok(Response::new(pb::ListWebhooksResponse { webhooks, next_page_token }))
}

pub(super) async fn get(app: &App, request: Request<pb::GetWebhookRequest>) -> Reply<pb::GetWebhookResponse> {
    let caller = caller(&request)?;
    let id = webhook_id(&request.get_ref().webhook_id).map_err(invalid)?;
    let hook = app.webhook(&caller, id).await?;
    Ok(Response::new(pb::GetWebhookResponse { webhook: Some(webhook(hook, app.now())) }))
}

pub(super) async fn update(app: &App, request: Request<pb::UpdateWebhookRequest>) -> Reply<pb::UpdateWebhookResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let id = webhook_id(&request.webhook_id).map_err(invalid)?;
    let change = change(request, &app.webhook_guard()).map_err(invalid)?;
    let hook = app.update_webhook(&caller, id, change).await?;
    Ok(Response::new(pb::UpdateWebhookResponse { webhook: Some(webhook(hook, app.now())) }))
}

pub(super) async fn delete(app: &App, request: Request<pb::DeleteWebhookRequest>) -> Reply<pb::DeleteWebhookResponse> {
    let caller = caller(&request)?;
    let id = webhook_id(&request.get_ref().webhook_id).map_err(invalid)?;
    app.delete_webhook(&caller, id).await?;
    Ok(Response::new(pb::DeleteWebhookResponse {}))
}

pub(super) async fn rotate_secret(
    app: &App,
    request: Request<pb::RotateWebhookSecretRequest>,
) -> Reply<pb::RotateWebhookSecretResponse> {
    let caller = caller(&request)?;
    let id = webhook_id(&request.get_ref().webhook_id).map_err(invalid)?;
    let (hook, secret) = app.rotate_webhook_secret(&caller, id).await?;
    Ok(Response::new(pb::RotateWebhookSecretResponse {
        webhook: Some(webhook(hook, app.now())),
        secret: secret.to_string(),
    }))
}

pub(super) async fn send_test(
    app: &App,
    request: Request<pb::SendTestEventRequest>,
) -> Reply<pb::SendTestEventResponse> {
    let caller = caller(&request)?;
    let id = webhook_id(&request.get_ref().webhook_id).map_err(invalid)?;
    let made = app.send_test_event(&caller, id).await?;
    Ok(Response::new(pb::SendTestEventResponse { delivery: Some(delivery(made)) }))
}

pub(super) async fn list_deliveries(
    app: &App,
    request: Request<pb::ListWebhookDeliveriesRequest>,
) -> Reply<pb::ListWebhookDeliveriesResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let wanted = wanted(&request).map_err(invalid)?;
    let (deliveries, next_page_token) =
        app.list_webhook_deliveries(&caller, wanted, request.limit, &request.page_token).await?;
    let deliveries = deliveries.into_iter().map(delivery).collect();
    Ok(Response::new(pb::ListWebhookDeliveriesResponse { deliveries, next_page_token }))
}

pub(super) async fn get_delivery(
    app: &App,
    request: Request<pb::GetWebhookDeliveryRequest>,
) -> Reply<pb::GetWebhookDeliveryResponse> {
    let caller = caller(&request)?;
    let id = delivery_id(&request.get_ref().delivery_id).map_err(invalid)?;
    let Shown { delivery: shown, body, attempts } = app.webhook_delivery(&caller, id).await?;
    Ok(Response::new(pb::GetWebhookDeliveryResponse {
        delivery: Some(delivery(shown)),
        body: String::from_utf8_lossy(&body).into_owned(),
        attempts: attempts.into_iter().map(attempt).collect(),
    }))
}

pub(super) async fn replay_delivery(
    app: &App,
    request: Request<pb::ReplayWebhookDeliveryRequest>,
) -> Reply<pb::ReplayWebhookDeliveryResponse> {
    let caller = caller(&request)?;
    let id = delivery_id(&request.get_ref().delivery_id).map_err(invalid)?;
    let replayed = app.replay_webhook_delivery(&caller, id).await?;
    Ok(Response::new(pb::ReplayWebhookDeliveryResponse { delivery: Some(delivery(replayed)) }))
}

pub(super) async fn replay_deliveries(
    app: &App,
    request: Request<pb::ReplayWebhookDeliveriesRequest>,
) -> Reply<pb::ReplayWebhookDeliveriesResponse> {
    let caller = caller(&request)?;
    let request = request.into_inner();
    let id = webhook_id(&request.webhook_id).map_err(invalid)?;
    let since = convert::time("since", &request.since).map_err(invalid)?;
    let count = app.replay_webhook_deliveries(&caller, id, since, request.delivered).await?;
    let replayed_count = i64::try_from(count).unwrap_or(i64::MAX);
    Ok(Response::new(pb::ReplayWebhookDeliveriesResponse { replayed_count }))
}

fn webhook_id(text: &str) -> Decoded<WebhookId> {
    WebhookId::parse(text).field("webhook_id")
}

fn delivery_id(text: &str) -> Decoded<DeliveryId> {
    DeliveryId::parse(text).field("delivery_id")
}

fn description(text: &str) -> Decoded<String> {
    text::one_line(text, 0, MAX_DESCRIPTION).field("description")
}

fn registration(request: pb::CreateWebhookRequest, guard: &Guard) -> Decoded<Registration> {
    Ok(Registration {
        target: Target::entered(&request.url, guard).field("url")?,
        description: description(&request.description)?,
        event_types: EventTypes::parse(request.event_types).field("event_types")?,
    })
}

fn change(request: pb::UpdateWebhookRequest, guard: &Guard) -> Decoded<Change> {
    let types = Some(request.event_types).filter(|types| !types.is_empty());
    if request.expected_version < 0 {
        return Err(FieldViolation::new("expected_version", "must not be negative"));
    }
    Ok(Change {
        target: request.url.map(|url| Target::entered(&url, guard)).transpose().field("url")?,
        description: request.description.as_deref().map(description).transpose()?,
        event_types: types.map(EventTypes::parse).transpose().field("event_types")?,
        enabled: request.enabled,
        expected_version: request.expected_version,
    })
}

fn wanted(request: &pb::ListWebhookDeliveriesRequest) -> Decoded<(Option<WebhookId>, Option<State>)> {
    let webhook = match request.webhook_id.as_str() {
        "" => None,
        id => Some(webhook_id(id)?),
    };
    match pb::webhook_delivery::State::try_from(request.state) {
        Ok(state) => Ok((webhook, State::parse(state.as_str_name()))),
        Err(_) => Err(FieldViolation::new("state", "must be a state of deliveries")),
    }
}

fn webhook(webhook: Webhook, now: DateTime<Utc>) -> pb::Webhook {
    use pb::webhook::DisabledReason;
    let reason = webhook.disabled.and_then(|reason| DisabledReason::from_str_name(reason.name()));
    pb::Webhook {
        id: webhook.id.to_string(),
        url: webhook.url,
        description: webhook.description,
        event_types: webhook.event_types.names().to_vec(),
        enabled: webhook.disabled.is_none(),
        disabled_reason: reason.unwrap_or_default().into(),
        failing_since: webhook.failing_since.map(rfc3339),
        old_secret_valid_until: webhook.old_secret_until.filter(|until| *until > now).map(rfc3339),
        pending_count: webhook.pending,
        created_at: rfc3339(webhook.created_at),
        updated_at: rfc3339(webhook.updated_at),
        version: webhook.version,
    }
}

fn delivery(delivery: Delivery) -> pb::WebhookDelivery {
    use pb::webhook_delivery::State;
    pb::WebhookDelivery {
        id: delivery.id.to_string(),
        webhook_id: delivery.webhook.to_string(),
        event_id: delivery.event.to_string(),
        event_type: delivery.kind,
        aggregate_id: delivery.aggregate.to_string(),
        state: State::from_str_name(delivery.state.name()).unwrap_or_default().into(),
        attempts: delivery.attempts,
        next_attempt_at: delivery.next_attempt_at.map(rfc3339),
        last_status: delivery.last_status.unwrap_or_default().into(),
        last_fault: delivery.last_fault.unwrap_or_default(),
        created_at: rfc3339(delivery.created_at),
        done_at: delivery.done_at.map(rfc3339),
    }
}

fn attempt(attempt: Attempt) -> pb::WebhookAttempt {
    pb::WebhookAttempt {
        number: attempt.number,
        at: rfc3339(attempt.at),
        status: attempt.status.unwrap_or_default().into(),
        fault: attempt.fault.unwrap_or_default(),
        duration_ms: attempt.duration_ms,
        answer: attempt.answer,
    }
}
