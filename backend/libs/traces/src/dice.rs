//! Chance: ids, and which calls are recorded.

use aws_lc_rs::rand;

/// Bytes that nobody can foresee; not all of them 0, for that is no id.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    while bytes == [0; N] {
        rand::fill(&mut bytes).expect("the system's random source does not fail");
    }
    bytes
}

/// Whether something happens that happens in so many of 2⁶⁴ cases; `u64::MAX` is always.
pub(crate) fn is_in(cases: u64) -> bool {
    match cases {
        0 => false,
        u64::MAX => true,
        cases => u64::from_ne_bytes(bytes()) < cases,
    }
}
