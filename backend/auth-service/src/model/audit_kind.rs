//! What kinds of security events there are.

/// What happened, or was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A log-in with a password.
    Login,
    /// The person ended the session.
    Logout,
    /// Too many failures in a row locked the log-in.
    Lock,
    /// A password reset lifted a lock before its time.
    Unlock,
    /// A refresh token came a second time, which ended the session.
    RefreshTokenReuse,
    /// One session was ended.
    SessionRevocation,
    /// The sessions of a person were ended, all or all but the caller's.
    AllSessionsRevocation,
    /// A password was changed by who knew it.
    PasswordChange,
    /// A mail with a reset token was written.
    PasswordResetRequest,
    /// A password was set with the token of a mail.
    PasswordReset,
    /// An e-mail was shown to be the person's.
    EmailVerification,
    /// A secret for a second factor was made.
    TotpEnrollment,
    /// The second factor was put into force.
    TotpConfirmation,
    /// The second factor was removed.
    TotpRemoval,
    /// A recovery code stood in for the app.
    RecoveryCodeUse,
    /// A role was given.
    RoleGrant,
    /// A role was taken away.
    RoleRevocation,
    /// A new key to sign tokens with.
    SigningKeyRotation,
    /// An account was made.
    Registration,
    /// An account was deleted.
    AccountDeletion,
    /// An export of all that is held on a person was begun.
    AccountExport,
    /// A service asked for its token.
    ServiceToken,
    /// An administrator read what is another person's, or the log.
    AdminRead,
    /// A webhook was registered.
    WebhookCreation,
    /// A webhook was changed.
    WebhookUpdate,
    /// A webhook was removed.
    WebhookDeletion,
    /// A webhook got another secret.
    WebhookSecretRotation,
    /// A test event was sent to a webhook.
    WebhookTest,
    /// Deliveries of a webhook were sent again.
    WebhookReplay,
    /// A webhook was disabled, since its receiver wanted no more or never took anything.
    WebhookDisabling,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 30] = [
        Self::Login,
        Self::Logout,
        Self::Lock,
        Self::Unlock,
        Self::RefreshTokenReuse,
        Self::SessionRevocation,
        Self::AllSessionsRevocation,
        Self::PasswordChange,
        Self::PasswordResetRequest,
        Self::PasswordReset,
        Self::EmailVerification,
        Self::TotpEnrollment,
        Self::TotpConfirmation,
        Self::TotpRemoval,
        Self::RecoveryCodeUse,
        Self::RoleGrant,
        Self::RoleRevocation,
        Self::SigningKeyRotation,
        Self::Registration,
        Self::AccountDeletion,
        Self::AccountExport,
        Self::ServiceToken,
        Self::AdminRead,
        Self::WebhookCreation,
        Self::WebhookUpdate,
        Self::WebhookDeletion,
        Self::WebhookSecretRotation,
        Self::WebhookTest,
        Self::WebhookReplay,
        Self::WebhookDisabling,
    ];

    /// The name, the same in the table and over the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Login => "LOGIN",
            Self::Logout => "LOGOUT",
            Self::Lock => "LOCK",
            Self::Unlock => "UNLOCK",
            Self::RefreshTokenReuse => "REFRESH_TOKEN_REUSE",
            Self::SessionRevocation => "SESSION_REVOCATION",
            Self::AllSessionsRevocation => "ALL_SESSIONS_REVOCATION",
            Self::PasswordChange => "PASSWORD_CHANGE",
            Self::PasswordResetRequest => "PASSWORD_RESET_REQUEST",
            Self::PasswordReset => "PASSWORD_RESET",
            Self::EmailVerification => "EMAIL_VERIFICATION",
            Self::TotpEnrollment => "TOTP_ENROLLMENT",
            Self::TotpConfirmation => "TOTP_CONFIRMATION",
            Self::TotpRemoval => "TOTP_REMOVAL",
            Self::RecoveryCodeUse => "RECOVERY_CODE_USE",
            Self::RoleGrant => "ROLE_GRANT",
            Self::RoleRevocation => "ROLE_REVOCATION",
            Self::SigningKeyRotation => "SIGNING_KEY_ROTATION",
            Self::Registration => "REGISTRATION",
            Self::AccountDeletion => "ACCOUNT_DELETION",
            Self::AccountExport => "ACCOUNT_EXPORT",
            Self::ServiceToken => "SERVICE_TOKEN",
            Self::AdminRead => "ADMIN_READ",
            Self::WebhookCreation => "WEBHOOK_CREATION",
            Self::WebhookUpdate => "WEBHOOK_UPDATE",
            Self::WebhookDeletion => "WEBHOOK_DELETION",
            Self::WebhookSecretRotation => "WEBHOOK_SECRET_ROTATION",
            Self::WebhookTest => "WEBHOOK_TEST",
            Self::WebhookReplay => "WEBHOOK_REPLAY",
            Self::WebhookDisabling => "WEBHOOK_DISABLING",
        }
    }

    /// The kind that has a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether events of this kind are for administrators alone, even if they concern the person who asks.
    pub const fn is_for_admins(self) -> bool {
        matches!(
            self,
            Self::AdminRead
                | Self::ServiceToken
                | Self::SigningKeyRotation
                | Self::WebhookCreation
                | Self::WebhookUpdate
                | Self::WebhookDeletion
                | Self::WebhookSecretRotation
                | Self::WebhookTest
                | Self::WebhookReplay
                | Self::WebhookDisabling
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_found_by_its_name() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.name()), Some(kind));
        }
        assert_eq!(Kind::parse("login"), None);
    }
}
