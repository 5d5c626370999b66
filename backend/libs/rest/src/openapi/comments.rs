//! Comments of the protos, and what they say of bounds.

use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor, MethodDescriptor, OneofDescriptor,
    ServiceDescriptor,
};

/// Comments by file and path.
pub(crate) struct Comments(HashMap<(String, Vec<i32>), String>);

impl Comments {
    pub fn of(pool: &DescriptorPool) -> Self {
        let mut found = HashMap::new();
        for file in pool.files() {
            let Some(source) = file.file_descriptor_proto().source_code_info.as_ref() else { continue };
            for location in &source.location {
                let text = location.leading_comments();
                if !text.is_empty() {
                    let lines: Vec<&str> = text.lines().map(|l| l.strip_prefix(' ').unwrap_or(l)).collect();
                    found.insert((file.name().to_owned(), location.path.clone()), lines.join("\n").trim().to_owned());
                }
            }
        }
        Self(found)
    }

    fn at(&self, file: &str, path: &[i32]) -> String {
        self.0.get(&(file.to_owned(), path.to_vec())).cloned().unwrap_or_default()
    }

    pub fn of_service(&self, service: &ServiceDescriptor) -> String {
        self.at(service.parent_file().name(), service.path())
    }

    pub fn of_method(&self, method: &MethodDescriptor) -> String {
        self.at(method.parent_file().name(), method.path())
    }

    pub fn of_message(&self, message: &MessageDescriptor) -> String {
        self.at(message.parent_file().name(), message.path())
    }

    pub fn of_field(&self, field: &FieldDescriptor) -> String {
        self.at(field.parent_file().name(), field.path())
    }

    pub fn of_oneof(&self, oneof: &OneofDescriptor) -> String {
        self.at(oneof.parent_message().parent_file().name(), oneof.path())
    }

    pub fn of_enum(&self, values: &EnumDescriptor) -> String {
        self.at(values.parent_file().name(), values.path())
    }

    /// What each value of an enum means, as a list.
    pub fn of_values(&self, values: &EnumDescriptor) -> String {
        let value = |value: prost_reflect::EnumValueDescriptor| {
            let meaning = self.at(values.parent_file().name(), value.path()).replace('\n', " ");
            format!("- {}: {meaning}", value.name())
        };
        let shown = values.values().filter(|value| !value.name().ends_with("_UNSPECIFIED"));
        shown.map(value).collect::<Vec<_>>().join("\n")
    }
}

/// The first sentence, and the whole.
pub(crate) fn split(comment: &str) -> (String, String) {
    let paragraph = comment.split("\n\n").next().unwrap_or_default().replace('\n', " ");
    let end = paragraph.find(". ").unwrap_or_else(|| paragraph.trim_end_matches('.').len());
    (paragraph[..end].to_owned(), comment.to_owned())
}

/// Bounds that a comment names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub least: Option<u64>,
    pub most: Option<u64>,
}

/// Bounds of a text's length: `3 to 32 characters`, `up to 500 characters`, `3 to 32 of …`.
pub(crate) fn length(comment: &str) -> Bounds {
    let text = comment.replace('\n', " ");
    // Where blanks are cut off first, what is sent may be longer.
    if text.contains("blanks") || text.contains("white space") {
        return Bounds::default();
    }
    let mut bounds = range(&text, &["characters", "of `"]);
    if text.to_lowercase().contains("empty") {
        bounds.least = None;
    }
    bounds
}

/// Bounds of a number: `0 to 10,000`, `at least 1`, `negative is refused`.
pub(crate) fn amount(comment: &str) -> Bounds {
    let text = comment.replace('\n', " ");
    let mut bounds = range(&text, &[""]);
    if bounds.least.is_none() && text.contains("egative is") {
        bounds.least = Some(0);
    }
    if let Some((_, rest)) = text.split_once("at least ") {
        bounds.least = bounds.least.or(number(rest.split([' ', '.', ';', ',']).next().unwrap_or_default()));
    }
    bounds
}

fn range(text: &str, units: &[&str]) -> Bounds {
    let words: Vec<&str> = text.split(' ').collect();
    for (place, word) in words.iter().enumerate() {
        let after = |n: usize| words.get(place + n).copied().unwrap_or_default();
        let unit =
            |n: usize| units.iter().any(|unit| words[(place + n).min(words.len())..].join(" ").starts_with(unit));
        let before = |n: usize| place.checked_sub(n).map_or("", |at| words[at]);
        let Some(first) = number(word) else { continue };
        if after(1) == "to"
            && unit(3)
            && let Some(most) = number(after(2))
        {
            return Bounds { least: Some(first), most: Some(most) };
        }
        let at_most =
            (before(2), before(1)) == ("at", "most") || before(1) == "to" && before(2).eq_ignore_ascii_case("up");
        if at_most && unit(1) && !units.contains(&"") {
            return Bounds { least: None, most: Some(first) };
        }
    }
    Bounds::default()
}

fn number(word: &str) -> Option<u64> {
    let digits = word.trim_end_matches(['.', ',', ';', ':', ')']).replace(',', "");
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) { None } else { digits.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_read_from_comments() {
        let bounds = |least, most| Bounds { least, most };
        assert_eq!(length("The name to show; 1 to 64 characters, no control characters."), bounds(Some(1), Some(64)));
        assert_eq!(length("A few words; up to 500 characters. Empty: none."), bounds(None, Some(500)));
        assert_eq!(length("The name to show, 1 to 64 characters; empty: the user name."), bounds(None, Some(64)));
        assert_eq!(length("The unique name; 3 to 32 of `a-z 0-9 _ .`; never changes."), bounds(Some(3), Some(32)));
        assert_eq!(length("Up to 2,048 characters."), bounds(None, Some(2048)));
        assert_eq!(length("1 to 64 characters once blanks at both ends are cut off"), bounds(None, None));
        assert_eq!(length("Password: 1 to 1024 bytes."), bounds(None, None));
        assert_eq!(
            amount("How many to skip, 0 to 10,000. Not together with page_token."),
            bounds(Some(0), Some(10_000))
        );
        assert_eq!(amount("Only messages with a smaller sequence than this; at least 1."), bounds(Some(1), None));
        assert_eq!(amount("Page size; 0 means the default (20), negative is refused."), bounds(Some(0), None));
    }

    #[test]
    fn the_first_sentence_is_the_summary() {
        assert_eq!(split("Reads one\nprofile.\n\nWho: any.").0, "Reads one profile");
        assert_eq!(split("Follows a user; asks to. More.").0, "Follows a user; asks to");
    }
}
