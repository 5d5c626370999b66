//! Section `[auth.rate_limits]`: how many calls are taken from whom.

use std::time::Duration;

use chassis::config::{Fault, Validate};
use limits::{Class, Classes, Rate};
use serde::{Deserialize, Serialize};

/// `[auth.rate_limits]`. A rate is written `100/s burst 300` or `10/min`; `off` is none.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct RateLimits {
    /// Whether there are limits at all. The lock-out (`lockout`) holds without them.
    pub enabled: bool,
    /// People, addresses and accounts that are remembered at once, 32 bytes each; those that called least are forgotten first.
    pub max_keys: usize,
    /// All calls of one person.
    pub calls_per_person: Rate,
    /// All calls from one address (IPv4) or network (IPv6, /64), whoever makes them.
    pub calls_per_address: Rate,
    /// Register.
    pub register_per_address: Rate,
    /// Login from one address.
    pub login_per_address: Rate,
    /// Login for one name that is typed, whether anybody has it or not.
    pub login_per_account: Rate,
    /// RefreshToken from one address.
    pub refresh_per_address: Rate,
    /// RefreshToken of one session.
    pub refresh_per_account: Rate,
    /// RequestPasswordReset from one address.
    pub reset_per_address: Rate,
    /// RequestPasswordReset for one e-mail, whether anybody has it or not.
    pub reset_per_account: Rate,
    /// SendEmailVerification.
    pub verification_per_person: Rate,
    /// ResetPassword and VerifyEmail from one address.
    pub mail_token_per_address: Rate,
    /// ResetPassword and VerifyEmail with one token.
    pub mail_token_per_account: Rate,
    /// ChangePassword, DeleteAccount, BeginTotpEnrollment, ConfirmTotp and DisableTotp: what a password or code is tried with.
    pub secret_per_person: Rate,
    /// ListUsers and ListAuditEvents.
    pub search_per_person: Rate,
    /// ExportAccount.
    pub export_per_person: Rate,
}

impl Default for RateLimits {
    fn default() -> Self {
        let quarter = Duration::from_secs(15 * 60);
        Self {
            enabled: true,
            max_keys: 250_000,
            // An app that starts asks for a screenful at once; nobody reads a hundred answers a second.
            calls_per_person: Rate::per_second(100).burst(300),
            // A whole office or mobile network behind one address.
            calls_per_address: Rate::per_second(300).burst(1000),
            // A hash each, some 20 ms of a core, and names that are taken for ever. A burst registers a class.
            register_per_address: Rate::per_minute(10).burst(30),
            // A hash each. People mistype; who tries the passwords of thousands is slowed to 14,400 a day.
            login_per_address: Rate::per_minute(10).burst(20),
            // Beside the lock-out, which right passwords open: more than a person with all their devices needs.
            login_per_account: Rate::per_minute(10),
            // Every client of an office comes within a quarter of an hour, and all at once after the network was away.
            refresh_per_address: Rate::per_second(20).burst(200),
            // One in a quarter of an hour would do; several tabs and restarts are no reason to log out.
            refresh_per_account: Rate::per_minute(10).burst(20),
            // Each may be a mail to somebody who has not asked for it.
            reset_per_address: Rate::per(10, quarter),
            reset_per_account: Rate::per(3, quarter),
            verification_per_person: Rate::per(3, quarter),
            // Tokens can't be guessed; each try is a look into the database, or a hash.
            mail_token_per_address: Rate::per_minute(10),
            mail_token_per_account: Rate::per_minute(5),
            // A hash each, and what a stolen token would be used to guess at. Beside the lock-out of the session.
            secret_per_person: Rate::per_minute(10),
            // Administrators leafing through; a search costs what a hundred look-ups do.
            search_per_person: Rate::per_second(10).burst(20),
            // Everything that somebody ever wrote, read and opened. Enough for one that was cut short a few times.
            export_per_person: Rate::per(5, quarter),
        }
    }
}

impl RateLimits {
    /// As the limiter wants them; nothing if there are none.
    pub fn classes(&self) -> Option<Classes> {
        self.enabled.then(|| Classes {
            calls: Class::new("calls").per_person(self.calls_per_person).per_address(self.calls_per_address),
            special: vec![
                Class::new("register").per_address(self.register_per_address),
                Class::new("login").per_address(self.login_per_address).per_account(self.login_per_account),
                Class::new("refresh").per_address(self.refresh_per_address).per_account(self.refresh_per_account),
                Class::new("reset").per_address(self.reset_per_address).per_account(self.reset_per_account),
                Class::new("verification").per_person(self.verification_per_person),
                Class::new("mail_token")
                    .per_address(self.mail_token_per_address)
                    .per_account(self.mail_token_per_account),
                Class::new("secret").per_person(self.secret_per_person),
                Class::new("search").per_person(self.search_per_person),
                Class::new("export").per_person(self.export_per_person),
            ],
        })
    }
}

impl Validate for RateLimits {
    fn validate(&self, section: &str, faults: &mut Vec<Fault>) {
        if !(1_000..=100_000_000).contains(&self.max_keys) {
            faults.push(Fault::new(format!("{section}.max_keys"), "must be 1000 to 100000000"));
        }
    }
}
