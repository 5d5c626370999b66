//! Messages as interfaces, enums as unions of their names.
//!
//! A message has two types. In an answer, what can't be absent is there. In a request, all may be left out that does not stand
//! in the path, and a number of 64 bits may be a number. A message that is part of both has an interface for each.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{EnumDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, ServiceDescriptor};

use super::text::{self, Words, doc};
use super::{Endpoint, Fault, known};
use crate::shape::is_record;

/// Added to the name of a message's shape in requests where it is part of answers too.
const INPUT: &str = "Input";
/// How many names of an enum stand on one line.
const ON_ONE_LINE: usize = 6;

/// The messages and enums that calls reach, by full name.
pub(crate) struct Types<'a> {
    words: &'a Words<'a>,
    in_requests: BTreeSet<String>,
    in_answers: BTreeSet<String>,
    enums: BTreeSet<String>,
    /// Fields in paths, by request.
    in_paths: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Request,
    Answer,
}

impl<'a> Types<'a> {
    pub fn new(words: &'a Words<'a>) -> Self {
        Self {
            words,
            in_requests: BTreeSet::new(),
            in_answers: BTreeSet::new(),
            enums: BTreeSet::new(),
            in_paths: BTreeMap::new(),
        }
    }

    pub fn words(&self) -> &'a Words<'a> {
        self.words
    }

    /// Takes in all that a service's calls carry, and the reasons that it refuses with.
    pub fn reach(&mut self, service: &ServiceDescriptor) -> Result<(), Fault> {
        for (method, rules) in known(service) {
            self.walk(&method.input(), Side::Request);
            self.walk(&method.output(), Side::Answer);
            let endpoint = Endpoint::new(&method, &rules[0])?;
            let fields = endpoint.path.iter().map(|field| field.name.clone()).collect();
            self.in_paths.insert(method.input().full_name().to_owned(), fields);
        }
        let file = service.parent_file();
        let reasons = file.enums().filter(|values| values.name() == "ErrorReason");
        self.enums.extend(reasons.map(|values| values.full_name().to_owned()));
        Ok(())
    }

    fn walk(&mut self, message: &MessageDescriptor, side: Side) {
        let seen = match side {
            Side::Request => &mut self.in_requests,
            Side::Answer => &mut self.in_answers,
        };
        if !seen.insert(message.full_name().to_owned()) {
            return;
        }
        for field in message.fields() {
            match field.kind() {
                Kind::Message(inner) => self.walk(&inner, side),
                Kind::Enum(values) => {
                    self.enums.insert(values.full_name().to_owned());
                }
                _ => {}
            }
        }
    }

    /// Whether a call can't do without its request.
    pub fn must_be_given(&self, request: &MessageDescriptor) -> bool {
        self.in_paths.get(request.full_name()).is_some_and(|fields| !fields.is_empty())
    }

    pub fn request_name(&self, message: &MessageDescriptor) -> String {
        let both = self.in_answers.contains(message.full_name());
        self.name(message.full_name()) + if both { INPUT } else { "" }
    }

    pub fn answer_name(&self, message: &MessageDescriptor) -> String {
        self.name(message.full_name())
    }

    /// `nova.messaging.v1.Conversation.Type` is `ConversationType`; a name that several services have begins with the service.
    fn name(&self, full_name: &str) -> String {
        let own = |full_name: &str| full_name.split('.').skip(3).collect::<String>();
        let name = own(full_name);
        let all = self.in_requests.union(&self.in_answers).chain(&self.enums);
        let clash = all.filter(|other| *other != full_name).any(|other| own(other) == name);
        if clash { text::upper_first(text::service(full_name)) + &name } else { name }
    }

    /// Everything that was reached, in the order of the protos.
    pub fn write(&self, files: impl Iterator<Item = FileDescriptor>) -> String {
        let mut source = String::new();
        for file in files {
            file.enums().for_each(|values| self.write_enum(&values, &mut source));
            file.messages().for_each(|message| self.write_message(&message, &mut source));
        }
        source
    }

