//! What the mails say.

use std::time::Duration;

use crate::model::{OpaqueToken, User};

/// A mail that is ready to be sent. It carries a token, so it has no `Debug` form.
pub struct Letter {
    /// Address of the person.
    pub to: String,
    /// Subject.
    pub subject: &'static str,
    /// Text.
    pub body: String,
}

/// The kinds of mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Template {
    /// For who has forgotten the password.
    PasswordReset,
    /// For who shows that the e-mail is theirs.
    EmailVerification,
}

impl Template {
    /// Writes the mail.
    pub fn write(self, to: &User, token: &OpaqueToken, life: Duration, public_url: &str) -> Letter {
        let (name, token, base) = (&to.username, token.reveal(), public_url.trim_end_matches('/'));
        let life = in_words(life);
        let (subject, body) = match self {
            Self::PasswordReset => (
                "Set a new password",
                format!(
                    "Hello {name},\n\nsomebody, most likely you, asked for a new password. To set one, open\n\n  \
                     {base}/reset-password?token={token}\n\nor enter this token: {token}\n\nIt can be used once, within \
                     {life}. If it was not you, there is nothing to do: your password stays as it is.\n"
                ),
            ),
            Self::EmailVerification => (
                "Confirm your e-mail",
                format!(
                    "Hello {name},\n\nto confirm that this e-mail is yours, open\n\n  {base}/verify-email?token={token}\n\n\
                     or enter this token: {token}\n\nIt can be used once, within {life}. If you have no account here, \
                     somebody mistyped theirs: there is nothing to do.\n"
                ),
            ),
        };
        Letter { to: to.email.clone(), subject, body }
    }
}

fn in_words(life: Duration) -> String {
    let minutes = life.as_secs() / 60;
    match (minutes / 60, minutes % 60) {
        (0, 1) => "a minute".to_owned(),
        (0, minutes) => format!("{minutes} minutes"),
        (1, 0) => "an hour".to_owned(),
        (hours, 0) => format!("{hours} hours"),
        (hours, minutes) => format!("{hours} hours {minutes} minutes"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_in_words() {
        let words = |seconds| in_words(Duration::from_secs(seconds));
        assert_eq!(words(3600), "an hour");
        assert_eq!(words(24 * 3600), "24 hours");
        assert_eq!(words(600), "10 minutes");
        assert_eq!(words(5400), "1 hours 30 minutes");
    }
}
