//! What people do, one line each.

use protos::auth::v1::Tokens;
use protos::messaging::v1::conversation::Type;
use protos::messaging::v1::{
    Conversation, CreateConversationRequest, DeleteMessageRequest, GetConversationRequest, GetConversationResponse,
    GetMessagesRequest, GetUnreadCountRequest, MarkAsReadRequest, Message, SendMessageRequest, UpdateMessageRequest,
};
use protos::user::v1::relationship::Kind;
use protos::user::v1::user_settings::AllowMessages;
use protos::user::v1::{
    BlockUserRequest, CheckUserRelationshipRequest, FollowUserRequest, GetUserProfileRequest, GetUserSettingsRequest,
    UnblockUserRequest, UnfollowUserRequest, UpdateUserSettingsRequest, UserProfile, UserSettings,
};

use crate::Outcome;
use crate::grpc_helpers::{Clients, unexpected};

/// Somebody who has registered.
#[derive(Clone)]
pub struct Person {
    /// Their id.
    pub id: String,
    /// Their user name.
    pub username: String,
    /// Their e-mail.
    pub email: String,
    /// Their password.
    pub password: String,
    /// What Register gave them.
    pub tokens: Tokens,
    /// Clients that call as they.
    pub clients: Clients,
}

/// A field that must be there.
fn some<T>(value: Option<T>, what: &str) -> Outcome<T> {
    value.ok_or_else(|| unexpected(format!("the answer has no {what}")))
}

impl Person {
    /// A profile as they see it.
    ///
    /// # Errors
    /// As GetUserProfile.
    pub async fn profile_of(&self, user_id: &str) -> Outcome<UserProfile> {
        let request = GetUserProfileRequest { user_id: user_id.to_owned() };
        some(self.clients.user.clone().get_user_profile(request).await?.into_inner().profile, "profile")
    }

    /// Follows somebody.
    ///
    /// # Errors
    /// As FollowUser.
    pub async fn follow(&self, other: &Person) -> Outcome<Kind> {
        let request = FollowUserRequest { follower_id: Some(self.id.clone()), followee_id: other.id.clone() };
        Ok(self.clients.user.clone().follow_user(request).await?.into_inner().relationship())
    }

    /// Follows somebody no longer.
    ///
    /// # Errors
    /// As UnfollowUser.
    pub async fn unfollow(&self, other: &Person) -> Outcome<Kind> {
        let request = UnfollowUserRequest { follower_id: Some(self.id.clone()), followee_id: other.id.clone() };
        Ok(self.clients.user.clone().unfollow_user(request).await?.into_inner().relationship())
    }

    /// Blocks somebody.
    ///
    /// # Errors
    /// As BlockUser.
    pub async fn block(&self, other: &Person) -> Outcome {
        let request = BlockUserRequest { blocker_id: Some(self.id.clone()), blocked_id: other.id.clone() };
        self.clients.user.clone().block_user(request).await?;
        Ok(())
    }

    /// Takes a block back.
    ///
    /// # Errors
    /// As UnblockUser.
    pub async fn unblock(&self, other: &Person) -> Outcome {
        let request = UnblockUserRequest { blocker_id: Some(self.id.clone()), blocked_id: other.id.clone() };
        self.clients.user.clone().unblock_user(request).await?;
        Ok(())
    }

    /// How they stand to somebody, as they may know it.
    ///
    /// # Errors
    /// As CheckUserRelationship.
    pub async fn relationship_to(&self, other: &Person) -> Outcome<Kind> {
        let request = CheckUserRelationshipRequest { user_id_1: self.id.clone(), user_id_2: other.id.clone() };
        Ok(self.clients.user.clone().check_user_relationship(request).await?.into_inner().relationship())
    }

    /// Their settings.
    ///
    /// # Errors
    /// As GetUserSettings.
    pub async fn settings(&self) -> Outcome<UserSettings> {
        let request = GetUserSettingsRequest { user_id: self.id.clone() };
        some(self.clients.user.clone().get_user_settings(request).await?.into_inner().settings, "settings")
    }

    /// Says who may write to them.
    ///
    /// # Errors
    /// As UpdateUserSettings.
    pub async fn allow_messages_from(&self, whom: AllowMessages) -> Outcome<UserSettings> {
        let mut request = UpdateUserSettingsRequest { user_id: self.id.clone(), ..Default::default() };
        request.set_allow_messages(whom);
        some(self.clients.user.clone().update_user_settings(request).await?.into_inner().settings, "settings")
    }

    /// Opens the direct conversation with somebody.
    ///
    /// # Errors
    /// As CreateConversation.
    pub async fn direct_with(&self, other: &Person) -> Outcome<Conversation> {
        self.open(Type::Direct, &[other], None).await
    }

