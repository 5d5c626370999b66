//! Faults in single fields of a request, named by their path on the wire.

use std::fmt::{self, Display};

use crate::{Class, Classify};

/// One field and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldViolation {
    /// Path of the field in the request, such as `user_id` or `member_ids[3]`.
    pub field: String,
    /// What the field must be.
    pub description: String,
}

impl FieldViolation {
    /// A violation of `field`.
    pub fn new(field: impl Into<String>, description: impl Into<String>) -> Self {
        Self { field: field.into(), description: description.into() }
    }
}

impl Display for FieldViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.description)
    }
}

impl std::error::Error for FieldViolation {}

impl Classify for FieldViolation {
    fn class(&self) -> Class {
        Class::invalid(vec![self.clone()])
    }
}

/// Names the field that a value came from.
pub trait FieldExt<T> {
    /// Turns the error into a violation of `field`.
    ///
    /// # Errors
    /// The violation, if `self` is an error.
    fn field(self, field: &str) -> Result<T, FieldViolation>;
}

impl<T, E: Display> FieldExt<T> for Result<T, E> {
    fn field(self, field: &str) -> Result<T, FieldViolation> {
        self.map_err(|e| FieldViolation::new(field, e.to_string()))
    }
}

/// A request with one or more fields out of bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid(pub Vec<FieldViolation>);

impl From<FieldViolation> for Invalid {
    fn from(violation: FieldViolation) -> Self {
        Self(vec![violation])
    }
}

impl Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, violation) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "; " };
            write!(f, "{separator}{violation}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Invalid {}

impl Classify for Invalid {
    fn class(&self) -> Class {
        Class::invalid(self.0.clone())
    }
}