    fn write_message(&self, message: &MessageDescriptor, source: &mut String) {
        message.child_enums().for_each(|values| self.write_enum(&values, source));
        if self.in_answers.contains(message.full_name()) {
            source.push_str(&self.shape(message, Side::Answer));
        }
        if self.in_requests.contains(message.full_name()) {
            source.push_str(&self.shape(message, Side::Request));
        }
        message.child_messages().filter(|m| !m.is_map_entry()).for_each(|m| self.write_message(&m, source));
    }

    fn shape(&self, message: &MessageDescriptor, side: Side) -> String {
        let name = match side {
            Side::Request => self.request_name(message),
            Side::Answer => self.answer_name(message),
        };
        let about = self.words.plain(&self.words.comments().of_message(message));
        if message.fields().len() == 0 {
            // An empty interface would take anything.
            return format!("{}export type {name} = Record<string, never>;\n\n", doc("", &about));
        }
        let mut source = doc("", &(about + &self.choices(message)));
        source.push_str(&format!("export interface {name} {{\n"));
        for field in message.fields() {
            source.push_str(&doc("  ", &self.words.plain(&self.words.comments().of_field(&field))));
            source.push_str(&self.member(&field, side));
        }
        source.push_str("}\n\n");
        source
    }

    /// What a message says of its fields of which one at most is there.
    fn choices(&self, message: &MessageDescriptor) -> String {
        let mut text = String::new();
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let names: Vec<String> = oneof.fields().map(|field| format!("`{}`", field.json_name())).collect();
            let about = self.words.plain(&self.words.comments().of_oneof(&oneof));
            text.push_str(&format!("\n\nOne at most is there of {}.\n{about}", names.join(", ")));
        }
        text
    }

    fn member(&self, field: &FieldDescriptor, side: Side) -> String {
        let (name, kind) = (field.json_name(), self.kind(field, side));
        let request = field.parent_message();
        let in_path = self.in_paths.get(request.full_name()).is_some_and(|fields| fields.contains(field.name()));
        match side {
            Side::Request if in_path => format!("  {name}: {kind};\n"),
            // What is undefined is not sent, so a caller need not build its request piece by piece.
            Side::Request => format!("  {name}?: {kind} | undefined;\n"),
            // `optional` and the members of a oneof; a message that is neither is always sent.
            Side::Answer if field.containing_oneof().is_some() => format!("  {name}?: {kind};\n"),
            Side::Answer => format!("  {name}: {kind};\n"),
        }
    }

    fn kind(&self, field: &FieldDescriptor, side: Side) -> String {
        if let (true, Kind::Message(entry)) = (field.is_map(), field.kind()) {
            return format!("Record<string, {}>", self.one(&entry.map_entry_value_field(), side));
        }
        let one = self.one(field, side);
        match field.is_list() {
            true if one.contains(' ') => format!("({one})[]"),
            true => format!("{one}[]"),
            false => one,
        }
    }

    fn one(&self, field: &FieldDescriptor, side: Side) -> String {
        match field.kind() {
            Kind::String if is_record(field) => "Record<string, unknown>".to_owned(),
            Kind::String | Kind::Bytes => "string".to_owned(),
            Kind::Bool => "boolean".to_owned(),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 | Kind::Uint64 | Kind::Fixed64 => match side {
                Side::Request => "Int64 | number".to_owned(),
                Side::Answer => "Int64".to_owned(),
            },
            Kind::Enum(values) => self.name(values.full_name()),
            Kind::Message(message) => match side {
                Side::Request => self.request_name(&message),
                Side::Answer => self.answer_name(&message),
            },
            _ => "number".to_owned(),
        }
    }

    fn write_enum(&self, values: &EnumDescriptor, source: &mut String) {
        if !self.enums.contains(values.full_name()) {
            return;
        }
        let comments = self.words.comments();
        let about = [comments.of_enum(values), comments.of_values(values)].map(|text| self.words.plain(&text));
        source.push_str(&doc("", about.join("\n\n").trim()));
        let names: Vec<String> = values
            .values()
            .filter(|value| !value.name().ends_with("_UNSPECIFIED"))
            .map(|value| format!("\"{}\"", value.name()))
            .collect();
        let name = self.name(values.full_name());
        match names.len() {
            ..=ON_ONE_LINE => source.push_str(&format!("export type {name} = {};\n\n", names.join(" | "))),
            _ => source.push_str(&format!("export type {name} =\n  | {};\n\n", names.join("\n  | "))),
        }
    }
}
