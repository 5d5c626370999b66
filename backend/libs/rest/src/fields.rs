//! Fields of requests by their path, and their values as text.

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use errors::FieldViolation;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value};

const BASE64: GeneralPurposeConfig =
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const STANDARD: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::STANDARD, BASE64);
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::URL_SAFE, BASE64);

/// A field of a request, maybe inside other messages of it.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    /// Its path in the proto's spelling, as faults name it.
    pub name: String,
    parents: Vec<FieldDescriptor>,
    leaf: FieldDescriptor,
}

impl Field {
    /// The scalar field at `path`, such as `user_id` or `encrypted.nonce`.
    pub fn find(message: &MessageDescriptor, path: &str) -> Option<Self> {
        let (mut message, mut parents) = (message.clone(), vec![]);
        let mut rest = path;
        while let Some((head, tail)) = rest.split_once('.') {
            let parent = message.get_field_by_name(head)?;
            message = sub_message(&parent)?;
            parents.push(parent);
            rest = tail;
        }
        let leaf = message.get_field_by_name(rest)?;
        let scalar = !leaf.is_map() && !matches!(leaf.kind(), Kind::Message(_));
        scalar.then(|| Self { name: path.to_owned(), parents, leaf })
    }

    /// Every scalar field of a message and of the messages in it.
    pub fn all(message: &MessageDescriptor) -> Vec<Self> {
        let mut found = vec![];
        walk(message, &mut vec![], &mut found);
        found
    }

    /// Its path in JSON's spelling.
    pub fn json_name(&self) -> String {
        let names: Vec<&str> = self.parents.iter().chain([&self.leaf]).map(FieldDescriptor::json_name).collect();
        names.join(".")
    }

    /// Its descriptor.
    pub fn descriptor(&self) -> &FieldDescriptor {
        &self.leaf
    }

    /// Whether it takes many values.
    pub fn is_list(&self) -> bool {
        self.leaf.is_list()
    }

    /// Its value, if it is set.
    pub fn get(&self, message: &DynamicMessage) -> Option<Value> {
        value_at(message, &self.parents, &self.leaf)
    }

    /// Sets it from text; one more value if it takes many.
    pub fn put(&self, message: &mut DynamicMessage, text: &str) -> Result<(), FieldViolation> {
        let value = self.read(text)?;
        let mut at = message;
        for parent in &self.parents {
            match at.get_field_mut(parent) {
                Value::Message(inner) => at = inner,
                _ => unreachable!("parents are messages"),
            }
        }
        match at.get_field_mut(&self.leaf) {
            Value::List(values) => values.push(value),
            place => *place = value,
        }
        Ok(())
    }

    /// Sets it from text, or sees that what the body says is the same.
    pub fn agree(&self, message: &mut DynamicMessage, text: &str, place: &str) -> Result<(), FieldViolation> {
        match self.get(message) {
            Some(given) if given != self.read(text)? => {
                Err(FieldViolation::new(&self.name, format!("must be the same in the body and in the {place}")))
            }
            Some(_) => Ok(()),
            None => self.put(message, text),
        }
    }

    fn read(&self, text: &str) -> Result<Value, FieldViolation> {
        scalar(&self.leaf.kind(), text).ok_or_else(|| FieldViolation::new(&self.name, expected(&self.leaf.kind())))
    }
}

fn value_at(message: &DynamicMessage, parents: &[FieldDescriptor], leaf: &FieldDescriptor) -> Option<Value> {
    let Some((parent, rest)) = parents.split_first() else {
        return message.has_field(leaf).then(|| message.get_field(leaf).into_owned());
    };
    match message.get_field(parent).as_ref() {
        Value::Message(inner) if message.has_field(parent) => value_at(inner, rest, leaf),
        _ => None,
    }
}

fn sub_message(field: &FieldDescriptor) -> Option<MessageDescriptor> {
    match field.kind() {
        Kind::Message(message) if !field.is_list() && !field.is_map() => {
            (!message.full_name().starts_with("google.protobuf.")).then_some(message)
        }
        _ => None,
    }
}

fn walk(message: &MessageDescriptor, parents: &mut Vec<FieldDescriptor>, found: &mut Vec<Field>) {
    for leaf in message.fields() {
        if let Some(inner) = sub_message(&leaf) {
            // A message that contains itself ends here.
            let again = parents.iter().chain([&leaf]).any(|p| *p.parent_message() == inner);
            if !again {
                parents.push(leaf);
                walk(&inner, parents, found);
                parents.pop();
            }
        } else if !leaf.is_map() && !matches!(leaf.kind(), Kind::Message(_)) {
            let names: Vec<&str> = parents.iter().chain([&leaf]).map(FieldDescriptor::name).collect();
            found.push(Field { name: names.join("."), parents: parents.clone(), leaf });
        }
    }
}

fn scalar(kind: &Kind, text: &str) -> Option<Value> {
    Some(match kind {
        Kind::String => Value::String(text.to_owned()),
        Kind::Bool => Value::Bool(text.parse().ok()?),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(text.parse().ok()?),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(text.parse().ok()?),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(text.parse().ok()?),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(text.parse().ok()?),
        Kind::Float => {
            Value::F32(number(text).map(|n| (n, n as f32)).filter(|(n, f)| n.is_finite() == f.is_finite())?.1)
        }
        Kind::Double => Value::F64(number(text)?),
        Kind::Bytes => Value::Bytes(STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()?.into()),
        Kind::Enum(values) => Value::EnumNumber(match values.get_value_by_name(text) {
            Some(value) => value.number(),
            None => text.parse().ok()?,
        }),
        Kind::Message(_) => return None,
    })
}

fn number(text: &str) -> Option<f64> {
    match text {
        "NaN" => Some(f64::NAN),
        "Infinity" => Some(f64::INFINITY),
        "-Infinity" => Some(f64::NEG_INFINITY),
        _ => text.parse().ok().filter(|n: &f64| n.is_finite()),
    }
}

/// What a value of this kind looks like.
pub(crate) fn expected(kind: &Kind) -> String {
    match kind {
        Kind::String => "must be a text".to_owned(),
        Kind::Bool => "must be true or false".to_owned(),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => "must be a whole number of 32 bits".to_owned(),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => "must be a whole number of 64 bits".to_owned(),
        Kind::Uint32 | Kind::Fixed32 => "must be a whole number of 32 bits that is not negative".to_owned(),
        Kind::Uint64 | Kind::Fixed64 => "must be a whole number of 64 bits that is not negative".to_owned(),
        Kind::Float | Kind::Double => "must be a number".to_owned(),
        Kind::Bytes => "must be base64".to_owned(),
        Kind::Enum(values) => {
            let names: Vec<String> =
                values.values().map(|v| v.name().to_owned()).filter(|n| !n.ends_with("_UNSPECIFIED")).collect();
            format!("must be one of {}", names.join(", "))
        }
        Kind::Message(_) => "must be an object".to_owned(),
    }
}
