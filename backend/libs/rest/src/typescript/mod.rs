//! Types and calls of the TypeScript client, from the descriptors: what a page or a program in Node can say to REST, checked by
//! its compiler. How a call is sent is written by hand beside it (clients/typescript/src); here are only the facts.

mod text;
mod types;

use prost_reflect::{MethodDescriptor, ServiceDescriptor};

use crate::descriptors::{Fault, POOL, Rule, rules, served};
use crate::endpoint::{BodyRule, Endpoint};
use crate::openapi::Described;
use crate::openapi::comments::Comments;
use text::Words;
use types::Types;

const HEAD: &str = "\
// Made from proto/services by `cargo xtask typescript`: change the protos, not this file.

import type { CallOptions, Route } from \"./call.js\";

/** A whole number of 64 bits as a text, as proto3 JSON has it: a JavaScript number cannot hold them all. */
export type Int64 = string;
";
const TABLE: &str = "\
/** How each call is sent: the verb, the path with its fields, and where the other fields go. */
export const ROUTES = {
";
const TABLE_END: &str = "\
} as const satisfies Record<string, Record<string, Route>>;
";

/// The source of the client's `generated.ts` for these services.
///
/// # Errors
/// If the protos say what REST can't serve.
pub fn typescript(services: &[Described]) -> Result<String, Fault> {
    let comments = Comments::of(&POOL);
    let mut found = vec![];
    for described in services {
        let name = &described.service;
        let service = POOL.get_service_by_name(name).ok_or_else(|| Fault::NoService(name.clone()))?;
        found.push((service, described));
    }
    let words = Words::of(&POOL, &comments);
    let mut types = Types::new(&words);
    for (service, _) in &found {
        types.reach(service)?;
    }
    let (mut calls, mut table) = (String::new(), String::new());
    for (service, described) in &found {
        calls.push_str(&interface(service, &types)?);
        table.push_str(&routes(service, described)?);
    }
    let types = types.write(found.iter().map(|(service, _)| service.parent_file()));
    Ok(format!("{HEAD}\n{calls}{TABLE}{table}{TABLE_END}\n{}\n", types.trim_end()))
}

/// `nova.auth.v1.AuthService` is `auth`.
fn key(service: &ServiceDescriptor) -> String {
    text::service(service.full_name()).to_owned()
}

/// The first rule of each RPC with one answer: its other rules are other spellings of the same call.
fn main_rules(service: &ServiceDescriptor) -> Result<Vec<(MethodDescriptor, Rule)>, Fault> {
    let all = served(&POOL, service.full_name())?.into_iter().filter(|(method, _)| !method.is_server_streaming());
    Ok(all.filter_map(|(method, rules)| rules.into_iter().next().map(|rule| (method, rule))).collect())
}

/// An interface with a method for each RPC.
fn interface(service: &ServiceDescriptor, types: &Types<'_>) -> Result<String, Fault> {
    let words = types.words();
    let mut source = text::doc("", &words.plain(&words.comments().of_service(service)));
    source.push_str(&format!("export interface {} {{\n", service.name()));
    for (place, (method, _)) in main_rules(service)?.into_iter().enumerate() {
        if place > 0 {
            source.push('\n');
        }
        source.push_str(&text::doc("  ", &words.plain(&words.comments().of_method(&method))));
        let optional = if types.must_be_given(&method.input()) { "" } else { "?" };
        source.push_str(&format!(
            "  {}(request{optional}: {}, options?: CallOptions): Promise<{}>;\n",
            text::lower_first(method.name()),
            types.request_name(&method.input()),
            types.answer_name(&method.output()),
        ));
    }
    source.push_str("}\n\n");
    Ok(source)
}

/// A service's part of the table.
fn routes(service: &ServiceDescriptor, described: &Described) -> Result<String, Fault> {
    let mut source = format!("  {}: {{\n", key(service));
    for (method, rule) in main_rules(service)? {
        let endpoint = Endpoint::new(&method, &rule)?;
        let mut facts = vec![format!("verb: \"{}\"", rule.verb), format!("path: \"{}\"", path(&endpoint, &rule))];
        match &endpoint.body {
            BodyRule::None => {}
            BodyRule::Whole => facts.push("body: \"*\"".to_owned()),
            BodyRule::Field(field, _) => facts.push(format!("body: \"{}\"", field.json_name())),
        }
        if let Some(field) = &endpoint.client_id {
            facts.push(format!("clientId: \"{}\"", field.json_name()));
        }
        if described.public.iter().any(|name| name == method.name()) {
            facts.push("public: true".to_owned());
        }
        source.push_str(&format!("    {}: {{ {} }},\n", text::lower_first(method.name()), facts.join(", ")));
    }
    source.push_str("  },\n");
    Ok(source)
}

/// The path with its parameters in JSON's spelling.
fn path(endpoint: &Endpoint, rule: &Rule) -> String {
    endpoint.path.iter().fold(rule.path.clone(), |path, field| {
        path.replace(&format!("{{{}}}", field.name), &format!("{{{}}}", field.json_name()))
    })
}

/// The RPCs whose messages the client knows: those that REST serves, streams too.
fn known(service: &ServiceDescriptor) -> Vec<(MethodDescriptor, Vec<Rule>)> {
    let all = service.methods().map(|method| (method.clone(), rules(&method)));
    all.filter(|(_, rules)| !rules.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> String {
        let services = ["auth", "user", "messaging"].map(|name| {
            let service = format!("nova.{name}.v1.{}Service", text::upper_first(name));
            Described { service, public: vec!["Register".to_owned()] }
        });
        typescript(&services).expect("the protos can be served")
    }

    #[test]
    fn each_call_has_a_method_and_a_route() {
        let source = source();
        for line in [
            "  sendMessage(request: SendMessageRequest, options?: CallOptions): Promise<SendMessageResponse>;",
            "  listConversations(request?: ListConversationsRequest, options?: CallOptions): Promise<ListConversationsResponse>;",
            "    register: { verb: \"POST\", path: \"/api/v1/auth/register\", body: \"*\", public: true },",
            "    sendMessage: { verb: \"POST\", path: \"/api/v1/conversations/{conversationId}/messages\", body: \"*\", clientId: \"clientMessageId\" },",
            "    getUserProfile: { verb: \"GET\", path: \"/api/v1/users/{userId}\" },",
        ] {
            assert!(source.lines().any(|l| l == line), "{line} is missing");
        }
        assert!(!source.contains("streamEvents("), "a stream is no call");
        assert!(!source.contains("verifyToken"), "REST does not serve it");
        assert_eq!(source, self::source(), "the same protos give the same source");
    }

    #[test]
    fn requests_leave_out_what_they_like_and_answers_leave_out_nothing() {
        let source = source();
        let part = |name: &str| {
            let begin = source.find(&format!("export interface {name} {{")).unwrap_or_else(|| panic!("{name}"));
            &source[begin..begin + source[begin..].find("\n}\n").expect("an end")]
        };
        let request = part("UpdateMessageRequest");
        assert!(request.contains("\n  messageId: string;"), "what stands in the path must be there: {request}");
        assert!(request.contains("\n  expectedVersion?: Int64 | number | undefined;"), "{request}");
        assert!(request.contains("\n  encrypted?: EncryptedContentInput | undefined;"), "{request}");
        let message = part("Message");
        assert!(message.contains("\n  sequence: Int64;"), "{message}");
        assert!(message.contains("\n  deletedAt?: string;"), "{message}");
        assert!(part("StreamEventsResponse").contains("\n  messageSent?: Message;"));
        assert!(part("EncryptedContent").contains("\n  ciphertext: string;"));
        assert!(part("EncryptedContentInput").contains("\n  ciphertext?: string | undefined;"));
        assert!(part("GetUserProfilesByIdsResponse").contains("\n  profiles: Record<string, UserProfile>;"));
    }

    #[test]
    fn enums_are_unions_of_their_names() {
        let source = source();
        assert!(source.contains("export type ConversationType = \"DIRECT\" | \"GROUP\";"));
        assert!(source.contains("export type MessagingErrorReason =\n  | \"INVALID_ARGUMENT\""));
        assert!(source.contains("- DIRECT: Two people, for ever."));
    }
}
