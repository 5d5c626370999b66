//! Query strings. Names and values are UTF-8 once their percent signs are resolved; a blank may be written `+`.

use std::borrow::Cow;
use std::collections::HashMap;

use errors::FieldViolation;
use percent_encoding::percent_decode;
use prost_reflect::{DynamicMessage, MessageDescriptor};

use crate::fields::Field;

/// The parameters that an endpoint takes: its request's fields under both spellings.
#[derive(Debug, Default)]
pub(crate) struct Parameters {
    fields: Vec<Field>,
    names: HashMap<String, usize>,
}

impl Parameters {
    /// All fields of a request but those that stand in the path or in the body.
    pub fn of(request: &MessageDescriptor, path: &[Field], body: Option<&str>) -> Self {
        let elsewhere = |field: &Field| {
            path.iter().any(|p| p.name == field.name)
                || body.is_some_and(|body| field.name.strip_prefix(body).is_some_and(|rest| rest.starts_with('.')))
        };
        let fields: Vec<Field> = Field::all(request).into_iter().filter(|field| !elsewhere(field)).collect();
        let mut names = HashMap::new();
        for (place, field) in fields.iter().enumerate() {
            names.insert(field.name.clone(), place);
            names.insert(field.json_name(), place);
        }
        Self { fields, names }
    }

    /// The fields.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// Reads a query string into a request; every fault is told.
    pub fn read(&self, query: &str, message: &mut DynamicMessage) -> Result<(), Vec<FieldViolation>> {
        let mut faults = vec![];
        let mut given = vec![false; self.fields.len()];
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = decoded(name) else {
                faults.push(FieldViolation::new("query", "must be UTF-8"));
                continue;
            };
            let Some(&place) = self.names.get(&*name) else {
                faults.push(FieldViolation::new(shown(&name), "is no parameter of this call"));
                continue;
            };
            let field = &self.fields[place];
            let again = std::mem::replace(&mut given[place], true);
            let put = match decoded(value) {
                _ if again && !field.is_list() => Err(FieldViolation::new(&field.name, "must not be given twice")),
                None => Err(FieldViolation::new(&field.name, "must be UTF-8")),
                Some(value) => field.put(message, &value),
            };
            faults.extend(put.err());
        }
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }
}

fn decoded(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return percent_decode(text.as_bytes()).decode_utf8().ok();
    }
    let text = text.replace('+', " ");
    percent_decode(text.as_bytes()).decode_utf8().ok().map(|text| Cow::Owned(text.into_owned()))
}

/// A name that somebody made up, cut to a length that is fit to print.
pub(crate) fn shown(name: &str) -> String {
    const MOST: usize = 64;
    name.chars().filter(|c| !c.is_control()).take(MOST).collect()
}
