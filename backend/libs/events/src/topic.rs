//! The three streams of events: one for each service, since each is the only one that writes to its own.

use std::fmt;

/// Where events of a service go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Accounts, sessions, keys.
    Auth,
    /// Profiles, follows, blocks.
    User,
    /// Conversations, members, messages.
    Messaging,
}

impl Topic {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Auth, Self::User, Self::Messaging];

    /// Its name on the bus.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auth => "nova.auth.v1",
            Self::User => "nova.user.v1",
            Self::Messaging => "nova.messaging.v1",
        }
    }

    /// The CloudEvents `source` of its events.
    pub const fn source(self) -> &'static str {
        match self {
            Self::Auth => "/nova/auth",
            Self::User => "/nova/user",
            Self::Messaging => "/nova/messaging",
        }
    }

    /// The topic of that name.
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|topic| topic.name() == name)
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
