//! Where a call comes from: the other end of its connection, or who a trusted proxy says is behind it.

use std::net::IpAddr;
use std::sync::Once;

use http::header::FORWARDED;
use http::{Extensions, HeaderMap, HeaderName, Request};
use ipnet::IpNet;

use crate::config::{Listen, ProxyHeader};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Address of whoever sent a request; in the extensions of every request that came over the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub IpAddr);

impl PeerAddress {
    /// The address of a request; none if it was made in this process.
    pub fn of(extensions: &Extensions) -> Option<IpAddr> {
        extensions.get::<Self>().map(|address| address.0)
    }
}

/// Proxies that are believed.
#[derive(Clone, Debug)]
pub(crate) struct Proxies {
    networks: Vec<IpNet>,
    header: ProxyHeader,
}

impl Proxies {
    /// Reads `listen.trusted_proxies`.
    ///
    /// # Errors
    /// The first that is neither a network nor an address.
    pub fn of(listen: &Listen) -> Result<Self, String> {
        let network = |text: &String| {
            let address = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            text.parse::<IpNet>().or(address).map_err(|_| text.clone())
        };
        let networks = listen.trusted_proxies.iter().map(network).collect::<Result<_, _>>()?;
        Ok(Self { networks, header: listen.proxy_header })
    }

    /// Notes where a request comes from, whose connection is with `peer`.
    pub fn note<B>(&self, peer: IpAddr, request: &mut Request<B>) {
        let address = self.origin(peer.to_canonical(), request.headers());
        request.extensions_mut().insert(PeerAddress(address));
    }

    /// The last address that nobody vouches for. Each proxy writes down whom it was asked by, so what stands further left is
    /// the word of whoever sent it.
    fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if !self.trusts(peer) {
            if headers.contains_key(X_FORWARDED_FOR) {
                warn_once(peer);
            }
            return peer;
        }
        let name = match self.header {
            ProxyHeader::XForwardedFor => X_FORWARDED_FOR,
            ProxyHeader::Forwarded => FORWARDED,
        };
        let mut origin = peer;
        // Split at every comma, even between quotes: a proxy puts what it knows behind what it got, and a quote that was left
        // open in that must not swallow it.
        let lines = headers.get_all(name).iter().rev();
        for hop in lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(',')) {
            let address = match self.header {
                ProxyHeader::XForwardedFor => node(hop),
                ProxyHeader::Forwarded => forwarded_for(hop),
            };
            let Some(address) = address else { break };
            origin = address;
            if !self.trusts(origin) {
                break;
            }
        }
        origin
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// `for=` of one element of RFC 7239's header.
fn forwarded_for(element: &str) -> Option<IpAddr> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then(|| node(value))?
    })
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `"[2001:db8::1]:80"`; names that hide an address are none.
fn node(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let address = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0.parse().ok()?,
        None => text.parse().or_else(|_| text.split_once(':').unwrap_or_default().0.parse()).ok()?,
    };
    Some(IpAddr::to_canonical(&address))
}

