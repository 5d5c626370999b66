//! The messages of `nova.events.v1`, the kinds, and what says so in the protos are the same.

use std::collections::BTreeSet;

use events::KINDS;
use prost_reflect::DescriptorPool;

/// Words that no field of an event may have in its name: what they stand for belongs into no event.
const PRIVATE: [&str; 9] =
    ["content", "ciphertext", "email", "password", "token", "secret", "name_of", "text", "address"];

fn pool() -> DescriptorPool {
    DescriptorPool::decode(protos::FILE_DESCRIPTOR_SET).expect("the descriptors are valid")
}

#[test]
fn each_message_is_the_data_of_one_kind() {
    let pool = pool();
    let messages: BTreeSet<String> = pool
        .all_messages()
        .filter(|message| message.package_name() == "nova.events.v1")
        .map(|message| message.name().to_owned())
        .collect();
    assert_eq!(KINDS.iter().map(|(_, message)| (*message).to_owned()).collect::<BTreeSet<_>>(), messages);
    let names: BTreeSet<&str> = KINDS.iter().map(|(kind, _)| kind.name).collect();
    assert_eq!(names.len(), KINDS.len(), "a name stands for one kind");
}

#[test]
fn each_message_names_its_type_and_lies_in_its_services_file() {
    let pool = pool();
    for (kind, name) in KINDS {
        let message = pool.get_message_by_name(&format!("nova.events.v1.{name}")).expect("there is such a message");
        let file = message.parent_file();
        let proto = file.file_descriptor_proto();
        let comments = proto.source_code_info.as_ref().expect("the descriptors have their comments");
        let comment = comments.location.iter().find(|at| at.path == message.path()).expect("it has a place");
        let begins = format!(" Type `{}`", kind.name);
        assert!(comment.leading_comments().starts_with(&begins), "{name} should begin with{begins}");
        let service = kind.topic.name().split('.').nth(1).expect("nova.<service>.v1");
        assert_eq!(file.name(), format!("events/v1/{service}_events.proto"), "{name}");
    }
}

#[test]
fn no_event_has_a_field_for_what_is_private() {
    let pool = pool();
    for message in pool.all_messages().filter(|message| message.package_name() == "nova.events.v1") {
        for field in message.fields() {
            let word = PRIVATE.iter().find(|word| field.name().contains(**word));
            assert_eq!(word, None, "{}", field.full_name());
        }
    }
}
