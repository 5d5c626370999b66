//! The second factor: time-based codes (RFC 6238) and recovery codes.

use chrono::{DateTime, Utc};
use ids::UserId;
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use crate::model::TokenHash;
use crate::model::opaque::random_bytes;

/// Seconds that a code is shown.
const STEP: u64 = 30;
/// Codes of this many steps before and after now are right too, for clocks that are off and slow fingers.
const SKEW: u16 = 1;
/// 32 characters that can't be mistaken for one another (Crockford's base 32).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// How many recovery codes a person gets.
pub const RECOVERY_CODES: usize = 10;
/// 16 characters of 5 bits: 80 bits can't be guessed, so one SHA-256 protects them.
const RECOVERY_LENGTH: usize = 16;

/// What the app and the server share: 20 random bytes, the length that RFC 4226 recommends.
pub fn new_secret() -> Zeroizing<Vec<u8>> {
    Zeroizing::new(random_bytes::<20>().to_vec())
}

/// A secret as the person gets it.
pub struct Enrollment {
    /// Base32, for typing in.
    pub secret: String,
    /// `otpauth://totp/…`, for a QR code.
    pub uri: String,
}

/// The secret cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("a TOTP secret can't be used: {0}")]
pub struct SecretError(String);

/// Prepares a secret for an authenticator app.
///
/// # Errors
/// [`SecretError`] if the issuer has a colon, which the configuration refuses.
pub fn enrollment(secret: &[u8], issuer: &str, username: &str) -> Result<Enrollment, SecretError> {
    let totp = totp(secret, issuer, username)?;
    let uri = totp.to_url().map_err(|e| SecretError(e.to_string()))?;
    Ok(Enrollment { secret: totp.secret().to_base32(), uri })
}

/// The time step that `code` belongs to, if it is right about now. Steps up to `last_step` have been used and are refused.
///
/// # Errors
/// [`SecretError`] if the stored secret is damaged.
pub fn accepted_step(
    secret: &[u8],
    code: &str,
    last_step: i64,
    now: DateTime<Utc>,
) -> Result<Option<i64>, SecretError> {
    let totp = totp(secret, "Nova", "nobody")?;
    let now = u64::try_from(now.timestamp()).unwrap_or(0);
    let step = totp.check(code.trim(), now).and_then(|step| i64::try_from(step).ok());
    Ok(step.filter(|step| *step > last_step))
}

fn totp(secret: &[u8], issuer: &str, account: &str) -> Result<Totp, SecretError> {
    Builder::new()
        .with_algorithm(Algorithm::SHA1)
        .with_digits(6)
        .with_skew(SKEW)
        .with_step_duration(STEP)
        .with_secret(Secret::from(secret))
        .with_issuer(Some(issuer.to_owned()))
        .with_account_name(account.to_owned())
        .build()
        .map_err(|e| SecretError(e.to_string()))
}

/// New recovery codes, such as `7k3m-p0wx-92ha-c4rt`.
pub fn new_recovery_codes() -> Vec<String> {
    std::iter::repeat_with(|| {
        let bytes = Zeroizing::new(random_bytes::<RECOVERY_LENGTH>());
        let letters: Vec<u8> = bytes.iter().map(|b| ALPHABET[usize::from(b & 31)]).collect();
        let groups: Vec<_> = letters.chunks(4).map(String::from_utf8_lossy).collect();
        groups.join("-")
    })
    .take(RECOVERY_CODES)
    .collect()
}

/// What the database knows of a recovery code, or nothing if the text can't be one. Hyphens, blanks and case do not matter.
/// The person's id goes into the hash, so that two people's codes can't be compared.
pub fn recovery_hash(user: UserId, code: &str) -> Option<TokenHash> {
    if code.len() > 4 * RECOVERY_LENGTH {
        return None;
    }
    let mut bytes = Zeroizing::new(user.uuid().as_bytes().to_vec());
    bytes.extend(code.bytes().filter(|b| !matches!(b, b'-' | b' ')).map(|b| b.to_ascii_lowercase()));
    let letters = &bytes[16..];
    let plausible = letters.len() == RECOVERY_LENGTH && letters.iter().all(|b| ALPHABET.contains(b));
    plausible.then(|| TokenHash::of(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).expect("valid")
    }

    #[test]
    fn codes_are_those_of_rfc_6238() {
        // Appendix B, SHA-1; six digits are the last six of its eight.
        let secret = b"12345678901234567890";
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (2_000_000_000, "279037")] {
            assert_eq!(accepted_step(secret, code, 0, at(time)).expect("usable"), Some(time / 30), "{time}");
        }
    }

    #[test]
    fn a_code_is_good_for_one_step_around_and_once() {
        let secret = b"12345678901234567890";
        let (step, code) = (1_111_111_109 / 30, "081804");
        let accepted = |last, time| accepted_step(secret, code, last, at(time)).expect("usable");
        assert_eq!(accepted(0, step * 30 - 30), Some(step));
        assert_eq!(accepted(0, step * 30 + 59), Some(step));
        assert_eq!(accepted(0, step * 30 + 60), None);
        assert_eq!(accepted(0, step * 30 - 31), None);
        assert_eq!(accepted(step, step * 30), None, "a replay");
        assert_eq!(accepted_step(secret, "+81804", 0, at(step * 30)).expect("usable"), None);
    }

    #[test]
    fn the_uri_names_issuer_and_account() {
        let made = enrollment(b"12345678901234567890", "Nova", "alice").expect("usable");
        assert_eq!(made.secret, "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert!(made.uri.starts_with("otpauth://totp/Nova:alice?"), "{}", made.uri);
        assert!(
            made.uri.contains(&format!("secret={}", made.secret)) && made.uri.contains("issuer=Nova"),
            "{}",
            made.uri
        );
    }

    #[test]
    fn recovery_codes_are_read_as_people_type_them() {
        let codes = new_recovery_codes();
        assert_eq!(codes.len(), RECOVERY_CODES);
        let (alice, bob) = (UserId::generate(at(1)), UserId::generate(at(1)));
        let hash = recovery_hash(alice, &codes[0]).expect("plausible");
        assert!(recovery_hash(alice, &codes[0].to_uppercase().replace('-', " ")) == Some(hash));
        assert!(recovery_hash(bob, &codes[0]) != Some(hash));
        assert!(recovery_hash(alice, "123456").is_none() && recovery_hash(alice, "é").is_none());
    }
}
