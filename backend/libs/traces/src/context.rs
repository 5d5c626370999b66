//! A place in a trace, as W3C's Trace Context writes it: `00-<trace id>-<span id>-<flags>`.

use std::fmt;

use crate::dice;

/// Length of version 00.
const LENGTH: usize = 55;
/// Somebody upstream records the trace.
const SAMPLED: u8 = 1;
/// The trace id is random; passed on (Trace Context, level 2).
const RANDOM: u8 = 2;

/// A span, by its ids, and whether it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    flags: u8,
}

impl TraceContext {
    /// Reads a `traceparent`. One of a later version is read as far as it is like version 00, as W3C wants it.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let is_of_length = match bytes.get(..2)? {
            b"00" => bytes.len() == LENGTH,
            _ => bytes.len() == LENGTH || bytes.get(LENGTH) == Some(&b'-'),
        };
        let dashes = [2, 35, 52].iter().all(|at| bytes.get(*at) == Some(&b'-'));
        if !is_of_length || !dashes {
            return None;
        }
        let [version] = hex(bytes.get(..2)?)?;
        let (trace, span) = (hex(&bytes[3..35])?, hex(&bytes[36..52])?);
        let [flags] = hex(&bytes[53..LENGTH])?;
        if version == u8::MAX || trace == [0; 16] || span == [0; 8] {
            return None;
        }
        Some(Self { trace, span, flags: flags & (SAMPLED | RANDOM) })
    }

    /// The first place of a trace of its own.
    pub(crate) fn root() -> Self {
        Self { trace: dice::bytes(), span: dice::bytes(), flags: SAMPLED | RANDOM }
    }

    /// Another place in the same trace, which is recorded.
    pub(crate) fn child(self) -> Self {
        Self { span: dice::bytes(), flags: self.flags | SAMPLED, ..self }
    }

    /// Whether the trace is recorded.
    pub fn is_sampled(self) -> bool {
        self.flags & SAMPLED != 0
    }

    /// The same place, for those downstream not to record what comes of it.
    #[must_use]
    pub fn unsampled(self) -> Self {
        Self { flags: self.flags & !SAMPLED, ..self }
    }

    pub(crate) fn trace(&self) -> &[u8] {
        &self.trace
    }

    pub(crate) fn span(&self) -> &[u8] {
        &self.span
    }

    pub(crate) fn flags(self) -> u8 {
        self.flags
    }

    /// The trace's id, in 32 hexadecimal digits.
    pub fn trace_id(self) -> impl fmt::Display {
        Hex(self.trace)
    }

    /// The span's id, in 16 hexadecimal digits.
    pub fn span_id(self) -> impl fmt::Display {
        Hex(self.span)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", Hex(self.trace), Hex(self.span), self.flags)
    }
}

struct Hex<const N: usize>([u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Bytes from digits; W3C allows small letters only.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert_eq, proptest};

    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        let context = TraceContext::parse(GOOD).expect("valid");
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id().to_string(), "b7ad6b7169203331");
        assert!(context.is_sampled() && !context.unsampled().is_sampled());
        assert!(context.unsampled().to_string().ends_with("-00"));
        let child = context.unsampled().child();
        assert!(child.is_sampled() && child.trace() == context.trace() && child.span() != context.span());
    }

    #[test]
    fn what_is_not_as_w3c_writes_it_is_none() {
        let later = GOOD.replacen("00", "cc", 1);
        assert!(TraceContext::parse(&later).is_some(), "a later version");
        assert!(TraceContext::parse(&format!("{later}-what-comes")).is_some(), "a later version with more");
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}-more"),
            &format!("{later}more"),
            &GOOD.to_uppercase(),
            &GOOD.replacen("00", "ff", 1),
            &GOOD.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            &GOOD.replace("b7ad6b7169203331", "0000000000000000"),
            &GOOD.replace('-', "_"),
            &GOOD.replace("b7ad6b7169203331", "b7ad6b716920333g"),
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_the_parser(text in ".{0,80}", tail in any::<String>()) {
            let _ = TraceContext::parse(&text);
            let _ = TraceContext::parse(&format!("{GOOD}{tail}"));
        }

        #[test]
        fn every_context_survives(trace in 1..=u128::MAX, span in 1..=u64::MAX, flags in any::<u8>()) {
            let context = TraceContext::parse(&format!("00-{trace:032x}-{span:016x}-{flags:02x}")).expect("valid");
            prop_assert_eq!(context.is_sampled(), flags & 1 == 1);
            prop_assert_eq!(TraceContext::parse(&context.to_string()), Some(context));
        }
    }
}
