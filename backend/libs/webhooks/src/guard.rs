//! Which network addresses may be reached: those of the public internet, and what the operator names.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// What of IPv4 is not the public internet (IANA's registry of special-purpose addresses, RFC 6890), and what lies there but
/// answers to this machine alone.
const NOT_PUBLIC_V4: [Ipv4Net; 17] = [
    v4(0, 0, 0, 0, 8),          // this network: Linux takes it for this machine
    v4(10, 0, 0, 0, 8),         // private
    v4(100, 64, 0, 0, 10),      // behind a carrier's NAT; a cloud's metadata at 100.100.100.200
    v4(127, 0, 0, 0, 8),        // this machine
    v4(168, 63, 129, 16, 32),   // Azure's host agent
    v4(169, 254, 0, 0, 16),     // link-local; clouds' metadata at 169.254.169.254
    v4(172, 16, 0, 0, 12),      // private
    v4(192, 0, 0, 0, 24),       // protocol assignments; a cloud's metadata at 192.0.0.192
    v4(192, 0, 2, 0, 24),       // documentation
    v4(192, 88, 99, 0, 24),     // 6to4 relays, given up
    v4(192, 168, 0, 0, 16),     // private
    v4(198, 18, 0, 0, 15),      // benchmarks
    v4(198, 51, 100, 0, 24),    // documentation
    v4(203, 0, 113, 0, 24),     // documentation
    v4(224, 0, 0, 0, 4),        // multicast
    v4(240, 0, 0, 0, 4),        // reserved, and broadcast
    v4(255, 255, 255, 255, 32), // broadcast
];

/// All of IPv6 that is given out for the public internet. Loopback, link-local, unique local, multicast, NAT64 and what maps IPv4
/// lie outside.
const PUBLIC_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What lies inside all the same and is not.
const NOT_PUBLIC_V6: [Ipv6Net; 4] = [
    v6(0x2001, 0, 0, 23),     // protocol assignments, Teredo among them, which holds IPv4 addresses
    v6(0x2001, 0xdb8, 0, 32), // documentation
    v6(0x2002, 0, 0, 16),     // 6to4 holds IPv4 addresses
    v6(0x3fff, 0, 0, 20),     // documentation
];

/// Which network addresses may be reached.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<IpNet>,
}

impl Guard {
    /// The public internet, and these networks besides.
    pub fn new(allowed: Vec<IpNet>) -> Self {
        Self { allowed }
    }

    /// Whether anything but the public internet may be reached.
    pub fn allows_private(&self) -> bool {
        !self.allowed.is_empty()
    }

    /// Whether the operator has named a network that the address is in. An IPv4 address that is written as IPv6 is the same
    /// address.
    pub fn names(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.allowed.iter().any(|network| network.contains(&address))
    }

    /// Whether the address may be reached.
    pub fn admits(&self, address: IpAddr) -> bool {
        self.names(address) || is_public(address)
    }
}

fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !NOT_PUBLIC_V4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => {
            PUBLIC_V6.contains(&address) && !NOT_PUBLIC_V6.iter().any(|network| network.contains(&address))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn what_is_not_the_public_internet_is_refused() {
        let guard = Guard::default();
        for refused in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.19.255.255",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0:10.0.0.1",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "fc00::1",
            "fd00:ec2::254",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!guard.admits(address(refused)), "{refused}");
        }
    }

    #[test]
    fn the_public_internet_is_reached() {
        let guard = Guard::default();
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.167.255.255",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "2001:4860:4860::8888",
            "2606:4700::1111",
            "2a00::1",
        ] {
            assert!(guard.admits(address(public)), "{public}");
        }
    }

    #[test]
    fn a_named_network_is_reached_and_nothing_beside_it() {
        let networks = ["10.1.0.0/16", "::1/128"].map(|network| network.parse().expect("a network"));
        let guard = Guard::new(networks.into());
        for allowed in ["10.1.2.3", "::ffff:10.1.2.3", "::1"] {
            assert!(guard.admits(address(allowed)), "{allowed}");
        }
        for refused in ["10.2.0.1", "127.0.0.1", "::2", "169.254.169.254"] {
            assert!(!guard.admits(address(refused)), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn an_address_is_judged_the_same_however_it_is_written(bits: u32) {
            let plain = Ipv4Addr::from(bits);
            let guard = Guard::default();
            prop_assert_eq!(guard.admits(plain.into()), guard.admits(plain.to_ipv6_mapped().into()));
        }

        /// The standard library's own judgement, as far as it has one.
        #[test]
        fn nothing_is_reached_that_the_standard_library_knows_to_be_special(bits: u32) {
            let address = Ipv4Addr::from(bits);
            let special = address.is_private() || address.is_loopback() || address.is_link_local()
                || address.is_broadcast() || address.is_documentation() || address.is_multicast()
                || address.is_unspecified();
            prop_assert!(!(special && Guard::default().admits(address.into())), "{}", address);
        }

        #[test]
        fn of_ipv6_only_what_is_given_out_is_reached(bits: u128) {
            let address = Ipv6Addr::from(bits);
            let given_out = address.segments()[0] >> 13 == 1 || address.to_ipv4_mapped().is_some();
            prop_assert!(given_out || !Guard::default().admits(address.into()), "{}", address);
        }
    }
}