    /// Opens a group.
    ///
    /// # Errors
    /// As CreateConversation.
    pub async fn group_with(&self, others: &[&Person], name: &str) -> Outcome<Conversation> {
        self.open(Type::Group, others, Some(name.to_owned())).await
    }

    async fn open(&self, kind: Type, others: &[&Person], name: Option<String>) -> Outcome<Conversation> {
        let request = CreateConversationRequest {
            r#type: kind.into(),
            member_ids: others.iter().map(|other| other.id.clone()).collect(),
            name,
            client_conversation_id: None,
        };
        some(
            self.clients.messaging.clone().create_conversation(request).await?.into_inner().conversation,
            "conversation",
        )
    }

    /// A conversation as they see it.
    ///
    /// # Errors
    /// As GetConversation.
    pub async fn conversation(&self, id: &str) -> Outcome<GetConversationResponse> {
        let request = GetConversationRequest { conversation_id: id.to_owned() };
        Ok(self.clients.messaging.clone().get_conversation(request).await?.into_inner())
    }

    /// Sends a text.
    ///
    /// # Errors
    /// As SendMessage.
    pub async fn send(&self, conversation: &str, text: &str) -> Outcome<Message> {
        self.send_request(conversation, text, None).await
    }

    /// Sends a text under a client id.
    ///
    /// # Errors
    /// As SendMessage.
    pub async fn send_once(&self, conversation: &str, text: &str, client_message_id: &str) -> Outcome<Message> {
        self.send_request(conversation, text, Some(client_message_id.to_owned())).await
    }

    async fn send_request(
        &self,
        conversation: &str,
        text: &str,
        client_message_id: Option<String>,
    ) -> Outcome<Message> {
        let request = SendMessageRequest {
            conversation_id: conversation.to_owned(),
            sender_id: self.id.clone(),
            content: Some(text.to_owned()),
            encrypted: None,
            client_message_id,
        };
        some(self.clients.messaging.clone().send_message(request).await?.into_inner().message, "message")
    }

    /// Edits a message.
    ///
    /// # Errors
    /// As UpdateMessage.
    pub async fn edit(&self, message_id: &str, text: &str, expected_version: i64) -> Outcome<Message> {
        let request = UpdateMessageRequest {
            message_id: message_id.to_owned(),
            updated_content: Some(text.to_owned()),
            encrypted: None,
            expected_version,
        };
        some(self.clients.messaging.clone().update_message(request).await?.into_inner().message, "message")
    }

    /// Deletes a message.
    ///
    /// # Errors
    /// As DeleteMessage.
    pub async fn delete(&self, message_id: &str) -> Outcome {
        let request = DeleteMessageRequest { message_id: message_id.to_owned() };
        self.clients.messaging.clone().delete_message(request).await?;
        Ok(())
    }

    /// Reads up to a message and returns what is still unread.
    ///
    /// # Errors
    /// As MarkAsRead.
    pub async fn read(&self, message_id: &str) -> Outcome<i64> {
        let request = MarkAsReadRequest { message_id: message_id.to_owned(), reader_id: self.id.clone() };
        Ok(self.clients.messaging.clone().mark_as_read(request).await?.into_inner().unread_count)
    }

    /// What they have not read, in one conversation or in all.
    ///
    /// # Errors
    /// As GetUnreadCount.
    pub async fn unread(&self, conversation: Option<&str>) -> Outcome<i64> {
        let request =
            GetUnreadCountRequest { user_id: self.id.clone(), conversation_id: conversation.map(str::to_owned) };
        Ok(self.clients.messaging.clone().get_unread_count(request).await?.into_inner().unread_count)
    }

    /// Every message of a conversation, oldest first.
    ///
    /// # Errors
    /// As GetMessages.
    pub async fn history(&self, conversation: &str, include_deleted: bool) -> Outcome<Vec<Message>> {
        let mut messages = all_pages(async |page_token| {
            let request = GetMessagesRequest {
                conversation_id: conversation.to_owned(),
                limit: 100,
                include_deleted,
                page_token,
                ..Default::default()
            };
            let page = self.clients.messaging.clone().get_messages(request).await?.into_inner();
            Ok((page.messages, page.next_page_token))
        })
        .await?;
        messages.reverse();
        Ok(messages)
    }
}

/// Reads a list to its end; `fetch` gets a page token and returns the page and the next one's token.
///
/// # Errors
/// What `fetch` fails with, or that the list has no end.
pub async fn all_pages<T>(mut fetch: impl AsyncFnMut(String) -> Outcome<(Vec<T>, String)>) -> Outcome<Vec<T>> {
    let (mut all, mut token) = (vec![], String::new());
    for _ in 0..10_000 {
        let (page, next) = fetch(token).await?;
        all.extend(page);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
    Err(unexpected("after 10,000 pages there is still a next one"))
}
