//! The three services, by name.

/// One of the three services.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceName {
    /// Accounts and tokens.
    Auth,
    /// Profiles, follows and blocks.
    User,
    /// Conversations and messages.
    Messaging,
}

impl ServiceName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auth, Self::User, Self::Messaging];

    /// Short name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::User => "user",
            Self::Messaging => "messaging",
        }
    }

    /// Full name of the gRPC service.
    pub const fn grpc(self) -> &'static str {
        match self {
            Self::Auth => "nova.auth.v1.AuthService",
            Self::User => "nova.user.v1.UserService",
            Self::Messaging => "nova.messaging.v1.MessagingService",
        }
    }

    pub(crate) const fn index(self) -> usize {
        self as usize
    }
}
