//! The generated trait, implemented by the app.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use clock::Clock;
use errors::FieldExt;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use ids::SessionId;
use protos::auth::v1 as pb;
use protos::auth::v1::auth_service_server::AuthService;
use tonic::{Request, Response, Status};

use super::{Reply, bearer, caller, convert, export, invalid, webhooks};
use crate::app::App;
use crate::model::role::Permission;
use crate::model::{Email, OpaqueToken, RefreshToken, Role};

/// Answers the RPCs.
pub struct Server {
    app: Arc<App>,
    clock: Clock,
    max_batch: usize,
}

impl Server {
    /// A server of `app`; batch look-ups take at most `max_batch` ids.
    pub fn new(app: Arc<App>, clock: Clock, max_batch: usize) -> Self {
        Self { app, clock, max_batch }
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

#[tonic::async_trait]
impl AuthService for Server {
    async fn register(&self, request: Request<pb::RegisterRequest>) -> Reply<pb::RegisterResponse> {
        let registration = convert::registration(request.into_inner()).map_err(invalid)?;
        let (user, tokens) = self.app.register(registration).await?;
        let (user, tokens) = (convert::user(user, self.now()), convert::tokens(&tokens));
        Ok(Response::new(pb::RegisterResponse { user: Some(user), tokens: Some(tokens) }))
    }

    async fn login(&self, request: Request<pb::LoginRequest>) -> Reply<pb::LoginResponse> {
        let login = convert::login(request.into_inner()).map_err(invalid)?;
        let (user, tokens) = self.app.login(login).await?;
        let (user, tokens) = (convert::user(user, self.now()), convert::tokens(&tokens));
        Ok(Response::new(pb::LoginResponse { user: Some(user), tokens: Some(tokens) }))
    }

    async fn refresh_token(&self, request: Request<pb::RefreshTokenRequest>) -> Reply<pb::RefreshTokenResponse> {
        let token = RefreshToken::parse(&request.into_inner().refresh_token);
        let tokens = self.app.refresh(token.field("refresh_token").map_err(invalid)?).await?;
        Ok(Response::new(pb::RefreshTokenResponse { tokens: Some(convert::tokens(&tokens)) }))
    }

    async fn logout(&self, request: Request<pb::LogoutRequest>) -> Reply<pb::LogoutResponse> {
        self.app.logout(bearer(&request)).await?;
        Ok(Response::new(pb::LogoutResponse {}))
    }

    async fn list_sessions(&self, request: Request<pb::ListSessionsRequest>) -> Reply<pb::ListSessionsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let user = convert::self_or_user_id(&caller, &request.user_id).map_err(invalid)?;
        let (sessions, next_page_token) =
            self.app.list_sessions(&caller, user, request.limit, &request.page_token).await?;
        let current = caller.session_id();
        let sessions = sessions.into_iter().map(|session| convert::session(session, current)).collect();
        Ok(Response::new(pb::ListSessionsResponse { sessions, next_page_token }))
    }

    async fn revoke_session(&self, request: Request<pb::RevokeSessionRequest>) -> Reply<pb::RevokeSessionResponse> {
        let caller = caller(&request)?;
        let session = SessionId::parse(&request.into_inner().session_id).field("session_id").map_err(invalid)?;
        self.app.revoke_session(&caller, session).await?;
        Ok(Response::new(pb::RevokeSessionResponse {}))
    }

    async fn revoke_all_sessions(
        &self,
        request: Request<pb::RevokeAllSessionsRequest>,
    ) -> Reply<pb::RevokeAllSessionsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let user = convert::self_or_user_id(&caller, &request.user_id).map_err(invalid)?;
        let count = self.app.revoke_all_sessions(&caller, user, request.keep_current).await?;
        let revoked_count = i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Response::new(pb::RevokeAllSessionsResponse { revoked_count }))
    }

    async fn change_password(&self, request: Request<pb::ChangePasswordRequest>) -> Reply<pb::ChangePasswordResponse> {
        let caller = caller(&request)?;
        let change = convert::change_password(&caller, request.into_inner()).map_err(invalid)?;
        self.app.change_password(&caller, change).await?;
        Ok(Response::new(pb::ChangePasswordResponse {}))
    }

    async fn request_password_reset(
        &self,
        request: Request<pb::RequestPasswordResetRequest>,
    ) -> Reply<pb::RequestPasswordResetResponse> {
        let email = Email::parse(&request.into_inner().email).field("email").map_err(invalid)?;
        self.app.request_password_reset(email).await?;
        Ok(Response::new(pb::RequestPasswordResetResponse {}))
    }

    async fn reset_password(&self, request: Request<pb::ResetPasswordRequest>) -> Reply<pb::ResetPasswordResponse> {
        let (token, new) = convert::reset_password(request.into_inner()).map_err(invalid)?;
        self.app.reset_password(token, new).await?;
        Ok(Response::new(pb::ResetPasswordResponse {}))
    }

    async fn send_email_verification(
        &self,
        request: Request<pb::SendEmailVerificationRequest>,
    ) -> Reply<pb::SendEmailVerificationResponse> {
        let caller = caller(&request)?;
        let user = convert::self_or_user_id(&caller, &request.into_inner().user_id).map_err(invalid)?;
        self.app.send_email_verification(&caller, user).await?;
        Ok(Response::new(pb::SendEmailVerificationResponse {}))
    }

    async fn verify_email(&self, request: Request<pb::VerifyEmailRequest>) -> Reply<pb::VerifyEmailResponse> {
        let token = OpaqueToken::parse(&request.into_inner().token).field("token").map_err(invalid)?;
        self.app.verify_email(token).await?;
        Ok(Response::new(pb::VerifyEmailResponse {}))
    }

    async fn begin_totp_enrollment(
        &self,
        request: Request<pb::BeginTotpEnrollmentRequest>,
    ) -> Reply<pb::BeginTotpEnrollmentResponse> {
        let begun = self.app.begin_totp_enrollment(&caller(&request)?).await?;
        Ok(Response::new(pb::BeginTotpEnrollmentResponse { secret: begun.secret, otpauth_uri: begun.uri }))
    }

    async fn confirm_totp(&self, request: Request<pb::ConfirmTotpRequest>) -> Reply<pb::ConfirmTotpResponse> {
        let caller = caller(&request)?;
        let code = convert::code("code", request.into_inner().code).map_err(invalid)?;
        let recovery_codes = self.app.confirm_totp(&caller, code).await?;
        Ok(Response::new(pb::ConfirmTotpResponse { recovery_codes }))
    }

    async fn disable_totp(&self, request: Request<pb::DisableTotpRequest>) -> Reply<pb::DisableTotpResponse> {
        let caller = caller(&request)?;
        let code = convert::code("code", request.into_inner().code).map_err(invalid)?;
        self.app.disable_totp(&caller, code).await?;
        Ok(Response::new(pb::DisableTotpResponse {}))
    }

    async fn delete_account(&self, request: Request<pb::DeleteAccountRequest>) -> Reply<pb::DeleteAccountResponse> {
        let caller = caller(&request)?;
        let (user, password) = convert::delete_account(&caller, request.into_inner()).map_err(invalid)?;
        self.app.delete_account(&caller, user, password).await?;
        Ok(Response::new(pb::DeleteAccountResponse {}))
    }

    type ExportAccountStream = BoxStream<'static, Result<pb::ExportAccountResponse, Status>>;

    async fn export_account(&self, request: Request<pb::ExportAccountRequest>) -> Reply<Self::ExportAccountStream> {
        let caller = caller(&request)?;
        let user = convert::self_or_user_id(&caller, &request.get_ref().user_id).map_err(invalid)?;
        let mut outlet = self.app.export_account(&caller, user).await?;
        let (records, clock) = (stream::poll_fn(move |cx| outlet.poll_recv(cx)), self.clock.clone());
        Ok(Response::new(records.map(move |record| Ok(export::record(record?, clock.now()))).boxed()))
    }

    async fn issue_service_token(
        &self,
        request: Request<pb::IssueServiceTokenRequest>,
    ) -> Reply<pb::IssueServiceTokenResponse> {
        let (client_id, secret) = convert::client(request.into_inner()).map_err(invalid)?;
        let (token, life) = self.app.issue_service_token(&client_id, secret).await?;
        Ok(Response::new(convert::service_token(&token, life)))
    }

    async fn verify_token(&self, request: Request<pb::VerifyTokenRequest>) -> Reply<pb::VerifyTokenResponse> {
        let caller = caller(&request)?;
        let verified = self.app.verify_token(&caller, &request.get_ref().token).await?;
        Ok(Response::new(convert::verified(verified)))
    }

    async fn get_user(&self, request: Request<pb::GetUserRequest>) -> Reply<pb::GetUserResponse> {
        let caller = caller(&request)?;
        let user = convert::self_or_user_id(&caller, &request.get_ref().user_id).map_err(invalid)?;
        let user = self.app.user(&caller, user).await?;
        Ok(Response::new(pb::GetUserResponse { user: Some(convert::user(user, self.now())) }))
    }

    async fn get_users_by_ids(&self, request: Request<pb::GetUsersByIdsRequest>) -> Reply<pb::GetUsersByIdsResponse> {
        let caller = caller(&request)?;
        let ids = convert::user_ids(&request.get_ref().user_ids, self.max_batch).map_err(invalid)?;
        let (users, now) = (self.app.users_by_ids(&caller, &ids).await?, self.now());
        let users = users.into_iter().map(|user| (user.id.to_string(), convert::user(user, now))).collect();
        Ok(Response::new(pb::GetUsersByIdsResponse { users }))
    }

    async fn get_user_by_email(
        &self,
        request: Request<pb::GetUserByEmailRequest>,
    ) -> Reply<pb::GetUserByEmailResponse> {
        let caller = caller(&request)?;
        let email = Email::parse(&request.get_ref().email).field("email").map_err(invalid)?;
        let user = self.app.user_by_email(&caller, &email).await?;
        Ok(Response::new(pb::GetUserByEmailResponse { user: Some(convert::user(user, self.now())) }))
    }

    async fn check_user_exists(
        &self,
        request: Request<pb::CheckUserExistsRequest>,
    ) -> Reply<pb::CheckUserExistsResponse> {
        let caller = caller(&request)?;
        let user = convert::user_id(&request.get_ref().user_id).map_err(invalid)?;
        let exists = self.app.user_exists(&caller, user).await?;
        Ok(Response::new(pb::CheckUserExistsResponse { exists }))
    }

    async fn list_users(&self, request: Request<pb::ListUsersRequest>) -> Reply<pb::ListUsersResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let search = convert::search(&request).map_err(invalid)?;
        let page = self.app.list_users(&caller, &search, request.limit, request.offset, &request.page_token).await?;
        let now = self.now();
        let users = page.users.into_iter().map(|user| convert::user(user, now)).collect();
        let (total_count, next_page_token) = (page.total, page.next_page_token);
        Ok(Response::new(pb::ListUsersResponse { users, total_count, next_page_token }))
    }

    async fn check_permission(
        &self,
        request: Request<pb::CheckPermissionRequest>,
    ) -> Reply<pb::CheckPermissionResponse> {
        let caller = caller(&request)?;
        let user = convert::self_or_user_id(&caller, &request.get_ref().user_id).map_err(invalid)?;
        let permission = Permission::parse(&request.get_ref().permission).field("permission").map_err(invalid)?;
        let allowed = self.app.has_permission(&caller, user, &permission).await?;
        Ok(Response::new(pb::CheckPermissionResponse { allowed }))
    }

    async fn get_user_permissions(
        &self,
        request: Request<pb::GetUserPermissionsRequest>,
    ) -> Reply<pb::GetUserPermissionsResponse> {
        let caller = caller(&request)?;
        let user = convert::self_or_user_id(&caller, &request.get_ref().user_id).map_err(invalid)?;
        let granted = self.app.permissions(&caller, user).await?;
        let (permissions, roles) = (granted.permissions, granted.roles);
        Ok(Response::new(pb::GetUserPermissionsResponse { permissions, roles }))
    }

    async fn grant_role(&self, request: Request<pb::GrantRoleRequest>) -> Reply<pb::GrantRoleResponse> {
        let caller = caller(&request)?;
        let user = convert::user_id(&request.get_ref().user_id).map_err(invalid)?;
        let role = Role::parse(&request.get_ref().role).field("role").map_err(invalid)?;
        self.app.grant_role(&caller, user, role).await?;
        Ok(Response::new(pb::GrantRoleResponse {}))
    }

    async fn revoke_role(&self, request: Request<pb::RevokeRoleRequest>) -> Reply<pb::RevokeRoleResponse> {
        let caller = caller(&request)?;
        let user = convert::user_id(&request.get_ref().user_id).map_err(invalid)?;
        let role = Role::parse(&request.get_ref().role).field("role").map_err(invalid)?;
        self.app.revoke_role(&caller, user, role).await?;
        Ok(Response::new(pb::RevokeRoleResponse {}))
    }

    async fn list_audit_events(
        &self,
        request: Request<pb::ListAuditEventsRequest>,
    ) -> Reply<pb::ListAuditEventsResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let wanted = convert::wanted(&caller, &request).map_err(invalid)?;
        let (entries, next_page_token) =
            self.app.list_audit_events(&caller, wanted, request.limit, &request.page_token).await?;
        let events = entries.into_iter().map(convert::audit_event).collect();
        Ok(Response::new(pb::ListAuditEventsResponse { events, next_page_token }))
    }

    async fn record_failed_login(
        &self,
        request: Request<pb::RecordFailedLoginRequest>,
    ) -> Reply<pb::RecordFailedLoginResponse> {
        let caller = caller(&request)?;
        let user = convert::user_id(&request.get_ref().user_id).map_err(invalid)?;
        let policy = convert::policy(request.get_ref(), self.app.lockout()).map_err(invalid)?;
        let standing = self.app.record_failed_login(&caller, user, policy).await?;
        Ok(Response::new(convert::standing(standing, self.now())))
    }

    async fn get_token_state(&self, request: Request<pb::GetTokenStateRequest>) -> Reply<pb::GetTokenStateResponse> {
        let caller = caller(&request)?;
        let request = request.into_inner();
        let since = request.since.as_deref().map(|text| convert::time("since", text)).transpose().map_err(invalid)?;
        let state = self.app.token_state(&caller, since, &request.page_token).await?;
        Ok(Response::new(convert::token_state(state)))
    }

    async fn create_webhook(&self, request: Request<pb::CreateWebhookRequest>) -> Reply<pb::CreateWebhookResponse> {
        webhooks::create(&self.app, request).await
    }

    async fn list_webhooks(&self, request: Request<pb::ListWebhooksRequest>) -> Reply<pb::ListWebhooksResponse> {
        webhooks::list(&self.app, request).await
    }

    async fn get_webhook(&self, request: Request<pb::GetWebhookRequest>) -> Reply<pb::GetWebhookResponse> {
        webhooks::get(&self.app, request).await
    }

    async fn update_webhook(&self, request: Request<pb::UpdateWebhookRequest>) -> Reply<pb::UpdateWebhookResponse> {
        webhooks::update(&self.app, request).await
    }

    async fn delete_webhook(&self, request: Request<pb::DeleteWebhookRequest>) -> Reply<pb::DeleteWebhookResponse> {
        webhooks::delete(&self.app, request).await
    }

    async fn rotate_webhook_secret(
        &self,
        request: Request<pb::RotateWebhookSecretRequest>,
    ) -> Reply<pb::RotateWebhookSecretResponse> {
        webhooks::rotate_secret(&self.app, request).await
    }

    async fn send_test_event(&self, request: Request<pb::SendTestEventRequest>) -> Reply<pb::SendTestEventResponse> {
        webhooks::send_test(&self.app, request).await
    }

    async fn list_webhook_deliveries(
        &self,
        request: Request<pb::ListWebhookDeliveriesRequest>,
    ) -> Reply<pb::ListWebhookDeliveriesResponse> {
        webhooks::list_deliveries(&self.app, request).await
    }

    async fn get_webhook_delivery(
        &self,
        request: Request<pb::GetWebhookDeliveryRequest>,
    ) -> Reply<pb::GetWebhookDeliveryResponse> {
        webhooks::get_delivery(&self.app, request).await
    }

    async fn replay_webhook_delivery(
        &self,
        request: Request<pb::ReplayWebhookDeliveryRequest>,
    ) -> Reply<pb::ReplayWebhookDeliveryResponse> {
        webhooks::replay_delivery(&self.app, request).await
    }

    async fn replay_webhook_deliveries(
        &self,
        request: Request<pb::ReplayWebhookDeliveriesRequest>,
    ) -> Reply<pb::ReplayWebhookDeliveriesResponse> {
        webhooks::replay_deliveries(&self.app, request).await
    }
}
