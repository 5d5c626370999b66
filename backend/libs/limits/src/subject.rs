//! Who is counted: 16 bytes that are nobody else's.

use std::net::{IpAddr, Ipv6Addr};

use uuid::Uuid;

/// Of an IPv6 address the part that belongs to one network: who has a /64 has all its addresses.
const NETWORK_BITS: u32 = 64;

/// Who is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Subject([u64; 2]);

impl Subject {
    pub fn person(id: Uuid) -> Self {
        Self::of(id.as_u128())
    }

    /// An IPv4 address, or an IPv6 network.
    pub fn address(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self::of(v4.to_ipv6_mapped().to_bits()),
            IpAddr::V6(v6) => Self::of(v6.to_bits() >> NETWORK_BITS << NETWORK_BITS),
        }
    }

    /// The beginning of a hash that cannot be steered; 128 bits of SHA-256 have no second name that anybody could find.
    pub fn hash(hash: &[u8; 32]) -> Self {
        let [high, low] = [&hash[..8], &hash[8..16]].map(|half| u64::from_be_bytes(half.try_into().expect("8 bytes")));
        Self([high, low])
    }

    fn of(bits: u128) -> Self {
        Self([(bits >> 64) as u64, bits as u64])
    }

    /// For choosing a shard: any mixture will do.
    pub fn mixed(self) -> u64 {
        self.0[0].rotate_left(32) ^ self.0[1]
    }

    /// The person; nonsense of anything else.
    pub fn as_person(self) -> Uuid {
        Uuid::from_u128(self.bits())
    }

    /// The address or network; nonsense of anything else.
    pub fn as_address(self) -> IpAddr {
        IpAddr::from(Ipv6Addr::from_bits(self.bits())).to_canonical()
    }

    pub fn bits(self) -> u128 {
        u128::from(self.0[0]) << 64 | u128::from(self.0[1])
    }
}

/// A bucket: of which limit, and whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    /// Number of the limit in its limiter.
    pub limit: u16,
    pub subject: Subject,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_network_is_one_and_an_ipv4_address_is_itself_in_either_spelling() {
        let of = |text: &str| Subject::address(text.parse().expect("an address"));
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
