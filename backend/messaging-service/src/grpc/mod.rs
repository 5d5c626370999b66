//! The gRPC surface: decode, call, encode. Rules live in `model` and `app`, the two worlds meet in `convert`.

mod access;
mod convert;
mod events;
mod export;
mod rates;

use std::sync::Arc;

use authn::{Caller, Denied};
use errors::{Class, Classify, FieldViolation};
use futures::StreamExt;
use futures::stream::BoxStream;
use protos::messaging::v1 as pb;
use protos::messaging::v1::ErrorReason as Reason;
use protos::messaging::v1::messaging_service_server::{MessagingService, MessagingServiceServer};
use tonic::codec::CompressionEncoding;
use tonic::{Request, Response, Status};

use crate::app::App;

pub use access::{ACCESS, RULES};
pub use rates::RATES;

/// Full name of the gRPC service.
pub const NAME: &str = "nova.messaging.v1.MessagingService";

type Answer<T> = Result<Response<T>, Status>;

/// A request that is refused before the app is asked.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Invalid(#[from] FieldViolation),
    #[error("{0}")]
    Cursor(FieldViolation),
    #[error(transparent)]
    Denied(#[from] Denied),
}

impl Classify for Fault {
    fn class(&self) -> Class {
        match self {
            Self::Invalid(violation) => violation.class(),
            Self::Cursor(violation) => violation.class().reason(Reason::CursorInvalid),
            Self::Denied(denied) => denied.class(),
        }
    }
}
errors::into_status!(Fault, crate::DOMAIN);

/// Serves the app over gRPC.
pub struct Messaging {
    app: Arc<App>,
}

impl Messaging {
    /// The generated service around the app.
    pub fn service(app: Arc<App>, max_request_bytes: usize) -> MessagingServiceServer<Self> {
        MessagingServiceServer::new(Self { app })
            .max_decoding_message_size(max_request_bytes)
            .accept_compressed(CompressionEncoding::Zstd)
            .accept_compressed(CompressionEncoding::Gzip)
            .send_compressed(CompressionEncoding::Zstd)
            .send_compressed(CompressionEncoding::Gzip)
    }
}

fn caller<T>(request: &Request<T>) -> Result<Caller, Fault> {
    Ok(Caller::of(request)?)
}

