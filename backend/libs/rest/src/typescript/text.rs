//! Names and comments as TypeScript has them.

use std::collections::BTreeMap;

use prost_reflect::{DescriptorPool, MessageDescriptor};

use crate::openapi::comments::Comments;

/// Before the key of an error's metadata: those keep their spelling on the wire, whatever a field of that name is called.
const METADATA: &str = "metadata `";

/// The comments, and the fields that they speak of.
pub(crate) struct Words<'a> {
    comments: &'a Comments,
    fields: BTreeMap<String, String>,
}

impl<'a> Words<'a> {
    pub fn of(pool: &DescriptorPool, comments: &'a Comments) -> Self {
        let mut fields = BTreeMap::new();
        for message in pool.all_messages().filter(|message| message.full_name().starts_with("nova.")) {
            add(&message, &mut fields);
        }
        Self { comments, fields }
    }

    pub fn comments(&self) -> &'a Comments {
        self.comments
    }

    /// A comment that calls fields what the client calls them: `displayName` instead of `display_name`.
    pub fn plain(&self, comment: &str) -> String {
        let is_word = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let (mut text, mut rest) = (String::with_capacity(comment.len()), comment);
        while let Some(start) = rest.find(is_word) {
            let (before, from) = rest.split_at(start);
            let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
            text.push_str(before);
            match self.fields.get(word) {
                Some(name) if !text.ends_with(METADATA) => text.push_str(name),
                _ => text.push_str(word),
            }
            rest = after;
        }
        text.push_str(rest);
        text
    }
}

/// Notes the fields whose spellings differ.
fn add(message: &MessageDescriptor, fields: &mut BTreeMap<String, String>) {
    for field in message.fields().filter(|field| field.name() != field.json_name()) {
        fields.insert(field.name().to_owned(), field.json_name().to_owned());
    }
    for oneof in message.oneofs().flat_map(|oneof| oneof.fields().collect::<Vec<_>>()) {
        fields.insert(oneof.name().to_owned(), oneof.json_name().to_owned());
    }
}

/// A comment, nothing for no text.
pub(crate) fn doc(indent: &str, text: &str) -> String {
    let text = text.replace("*/", "*\u{200b}/");
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    match lines[..] {
        [] => String::new(),
        [line] => format!("{indent}/** {line} */\n"),
        _ => {
            let space = |line: &str| if line.is_empty() { "" } else { " " };
            let body: String = lines.iter().map(|line| format!("{indent} *{}{line}\n", space(line))).collect();
            format!("{indent}/**\n{body}{indent} */\n")
        }
    }
}

/// `nova.auth.v1.Tokens` is of `auth`.
pub(crate) fn service(full_name: &str) -> &str {
    full_name.split('.').nth(1).unwrap_or(full_name)
}

/// `SendMessage` is `sendMessage`.
pub(crate) fn lower_first(name: &str) -> String {
    with_first(name, |c| c.to_ascii_lowercase())
}

/// `auth` is `Auth`.
pub(crate) fn upper_first(name: &str) -> String {
    with_first(name, |c| c.to_ascii_uppercase())
}

fn with_first(name: &str, change: impl Fn(char) -> char) -> String {
    let mut letters = name.chars();
    letters.next().map(change).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptors::POOL;

    #[test]
    fn comments_call_fields_what_the_client_calls_them() {
        let comments = Comments::of(&POOL);
        let words = Words::of(&POOL, &comments);
        assert_eq!(words.plain("Not together with page_token."), "Not together with pageToken.");
        assert_eq!(words.plain("`display_name`, then bio"), "`displayName`, then bio");
        assert_eq!(words.plain("unknown_word; metadata `user_id`"), "unknown_word; metadata `user_id`");
        assert_eq!(words.plain("… `member_added` …"), "… `memberAdded` …");
    }

    #[test]
    fn a_comment_cannot_end_itself() {
        assert_eq!(doc("  ", "One."), "  /** One. */\n");
        assert_eq!(doc("", "a\n\nb"), "/**\n * a\n *\n * b\n */\n");
        assert_eq!(doc("", ""), "");
        assert!(!doc("", "x */ y").trim_end().trim_end_matches("*/").contains("*/"));
    }
}
