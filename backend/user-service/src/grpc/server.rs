//! The gRPC service: decode, call, encode. Rules are in `app` and `model`.

use authn::Caller;
use errors::FieldExt;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use protos::user::v1 as pb;
use protos::user::v1::user_service_server::UserService;
use tonic::{Request, Response, Status};

use super::{convert, fields};
use crate::app::{Error, SharedApp};
use crate::model::{Pair, Query};

/// Answers the calls of `nova.user.v1.UserService`.
#[derive(Clone)]
pub struct Server {
    app: SharedApp,
}

impl Server {
    /// Answers with this app.
    pub fn new(app: SharedApp) -> Self {
        Self { app }
    }
}

type RpcResult<T> = Result<Response<T>, Status>;

fn open<T>(request: Request<T>) -> Result<(Caller, T), Error> {
    let caller = Caller::of(&request)?;
    Ok((caller, request.into_inner()))
}

/// Who acts on whom; `first` may be left out for the caller.
fn pair(caller: &Caller, first: (Option<&str>, &str), second: (&str, &str)) -> Result<Pair, Error> {
    let actor = fields::actor(caller, first.0, first.1);
    fields::pair(actor, fields::user(caller, second.0, second.1), second.1)
}

#[tonic::async_trait]
impl UserService for Server {
    async fn get_user_profile(
        &self,
        request: Request<pb::GetUserProfileRequest>,
    ) -> RpcResult<pb::GetUserProfileResponse> {
        let (caller, r) = open(request)?;
        let user = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let shown = self.app.get_user_profile(&caller, user).await?;
        Ok(Response::new(pb::GetUserProfileResponse { profile: Some(convert::profile(shown)) }))
    }

    async fn get_user_profiles_by_ids(
        &self,
        request: Request<pb::GetUserProfilesByIdsRequest>,
    ) -> RpcResult<pb::GetUserProfilesByIdsResponse> {
        let (caller, r) = open(request)?;
        let users = fields::users(&r.user_ids, "user_ids")?;
        let shown = self.app.get_user_profiles_by_ids(&caller, &users).await?;
        let profiles = convert::profiles(shown).into_iter().map(|profile| (profile.id.clone(), profile)).collect();
        Ok(Response::new(pb::GetUserProfilesByIdsResponse { profiles }))
    }

    async fn update_user_profile(
        &self,
        request: Request<pb::UpdateUserProfileRequest>,
    ) -> RpcResult<pb::UpdateUserProfileResponse> {
        let (caller, r) = open(request)?;
        let user = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let (change, expected_version) = convert::profile_update(r)?;
        let shown = self.app.update_user_profile(&caller, user, &change, expected_version).await?;
        Ok(Response::new(pb::UpdateUserProfileResponse { profile: Some(convert::profile(shown)) }))
    }

    async fn get_user_settings(
        &self,
        request: Request<pb::GetUserSettingsRequest>,
    ) -> RpcResult<pb::GetUserSettingsResponse> {
        let (caller, r) = open(request)?;
        let user = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let settings = self.app.get_user_settings(&caller, user).await?;
        Ok(Response::new(pb::GetUserSettingsResponse { settings: Some(convert::settings(settings)) }))
    }

    async fn update_user_settings(
        &self,
        request: Request<pb::UpdateUserSettingsRequest>,
    ) -> RpcResult<pb::UpdateUserSettingsResponse> {
        let (caller, r) = open(request)?;
        let user = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let (change, expected_version) = convert::settings_update(r)?;
        let settings = self.app.update_user_settings(&caller, user, &change, expected_version).await?;
        Ok(Response::new(pb::UpdateUserSettingsResponse { settings: Some(convert::settings(settings)) }))
    }

