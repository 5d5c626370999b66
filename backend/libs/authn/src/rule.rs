//! The rules of who may do what, in one table a service: RPC × kind of caller → what comes of it.
//!
//! The guard reads its part, [`access_of`]. What depends on whose data is asked for is decided in each service's app; the
//! table says what that comes to, and `tests/authorization` tries every cell of it.

use tonic::Code;

use crate::Access;

/// Kinds of caller that a rule has a column for: those with a good token.
pub const RELATIONS: usize = 9;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerKind {
    /// Without a token.
    Anonymous,
    /// With a token whose time is over.
    Expired,
    /// With a token that names a good key and is signed with another.
    WrongSignature,
    /// With a token of the algorithm "none".
    AlgorithmNone,
    /// With a token that is signed by HMAC, its secret the public key.
    PublicKeyAsSecret,
    /// With a token of a session that has ended.
    RevokedSession,
    /// Somebody who has nothing to do with the person or the conversation that is asked for.
    Stranger,
    /// Who was a member of the conversation.
    FormerMember,
    /// Whom the person has blocked; the conversation is the direct one of the two.
    BlockedBy,
    /// Who has blocked the person; the conversation is the direct one of the two.
    Blocking,
    /// A member of the group.
    Member,
    /// An administrator of the group.
    GroupAdmin,
    /// The person: the owner of the group, the sender of the message.
    Owner,
    /// One of Nova's own services.
    Service,
    /// An administrator of this Nova, who is in none of the person's conversations.
    Administrator,
}

impl CallerKind {
    /// All of them, in the order of a rule's columns.
    pub const ALL: [Self; 15] = [
        Self::Anonymous,
        Self::Expired,
        Self::WrongSignature,
        Self::AlgorithmNone,
        Self::PublicKeyAsSecret,
        Self::RevokedSession,
        Self::Stranger,
        Self::FormerMember,
        Self::BlockedBy,
        Self::Blocking,
        Self::Member,
        Self::GroupAdmin,
        Self::Owner,
        Self::Service,
        Self::Administrator,
    ];

    /// The column in [`Case`]; a caller whose token is not taken has none.
    pub const fn column(self) -> Option<usize> {
        (self as usize).checked_sub(Self::Stranger as usize)
    }
}

/// What comes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done.
    Done,
    /// It is done, and the answer leaves out what the case is about: the caller may not know of it.
    LeftOut,
    /// It is refused with this status and reason.
    Refused(Code, &'static str),
}

impl Verdict {
    /// The caller may not do this.
    pub const NOT_YOURS: Self = Self::Refused(Code::PermissionDenied, "PERMISSION_DENIED");
}

/// What of an RPC is tried, and what comes of it for each kind of caller with a good token, in their order. An RPC that
/// does not look at whose data is asked for has one case with an empty name.
pub type Case = (&'static str, [Verdict; RELATIONS]);

/// Who may call an RPC, and what each gets.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name, such as `GetUserProfile`.
    pub rpc: &'static str,
    /// What the guard asks of the caller.
    pub access: Access,
    /// What the app makes of it.
    pub cases: &'static [Case],
    /// Whether the RPC itself wants a token, though the guard does not; one of an ended session will do.
    wants_token: bool,
}

/// A rule of an RPC.
pub const fn rule(rpc: &'static str, access: Access, cases: &'static [Case]) -> Rule {
    Rule { rpc, access, cases, wants_token: false }
}

impl Rule {
    /// The same of a public RPC that wants a token all the same, and takes one of a session that has ended.
    pub const fn wanting_token(self) -> Self {
        Self { wants_token: true, ..self }
    }

    /// Whether the RPC itself wants a token, though the guard does not.
    pub const fn wants_token(&self) -> bool {
        self.wants_token
    }

    /// What comes of a case's call for a kind of caller.
    pub fn verdict(&self, case: &Case, kind: CallerKind) -> Verdict {
        let reason = match kind {
            CallerKind::Expired => "TOKEN_EXPIRED",
            CallerKind::RevokedSession if self.wants_token => return Verdict::Done,
            CallerKind::RevokedSession => "TOKEN_REVOKED",
            _ => "UNAUTHENTICATED",
        };
        match kind.column() {
            Some(column) => case.1[column],
            // To a public RPC a bad token is none, and who has none is a stranger.
            None if self.access == Access::Public && !self.wants_token => case.1[0],
            None => Verdict::Refused(Code::Unauthenticated, reason),
        }
    }
}

/// The guard's part of the rules: `N` is their number.
pub const fn access_of<const N: usize>(rules: &[Rule]) -> [(&'static str, Access); N] {
    let mut rows = [("", Access::Service); N];
    let mut n = 0;
    while n < N {
        rows[n] = (rules[n].rpc, rules[n].access);
        n += 1;
    }
    rows
}
