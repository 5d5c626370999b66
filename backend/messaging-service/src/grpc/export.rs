//! Records of an export on the wire: JSON as REST has it.

use clock::rfc3339;
use protos::messaging::v1 as pb;
use serde_json::json;

use crate::app::export::Record;
use crate::storage::export::{ConversationRequest, Membership};

impl From<Record> for pb::ExportUserResponse {
    fn from(record: Record) -> Self {
        let (kind, record) = match record {
            Record::Membership(membership) => ("membership", of_membership(membership)),
            Record::Conversation(conversation) => ("conversation", rest::json(&pb::Conversation::from(*conversation))),
            Record::ConversationMembers(id, members) => {
                let members: Vec<String> = members.iter().map(ToString::to_string).collect();
                let record = json!({ "conversationId": id.to_string(), "memberIds": members });
                ("conversation_members", record.to_string())
            }
            Record::Message(message) => ("message", rest::json(&pb::Message::from(*message))),
            Record::ConversationRequest(ConversationRequest { client_id, conversation, created_at }) => {
                let record = json!({
                    "clientConversationId": client_id,
                    "conversationId": conversation.to_string(),
                    "createdAt": rfc3339(created_at),
                });
                ("conversation_request", record.to_string())
            }
        };
        Self { kind: kind.to_owned(), record }
    }
}

/// As a Member, and where, and until when.
fn of_membership(Membership { conversation, member, left_at }: Membership) -> String {
    let member = pb::Member::from(member);
    let mut record = json!({
        "conversationId": conversation.to_string(),
        "userId": member.user_id,
        "role": member.role().as_str_name(),
        "joinedAt": member.joined_at,
        "lastReadSequence": member.last_read_sequence.to_string(),
    });
    if let Some(left_at) = left_at {
        record["leftAt"] = rfc3339(left_at).into();
    }
    record.to_string()
}