    async fn follow_user(&self, request: Request<pb::FollowUserRequest>) -> RpcResult<pb::FollowUserResponse> {
        let (caller, r) = open(request)?;
        let pair = pair(&caller, (r.follower_id.as_deref(), "follower_id"), (&r.followee_id, "followee_id"))?;
        let kind = self.app.follow_user(&caller, pair).await?;
        Ok(Response::new(pb::FollowUserResponse { success: true, relationship: convert::kind(kind) }))
    }

    async fn unfollow_user(&self, request: Request<pb::UnfollowUserRequest>) -> RpcResult<pb::UnfollowUserResponse> {
        let (caller, r) = open(request)?;
        let pair = pair(&caller, (r.follower_id.as_deref(), "follower_id"), (&r.followee_id, "followee_id"))?;
        let kind = self.app.unfollow_user(&caller, pair).await?;
        Ok(Response::new(pb::UnfollowUserResponse { success: true, relationship: convert::kind(kind) }))
    }

    async fn block_user(&self, request: Request<pb::BlockUserRequest>) -> RpcResult<pb::BlockUserResponse> {
        let (caller, r) = open(request)?;
        let pair = pair(&caller, (r.blocker_id.as_deref(), "blocker_id"), (&r.blocked_id, "blocked_id"))?;
        self.app.block_user(&caller, pair).await?;
        Ok(Response::new(pb::BlockUserResponse { success: true }))
    }

    async fn unblock_user(&self, request: Request<pb::UnblockUserRequest>) -> RpcResult<pb::UnblockUserResponse> {
        let (caller, r) = open(request)?;
        let pair = pair(&caller, (r.blocker_id.as_deref(), "blocker_id"), (&r.blocked_id, "blocked_id"))?;
        self.app.unblock_user(&caller, pair).await?;
        Ok(Response::new(pb::UnblockUserResponse { success: true }))
    }

    async fn get_user_followers(
        &self,
        request: Request<pb::GetUserFollowersRequest>,
    ) -> RpcResult<pb::GetUserFollowersResponse> {
        let (caller, r) = open(request)?;
        let owner = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let page = fields::page(r.limit, r.offset, r.page_token);
        let (users, total_count) = self.app.get_user_followers(&caller, owner, &page).await?;
        let (profiles, next_page_token) = (convert::profiles(users.profiles), users.next_page_token);
        Ok(Response::new(pb::GetUserFollowersResponse { profiles, total_count, next_page_token }))
    }

    async fn get_user_following(
        &self,
        request: Request<pb::GetUserFollowingRequest>,
    ) -> RpcResult<pb::GetUserFollowingResponse> {
        let (caller, r) = open(request)?;
        let owner = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let page = fields::page(r.limit, r.offset, r.page_token);
        let (users, total_count) = self.app.get_user_following(&caller, owner, &page).await?;
        let (profiles, next_page_token) = (convert::profiles(users.profiles), users.next_page_token);
        Ok(Response::new(pb::GetUserFollowingResponse { profiles, total_count, next_page_token }))
    }

    async fn check_user_relationship(
        &self,
        request: Request<pb::CheckUserRelationshipRequest>,
    ) -> RpcResult<pb::CheckUserRelationshipResponse> {
        let (caller, r) = open(request)?;
        let pair = pair(&caller, (Some(&r.user_id_1), "user_id_1"), (&r.user_id_2, "user_id_2"))?;
        let kind = self.app.check_user_relationship(&caller, pair).await?;
        Ok(Response::new(pb::CheckUserRelationshipResponse { relationship: convert::kind(kind) }))
    }

    async fn search_users(&self, request: Request<pb::SearchUsersRequest>) -> RpcResult<pb::SearchUsersResponse> {
        let (caller, r) = open(request)?;
        let query = Query::parse(&r.query).field("query").map_err(Error::from)?;
        let page = fields::page(r.limit, r.offset, r.page_token);
        let users = self.app.search_users(&caller, &query, &page).await?;
        let (profiles, next_page_token) = (convert::profiles(users.profiles), users.next_page_token);
        Ok(Response::new(pb::SearchUsersResponse { profiles, next_page_token }))
    }

