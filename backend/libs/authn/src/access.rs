//! Which kind of caller may call an RPC at all. What of whose data a caller may touch is decided in each service's app.

use crate::{Caller, Denied};

/// Who may call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone, with or without a token.
    Public,
    /// Anyone with a valid token: a person or a service.
    Caller,
    /// Nova's own services.
    Service,
    /// Administrators.
    Admin,
    /// Nova's own services and administrators.
    ServiceOrAdmin,
}

impl Access {
    /// Refuses a caller that may not call.
    ///
    /// # Errors
    /// [`Denied::NotYours`] for a caller of the wrong kind.
    pub fn check(self, caller: &Caller) -> Result<(), Denied> {
        let allowed = match self {
            Self::Public | Self::Caller => true,
            Self::Service => caller.is_service(),
            Self::Admin => caller.is_admin(),
            Self::ServiceOrAdmin => caller.is_service() || caller.is_admin(),
        };
        if allowed { Ok(()) } else { Err(Denied::NotYours) }
    }
}

/// A service's RPCs by name, such as `("GetUserProfile", Access::Caller)`. An RPC without a row can't be called.
pub type AccessTable = &'static [(&'static str, Access)];