/// Everybody behind a proxy that is not trusted counts as one caller, which is seldom meant.
fn warn_once(peer: IpAddr) {
    static TOLD: Once = Once::new();
    TOLD.call_once(|| {
        tracing::warn!(
            %peer,
            "a request from {peer} has X-Forwarded-For, which is not believed: if a proxy is there, name it in listen.trusted_proxies"
        );
    });
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn origin(header: ProxyHeader, trusted: &[&str], peer: &str, lines: &[&str]) -> String {
        let trusted_proxies = trusted.iter().map(|text| (*text).to_owned()).collect();
        let proxies =
            Proxies::of(&Listen { trusted_proxies, proxy_header: header, ..Listen::default() }).expect("networks");
        let mut request = Request::new(());
        for line in lines {
            let name = if header == ProxyHeader::Forwarded { FORWARDED } else { X_FORWARDED_FOR };
            request.headers_mut().append(name, line.parse().expect("a header"));
        }
        proxies.note(peer.parse().expect("an address"), &mut request);
        PeerAddress::of(request.extensions()).expect("noted").to_string()
    }

    #[test]
    fn what_strangers_say_of_themselves_is_ignored() {
        let of = |trusted: &[&str], peer, lines: &[&str]| origin(ProxyHeader::XForwardedFor, trusted, peer, lines);
        assert_eq!(of(&[], "127.0.0.1", &["192.0.2.1"]), "127.0.0.1");
        assert_eq!(of(&["10.0.0.0/8"], "192.0.2.7", &["192.0.2.1"]), "192.0.2.7");
        assert_eq!(of(&["10.0.0.0/8"], "::ffff:192.0.2.7", &[]), "192.0.2.7");
    }

    #[test]
    fn the_last_address_that_nobody_vouches_for_counts() {
        let of = |lines: &[&str]| origin(ProxyHeader::XForwardedFor, &["10.0.0.0/8", "2001:db8::1"], "10.0.0.1", lines);
        assert_eq!(of(&[]), "10.0.0.1");
        assert_eq!(of(&["192.0.2.1"]), "192.0.2.1");
        assert_eq!(of(&["198.51.100.1, 192.0.2.1, 10.0.0.2"]), "192.0.2.1");
        assert_eq!(of(&["198.51.100.1", "192.0.2.1", "2001:db8::1"]), "192.0.2.1");
        assert_eq!(of(&["10.0.0.3, 10.0.0.2"]), "10.0.0.3");
        assert_eq!(of(&["192.0.2.1:4711"]), "192.0.2.1");
        assert_eq!(of(&["[2001:db8::7]:80"]), "2001:db8::7");
        assert_eq!(of(&["2001:db8::7"]), "2001:db8::7");
        assert_eq!(of(&["::ffff:192.0.2.1"]), "192.0.2.1");
        for nonsense in ["192.0.2.1, unknown", "192.0.2.1, ", "192.0.2.1, [", "192.0.2.1, 300.1.1.1", "192.0.2.1, :"] {
            assert_eq!(of(&[nonsense]), "10.0.0.1", "{nonsense}");
        }
    }

    #[test]
    fn the_header_of_rfc_7239_is_read_where_it_is_chosen() {
        let of = |lines: &[&str]| origin(ProxyHeader::Forwarded, &["10.0.0.0/8"], "10.0.0.1", lines);
        assert_eq!(of(&["for=192.0.2.1;proto=https;by=10.0.0.1"]), "192.0.2.1");
        assert_eq!(of(&["for=198.51.100.1, For=\"[2001:db8::7]:4711\""]), "2001:db8::7");
        assert_eq!(of(&["for=198.51.100.1, for=_hidden"]), "10.0.0.1");
        assert_eq!(of(&["for=\"198.51.100.1, for=192.0.2.1"]), "192.0.2.1", "an open quote swallows nothing");
        assert_eq!(of(&["for=198.51.100.1, proto=http"]), "10.0.0.1");
    }

    /// Hops as proxies and strangers write them.
    fn hop() -> impl Strategy<Value = String> {
        let address = prop_oneof![
            any::<Ipv4Addr>().prop_map(|address| address.to_string()),
            any::<[u8; 3]>().prop_map(|[a, b, c]| format!("10.{a}.{b}.{c}")),
            any::<Ipv6Addr>().prop_map(|address| address.to_string()),
            any::<Ipv6Addr>().prop_map(|address| format!("\"[{address}]:80\"")),
            any::<Ipv4Addr>().prop_map(|address| format!("{address}:80")),
            "[ -~]{0,12}",
        ];
        (prop_oneof![Just(""), Just("for="), Just("proto=https;For=")], address)
            .prop_map(|(name, hop)| format!("{name}{hop}"))
    }

    proptest! {
        #[test]
        fn no_header_of_a_stranger_changes_what_a_proxy_adds(
            told in proptest::collection::vec(hop(), 0..4),
            real: Ipv4Addr,
            is_forwarded: bool,
        ) {
            prop_assume!(real.octets()[0] != 10);
            let (header, name) =
                if is_forwarded { (ProxyHeader::Forwarded, "for=") } else { (ProxyHeader::XForwardedFor, "") };
            // One proxy puts what it knows behind a comma, another into a line of its own.
            let behind = [told.iter().map(String::as_str).chain([&*format!("{name}{real}")]).collect::<Vec<_>>().join(",")];
            let below: Vec<String> = told.iter().cloned().chain([format!("{name}{real}")]).collect();
            for lines in [&behind[..], &below[..]] {
                let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
                prop_assert_eq!(origin(header, &["10.0.0.0/8"], "10.0.0.1", &lines), real.to_string());
                prop_assert_eq!(origin(header, &[], &real.to_string(), &lines), real.to_string());
            }
        }
    }
}
