//! Proto3 JSON in the one spelling that REST has: with what can't be absent, and fields as `displayName`.

use prost::{Message, Name};
use prost_reflect::{DynamicMessage, SerializeOptions};
use serde::Serializer;

use crate::descriptors::POOL;

/// A message of Nova's as REST writes it, on one line.
///
/// # Panics
/// If the message is none of proto/services.
pub fn json<M: Message + Name>(message: &M) -> String {
    const ONE_OF_OURS: &str = "the message is one of proto/services";
    let descriptor = POOL.get_message_by_name(&M::full_name()).expect(ONE_OF_OURS);
    let message = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).expect(ONE_OF_OURS);
    serde_json::to_string(&write(&message, serde_json::value::Serializer).expect(ONE_OF_OURS)).expect(ONE_OF_OURS)
}

/// Writes a message.
pub(crate) fn write<S: Serializer>(message: &DynamicMessage, into: S) -> Result<S::Ok, S::Error> {
    message.serialize_with_options(into, &SerializeOptions::new().skip_default_fields(false))
}
