//! Records of an export on the wire: JSON as REST has it.

use clock::rfc3339;
use protos::user::v1 as pb;
use serde_json::json;

use super::convert;
use crate::app::{Record, Shown, Tie};

impl From<Record> for pb::ExportUserResponse {
    fn from(record: Record) -> Self {
        let (kind, record) = match record {
            // The e-mail is the auth service's to export.
            Record::Profile(profile) => {
                ("profile", rest::json(&convert::profile(Shown { profile: profile.into(), email: None })))
            }
            Record::Settings(settings) => ("settings", rest::json(&convert::settings(*settings))),
            Record::Follow(tie) => ("follow", follow(tie)),
            Record::Follower(tie) => ("follower", follow(tie)),
            Record::FollowRequest(tie) => ("follow_request", follow(tie)),
            Record::Block(Tie { from, to, at }) => {
                let record =
                    json!({ "blockerId": from.to_string(), "blockedId": to.to_string(), "createdAt": rfc3339(at) });
                ("block", record.to_string())
            }
        };
        Self { kind: kind.to_owned(), record }
    }
}

fn follow(Tie { from, to, at }: Tie) -> String {
    json!({ "followerId": from.to_string(), "followeeId": to.to_string(), "createdAt": rfc3339(at) }).to_string()
}