#[tonic::async_trait]
impl MessagingService for Messaging {
    async fn get_messages(&self, request: Request<pb::GetMessagesRequest>) -> Answer<pb::GetMessagesResponse> {
        let caller = caller(&request)?;
        let ask = convert::get_messages(request.into_inner())?;
        let page = self.app.get_messages(&caller, ask).await?;
        Ok(Response::new(pb::GetMessagesResponse {
            messages: page.messages.into_iter().map(pb::Message::from).collect(),
            total_count: page.total_count,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_message(&self, request: Request<pb::GetMessageRequest>) -> Answer<pb::GetMessageResponse> {
        let caller = caller(&request)?;
        let id = convert::message_id(&request.get_ref().message_id)?;
        let message = self.app.get_message(&caller, id).await?;
        Ok(Response::new(pb::GetMessageResponse { message: Some(message.into()) }))
    }

    async fn get_conversation(
        &self,
        request: Request<pb::GetConversationRequest>,
    ) -> Answer<pb::GetConversationResponse> {
        let caller = caller(&request)?;
        let id = convert::conversation_id(&request.get_ref().conversation_id)?;
        let view = self.app.get_conversation(&caller, id).await?;
        Ok(Response::new(view.into()))
    }

    async fn get_conversation_members(
        &self,
        request: Request<pb::GetConversationMembersRequest>,
    ) -> Answer<pb::GetConversationMembersResponse> {
        let caller = caller(&request)?;
        let ask = request.get_ref();
        let id = convert::conversation_id(&ask.conversation_id)?;
        let page = self.app.get_conversation_members(&caller, id, ask.limit, &ask.page_token).await?;
        Ok(Response::new(page.into()))
    }

    async fn send_message(&self, request: Request<pb::SendMessageRequest>) -> Answer<pb::SendMessageResponse> {
        let caller = caller(&request)?;
        let cmd = convert::send_message(request.into_inner(), self.app.limits())?;
        let message = self.app.send_message(&caller, cmd).await?;
        Ok(Response::new(pb::SendMessageResponse { message: Some(message.into()) }))
    }

    async fn update_message(&self, request: Request<pb::UpdateMessageRequest>) -> Answer<pb::UpdateMessageResponse> {
        let caller = caller(&request)?;
        let cmd = convert::update_message(request.into_inner(), self.app.limits())?;
        let message = self.app.update_message(&caller, cmd).await?;
        Ok(Response::new(pb::UpdateMessageResponse { message: Some(message.into()) }))
    }

    async fn delete_message(&self, request: Request<pb::DeleteMessageRequest>) -> Answer<pb::DeleteMessageResponse> {
        let caller = caller(&request)?;
        let id = convert::message_id(&request.get_ref().message_id)?;
        let deleted_at = self.app.delete_message(&caller, id).await?;
        Ok(Response::new(pb::DeleteMessageResponse { success: true, deleted_at: clock::rfc3339(deleted_at) }))
    }

    async fn mark_as_read(&self, request: Request<pb::MarkAsReadRequest>) -> Answer<pb::MarkAsReadResponse> {
        let caller = caller(&request)?;
        let message = convert::message_id(&request.get_ref().message_id)?;
        let reader = convert::id_or_me(&request.get_ref().reader_id, "reader_id")?;
        let unread_count = self.app.mark_as_read(&caller, message, reader).await?;
        Ok(Response::new(pb::MarkAsReadResponse { success: true, unread_count }))
    }

    async fn get_unread_count(
        &self,
        request: Request<pb::GetUnreadCountRequest>,
    ) -> Answer<pb::GetUnreadCountResponse> {
        let caller = caller(&request)?;
        let user = convert::id_or_me(&request.get_ref().user_id, "user_id")?;
        let conversation = convert::optional_conversation_id(request.get_ref().conversation_id.as_deref())?;
        let unread_count = self.app.get_unread_count(&caller, user, conversation).await?;
        Ok(Response::new(pb::GetUnreadCountResponse { unread_count }))
    }

    async fn list_conversations(
        &self,
        request: Request<pb::ListConversationsRequest>,
    ) -> Answer<pb::ListConversationsResponse> {
        let caller = caller(&request)?;
        let ask = convert::list_conversations(request.into_inner())?;
        let page = self.app.list_conversations(&caller, ask).await?;
        Ok(Response::new(page.into()))
    }

    async fn create_conversation(
        &self,
        request: Request<pb::CreateConversationRequest>,
    ) -> Answer<pb::CreateConversationResponse> {
        let caller = caller(&request)?;
        let creator = caller.person().map_err(Fault::from)?;
        let (opening, client_id) = convert::create_conversation(request.into_inner(), creator, self.app.limits())?;
        let conversation = self.app.create_conversation(&caller, opening, client_id).await?;
        Ok(Response::new(pb::CreateConversationResponse { conversation: Some(conversation.into()) }))
    }

    async fn update_conversation(
        &self,
        request: Request<pb::UpdateConversationRequest>,
    ) -> Answer<pb::UpdateConversationResponse> {
        let caller = caller(&request)?;
        let cmd = convert::update_conversation(request.into_inner())?;
        let conversation = self.app.update_conversation(&caller, cmd).await?;
        Ok(Response::new(pb::UpdateConversationResponse { conversation: Some(conversation.into()) }))
    }

    async fn add_members(&self, request: Request<pb::AddMembersRequest>) -> Answer<pb::AddMembersResponse> {
        let caller = caller(&request)?;
        let (id, users) = convert::add_members(request.get_ref(), self.app.limits())?;
        let (conversation, added) = self.app.add_members(&caller, id, users).await?;
        Ok(Response::new(pb::AddMembersResponse {
            conversation: Some(conversation.into()),
            added_user_ids: added.iter().map(ToString::to_string).collect(),
        }))
    }

    async fn remove_member(&self, request: Request<pb::RemoveMemberRequest>) -> Answer<pb::RemoveMemberResponse> {
        let caller = caller(&request)?;
        let id = convert::conversation_id(&request.get_ref().conversation_id)?;
        let user = convert::user_id(&request.get_ref().user_id, "user_id")?;
        self.app.remove_member(&caller, id, user).await?;
        Ok(Response::new(pb::RemoveMemberResponse { success: true }))
    }

    async fn update_member_role(
        &self,
        request: Request<pb::UpdateMemberRoleRequest>,
    ) -> Answer<pb::UpdateMemberRoleResponse> {
        let caller = caller(&request)?;
        let id = convert::conversation_id(&request.get_ref().conversation_id)?;
        let user = convert::user_id(&request.get_ref().user_id, "user_id")?;
        let role = convert::role(request.get_ref().role)?;
        let member = self.app.update_member_role(&caller, id, user, role).await?;
        Ok(Response::new(pb::UpdateMemberRoleResponse { member: Some(member.into()) }))
    }

    type StreamEventsStream = BoxStream<'static, Result<pb::StreamEventsResponse, Status>>;

    async fn stream_events(&self, request: Request<pb::StreamEventsRequest>) -> Answer<Self::StreamEventsStream> {
        let caller = caller(&request)?;
        let ask = convert::stream_events(request.get_ref(), self.app.limits())?;
        let mut outlet = self.app.stream_events(&caller, ask).await?;
        let told = futures::stream::poll_fn(move |cx| outlet.poll_recv(cx));
        Ok(Response::new(told.map(|told| Ok(told.map_err(|error| *error)?.into())).boxed()))
    }

    async fn send_typing(&self, request: Request<pb::SendTypingRequest>) -> Answer<pb::SendTypingResponse> {
        let caller = caller(&request)?;
        let id = convert::conversation_id(&request.get_ref().conversation_id)?;
        self.app.send_typing(&caller, id).await?;
        Ok(Response::new(pb::SendTypingResponse {}))
    }

    async fn get_stream_stats(
        &self,
        request: Request<pb::GetStreamStatsRequest>,
    ) -> Answer<pb::GetStreamStatsResponse> {
        let caller = caller(&request)?;
        Ok(Response::new(self.app.stream_stats(&caller)?.into()))
    }

    async fn invalidate_contact(
        &self,
        request: Request<pb::InvalidateContactRequest>,
    ) -> Answer<pb::InvalidateContactResponse> {
        let user = convert::user_id(&request.get_ref().user_id_1, "user_id_1")?;
        let other = convert::optional_user_id(&request.get_ref().user_id_2, "user_id_2")?;
        self.app.invalidate_contact(user, other).await;
        Ok(Response::new(pb::InvalidateContactResponse {}))
    }

    async fn erase_user(&self, request: Request<pb::EraseUserRequest>) -> Answer<pb::EraseUserResponse> {
        let user = convert::user_id(&request.get_ref().user_id, "user_id")?;
        self.app.erase_user(user).await?;
        Ok(Response::new(pb::EraseUserResponse {}))
    }

    type ExportUserStream = BoxStream<'static, Result<pb::ExportUserResponse, Status>>;

    async fn export_user(&self, request: Request<pb::ExportUserRequest>) -> Answer<Self::ExportUserStream> {
        let caller = caller(&request)?;
        let user = convert::user_id(&request.get_ref().user_id, "user_id")?;
        let mut outlet = self.app.export_user(&caller, user).await?;
        let records = futures::stream::poll_fn(move |cx| outlet.poll_recv(cx));
        Ok(Response::new(records.map(|record| Ok(record.map_err(|error| *error)?.into())).boxed()))
    }
}
