//! From which address does a request come?

use std::net::{IpAddr, SocketAddr};

use axum::extract::ConnectInfo;
use http::header::{HeaderName, USER_AGENT};
use http::{Extensions, HeaderMap};
use ipnet::IpNet;

use crate::client::Client;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The client behind a connection: the socket's address or, behind a trusted proxy, the last one
/// of `X-Forwarded-For` that is no trusted proxy itself.
pub(crate) fn client(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> Client {
    let user_agent =
        headers.get(USER_AGENT).map(|v| String::from_utf8_lossy(v.as_bytes())).unwrap_or_default();
    Client::new(address(peer, headers, trusted), &user_agent)
}

/// Its address alone.
pub(crate) fn address(peer: Option<SocketAddr>, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut last = of(peer);
    // All lines are one list; it is read from the end, which the nearest proxy wrote.
    let lines: Vec<_> = headers.get_all(X_FORWARDED_FOR).iter().map(|v| v.as_bytes()).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(|b| *b == b','));
    for hop in hops {
        if !is_trusted(&last) {
            break;
        }
        match std::str::from_utf8(hop).ok().and_then(|hop| parse(hop.trim())) {
            Some(address) => last = address,
            // Nothing before what can't be read is worth more.
            None => break,
        }
    }
    last
}

/// Who is at the other end of the connection.
pub(crate) fn peer(extensions: &Extensions) -> Option<SocketAddr> {
    extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0)
}

/// Whether the other end of the connection is a trusted proxy.
pub(crate) fn is_trusted(peer: Option<SocketAddr>, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|net| net.contains(&of(peer)))
}

/// The address of the other end of the connection; no proxy's where that is not known.
pub(crate) fn of(peer: Option<SocketAddr>) -> IpAddr {
    peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.ip().to_canonical())
}

/// An address as proxies write it: perhaps with a port, perhaps in brackets.
fn parse(text: &str) -> Option<IpAddr> {
    let address = text
        .parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|socket| socket.ip()))
        .or_else(|| text.strip_prefix('[')?.strip_suffix(']')?.parse().ok())?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, forwarded: &[&str], trusted: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append(X_FORWARDED_FOR, line.parse().expect("a header"));
        }
        let trusted: Vec<IpNet> = trusted.iter().map(|net| net.parse().expect("a network")).collect();
        client(Some(SocketAddr::new(peer.parse().expect("an address"), 1)), &headers, &trusted)
            .ip
            .expect("an address")
            .to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed_and_only_its_own_hop() {
        let lo: &[&str] = &["127.0.0.0/8", "10.0.0.0/8"];
        assert_eq!(seen("203.0.113.9", &["1.2.3.4"], lo), "203.0.113.9", "an untrusted peer says nothing");
        assert_eq!(seen("127.0.0.1", &["1.2.3.4"], lo), "1.2.3.4");
        assert_eq!(
            seen("127.0.0.1", &["6.6.6.6, 1.2.3.4"], lo),
            "1.2.3.4",
            "what the client put before is ignored"
        );
        assert_eq!(seen("127.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.7"], lo), "1.2.3.4");
        assert_eq!(seen("127.0.0.1", &["6.6.6.6", "1.2.3.4"], lo), "1.2.3.4", "two lines are one list");
        assert_eq!(seen("127.0.0.1", &["1.2.3.4, rubbish"], lo), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &[], lo), "127.0.0.1");
        assert_eq!(seen("127.0.0.1", &["[2001:db8::1]:443"], lo), "2001:db8::1");
        assert_eq!(seen("::ffff:127.0.0.1", &["::ffff:1.2.3.4"], lo), "1.2.3.4");
    }
}
