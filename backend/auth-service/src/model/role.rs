//! Roles and permissions.

use std::fmt;

/// The role that everybody has.
pub const USER: &str = "user";

/// Why a text names no role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be admin or moderator")]
pub struct RoleError;

/// A role that can be granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Runs the installation.
    Admin,
    /// Looks after what people publish.
    Moderator,
}

impl Role {
    /// Reads the name of a role. `user` is refused: everybody has it, so it can be neither granted nor taken away.
    ///
    /// # Errors
    /// [`RoleError`] for any other name.
    pub fn parse(name: &str) -> Result<Self, RoleError> {
        [Self::Admin, Self::Moderator].into_iter().find(|role| role.name() == name).ok_or(RoleError)
    }

    /// The role's name in tokens, requests and tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Moderator => "moderator",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// All roles of a person, in alphabetical order, from those that were granted.
pub fn with_user(mut granted: Vec<String>) -> Vec<String> {
    granted.push(USER.to_owned());
    granted.sort_unstable();
    granted
}

/// Why a text can't name a permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 64 of a-z, 0-9, underscore, colon, dot and hyphen")]
pub struct PermissionError;

/// The name of a permission, such as `message:moderate`. It need not exist: then nobody has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission(String);

impl Permission {
    /// Reads the name of a permission.
    ///
    /// # Errors
    /// [`PermissionError`] if it is too long or has other characters.
    pub fn parse(name: &str) -> Result<Self, PermissionError> {
        let known = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_:.-".contains(&b);
        if (1..=64).contains(&name.len()) && name.bytes().all(known) {
            Ok(Self(name.to_owned()))
        } else {
            Err(PermissionError)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_that_exist_can_be_granted() {
        assert_eq!(Role::parse("admin"), Ok(Role::Admin));
        for bad in ["", "user", "service", "Admin", "root"] {
            assert_eq!(Role::parse(bad), Err(RoleError), "{bad}");
        }
    }

    #[test]
    fn everybody_is_a_user() {
        assert_eq!(with_user(vec![]), ["user"]);
        assert_eq!(with_user(vec!["moderator".into(), "admin".into()]), ["admin", "moderator", "user"]);
    }

    #[test]
    fn permissions_are_short_and_plain() {
        assert!(Permission::parse("message:moderate").is_ok());
        for bad in ["", "message moderate", "Message:moderate", &"a".repeat(65)] {
            assert!(Permission::parse(bad).is_err(), "{bad}");
        }
    }
}
