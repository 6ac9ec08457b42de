//! Where is listened, and which addresses are believed?

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::IpNet;
use keyward::Origin;

use super::rule::{Refusal, Rule, list};

/// An address with a port. A name is none: it may stand for several.
pub(super) fn address() -> Rule<SocketAddr> {
    Rule::text(
        "an IP address with a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"",
        |text| text.parse().map_err(|_| Refusal::default()),
        SocketAddr::to_string,
    )
}

/// Networks whose forwarding headers are believed; `None`: what `auto` comes to.
pub(super) fn trusted_proxies() -> Rule<Option<Vec<IpNet>>> {
    list(network()).or_auto()
}

/// Whether only this machine is reached here.
pub(crate) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

/// Where what listens here is reached on this machine; `None` where that can't be said, as with
/// port 0.
pub(super) fn reached_at(listen: SocketAddr) -> Option<Origin> {
    let ip = match listen.ip().to_canonical() {
        ip if ip.is_loopback() => ip,
        ip if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        _ => return None,
    };
    format!("http://{}", SocketAddr::new(ip, listen.port())).parse().ok()
}

/// Whether both can't be listened on at once. Port 0 is a free one, never the same.
pub(super) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let everywhere = a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() != 0 && a.port() == b.port() && (everywhere || a.ip() == b.ip())
}

fn network() -> Rule<IpNet> {
    let parse = |text: &str| {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match network {
            Ok(network) if network.prefix_len() == 0 => {
                Err(Refusal::because("it believes everybody, who could then be any address they like"))
            }
            Ok(network) => Ok(network.trunc()),
            Err(_) => Err(Refusal::default()),
        }
    };
    Rule::text("a network such as \"10.0.0.0/8\" or a single IP address", parse, IpNet::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::raw::Raw;

    #[test]
    fn an_address_alone_is_a_network_of_one() {
        let read = |text: &str| {
            let rule = trusted_proxies();
            rule.read(&Raw::Word(text.into())).map(|proxies| rule.show(&proxies))
        };
        assert_eq!(read("auto"), Ok(json!("auto")));
        assert_eq!(read(""), Ok(json!([])));
        assert_eq!(
            read("10.1.2.3/8, 192.0.2.7,2001:db8::/32,::1"),
            Ok(json!(["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "::1/128"]))
        );
        for text in ["0.0.0.0/0", "10.0.0.0/8,::/0", "10.0.0.0/33", "proxy", "auto,::1", "10.0.0", "*"] {
            assert!(read(text).is_err(), "{text}");
        }
        assert!(trusted_proxies().read(&Raw::Text("10.0.0.0/8".into())).is_err());
    }

    #[test]
    fn two_listeners_need_two_places() {
        let collide = |a: &str, b: &str| collide(a.parse().expect(a), b.parse().expect(b));
        assert!(collide("127.0.0.1:80", "127.0.0.1:80"));
        assert!(collide("0.0.0.0:80", "127.0.0.1:80"));
        assert!(!collide("127.0.0.1:0", "127.0.0.1:0"));
        assert!(!collide("127.0.0.1:80", "127.0.0.2:80"));
        assert!(!collide("127.0.0.1:80", "127.0.0.1:81"));
    }

    #[test]
    fn where_it_is_reached_follows_where_it_listens() {
        for (listen, origin) in [
            ("127.0.0.1:9000", Some("http://127.0.0.1:9000")),
            ("127.0.0.2:80", Some("http://127.0.0.2")),
            ("[::1]:9000", Some("http://[::1]:9000")),
            ("0.0.0.0:9000", Some("http://127.0.0.1:9000")),
            ("[::]:9000", Some("http://127.0.0.1:9000")),
            ("10.0.0.1:9000", None),
            ("127.0.0.1:0", None),
        ] {
            let reached = reached_at(listen.parse().expect(listen));
            assert_eq!(reached.as_ref().map(Origin::as_str), origin, "{listen}");
        }
    }

    #[test]
    fn loopback_is_this_machine_alone() {
        for (text, is) in [
            ("127.0.0.1:1", true),
            ("127.9.9.9:1", true),
            ("[::1]:1", true),
            ("[::ffff:127.0.0.1]:1", true),
            ("0.0.0.0:1", false),
            ("[::]:1", false),
            ("10.0.0.1:1", false),
        ] {
            assert_eq!(is_loopback(text.parse().expect(text)), is, "{text}");
        }
    }
}