    async fn list_blocked_users(
        &self,
        request: Request<pb::ListBlockedUsersRequest>,
    ) -> RpcResult<pb::ListBlockedUsersResponse> {
        let (caller, r) = open(request)?;
        let blocker = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let page = fields::page(r.limit, 0, r.page_token);
        let users = self.app.list_blocked_users(&caller, blocker, &page).await?;
        let (profiles, next_page_token) = (convert::profiles(users.profiles), users.next_page_token);
        Ok(Response::new(pb::ListBlockedUsersResponse { profiles, next_page_token }))
    }

    async fn list_follow_requests(
        &self,
        request: Request<pb::ListFollowRequestsRequest>,
    ) -> RpcResult<pb::ListFollowRequestsResponse> {
        let (caller, r) = open(request)?;
        let owner = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let page = fields::page(r.limit, 0, r.page_token);
        let users = self.app.list_follow_requests(&caller, owner, &page).await?;
        let (profiles, next_page_token) = (convert::profiles(users.profiles), users.next_page_token);
        Ok(Response::new(pb::ListFollowRequestsResponse { profiles, next_page_token }))
    }

    async fn respond_to_follow_request(
        &self,
        request: Request<pb::RespondToFollowRequestRequest>,
    ) -> RpcResult<pb::RespondToFollowRequestResponse> {
        let (caller, r) = open(request)?;
        let answer = pair(&caller, (Some(&r.followee_id), "followee_id"), (&r.follower_id, "follower_id"))?;
        let kind = self.app.respond_to_follow_request(&caller, answer, r.accept).await?;
        Ok(Response::new(pb::RespondToFollowRequestResponse { success: true, relationship: convert::kind(kind) }))
    }

    async fn ensure_profile(&self, request: Request<pb::EnsureProfileRequest>) -> RpcResult<pb::EnsureProfileResponse> {
        let (caller, r) = open(request)?;
        let account = convert::account(r)?;
        let created = self.app.ensure_profile(&caller, &account).await?;
        Ok(Response::new(pb::EnsureProfileResponse { created }))
    }

    async fn delete_profile(&self, request: Request<pb::DeleteProfileRequest>) -> RpcResult<pb::DeleteProfileResponse> {
        let (caller, r) = open(request)?;
        let user = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let deleted_at = fields::time(&r.deleted_at, "deleted_at").map_err(Error::from)?;
        let deleted = self.app.delete_profile(&caller, user, deleted_at).await?;
        Ok(Response::new(pb::DeleteProfileResponse { deleted }))
    }

    async fn check_contact(&self, request: Request<pb::CheckContactRequest>) -> RpcResult<pb::CheckContactResponse> {
        let (caller, r) = open(request)?;
        let actor = fields::user(&caller, &r.actor_id, "actor_id").map_err(Error::from)?;
        let users = fields::users(&r.user_ids, "user_ids")?;
        let verdicts = self.app.check_contact(&caller, actor, &users).await?;
        let contact = |(user, verdict): (ids::UserId, _)| pb::Contact {
            user_id: user.to_string(),
            verdict: convert::verdict(verdict),
        };
        Ok(Response::new(pb::CheckContactResponse { contacts: verdicts.into_iter().map(contact).collect() }))
    }

    type ExportUserStream = BoxStream<'static, Result<pb::ExportUserResponse, Status>>;

    async fn export_user(&self, request: Request<pb::ExportUserRequest>) -> RpcResult<Self::ExportUserStream> {
        let (caller, r) = open(request)?;
        let user = fields::user(&caller, &r.user_id, "user_id").map_err(Error::from)?;
        let mut outlet = self.app.export_user(&caller, user).await?;
        let records = stream::poll_fn(move |cx| outlet.poll_recv(cx));
        Ok(Response::new(records.map(|record| Ok(record?.into())).boxed()))
    }
}
