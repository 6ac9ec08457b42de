//! Who asks, as far as the connection tells?

use std::net::IpAddr;

use keyward_core::id::{ServiceKeyId, SessionId, UserId};
use keyward_core::throttle::Network;
use serde_json::json;

/// What the command line calls itself.
pub(crate) const OPERATOR: &str = "keyward command line";

/// How much of a user agent is kept, in bytes.
const USER_AGENT: usize = 512;

/// From where, and by what, something is asked.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The address: the socket's, or what a trusted proxy says. `None` for the command line.
    pub ip: Option<IpAddr>,
    /// The user agent, cut at 512 bytes.
    pub user_agent: String,
    /// Who acts, where that is not told by whose account or session it is about.
    pub(crate) by: Option<By>,
}

/// An administrator, or a service, that does something to others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum By {
    /// A person, in that session.
    Person(UserId, SessionId),
    /// A service, by the id and the name of its key.
    Service(ServiceKeyId, String),
}

impl By {
    /// How the audit trail says it.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match self {
            Self::Person(user, session) => json!({ "user_id": user, "session_id": session }),
            Self::Service(id, name) => json!({ "service_key_id": id, "service_key": name }),
        }
    }
}

impl Client {
    /// A client at this address with this user agent.
    pub fn new(ip: IpAddr, user_agent: &str) -> Self {
        let clean: String = user_agent.chars().filter(|c| !hides(*c)).collect();
        let end = clean.floor_char_boundary(USER_AGENT);
        Self { ip: Some(ip.to_canonical()), user_agent: clean[..end].to_owned(), by: None }
    }

    /// The command line of an operator.
    pub fn operator() -> Self {
        Self { ip: None, user_agent: OPERATOR.to_owned(), by: None }
    }

    /// What the user agent calls itself, in words for a list: `Firefox on Linux`.
    pub fn device(&self) -> String {
        device(&self.user_agent)
    }

    /// What the address counts as: IPv6 by its /64.
    pub(crate) fn network(&self) -> String {
        self.ip.map_or_else(|| "local".to_owned(), |ip| Network::of(ip).to_string())
    }
}

/// Whether a character could make a line look like something else than it is, or like two: control
/// characters, line and paragraph separators, marks of direction, and what has no width.
fn hides(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What a user agent calls itself, in words for a list of devices: `Firefox on Linux`.
pub(crate) fn device(user_agent: &str) -> String {
    let first = |names: &[(&str, &'static str)]| {
        names.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // In this order: most browsers name the ones they descend from as well.
    let program = first(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser", "Samsung Internet"),
        ("Firefox", "Firefox"),
        ("FxiOS", "Firefox"),
        ("CriOS", "Chrome"),
        ("Chrome", "Chrome"),
        ("Safari", "Safari"),
        ("okhttp", "Android app"),
        ("CFNetwork", "iOS app"),
        ("Dart", "Flutter app"),
        ("curl", "curl"),
        ("python", "Python"),
        ("node", "Node.js"),
        ("Go-http-client", "Go"),
        ("keyward command line", "Command line"),
    ]);
    let system = first(&[
        ("Windows", "Windows"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Android", "Android"),
        ("CrOS", "ChromeOS"),
        ("Mac OS X", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) if program.starts_with(system) => program.to_owned(),
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "Unknown device".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_named_for_people() {
        for (user_agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36 Edg/150.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 Version/19.0 Mobile Safari/604.1",
                "Safari on iPhone",
            ),
            ("curl/8.1", "curl"),
            ("okhttp/5.1 (Android 16)", "Android app"),
            ("", "Unknown device"),
        ] {
            assert_eq!(device(user_agent), name);
        }
    }

    #[test]
    fn a_user_agent_is_kept_short_and_clean() {
        let client = Client::new(
            IpAddr::from([127, 0, 0, 1]),
            &format!("a\u{1b}[31m\r\n\u{2028}\u{202e}\u{200b}{}", "é".repeat(400)),
        );
        assert!(client.user_agent.len() <= 512 && client.user_agent.starts_with("a[31m\u{e9}"));
        let mapped: IpAddr = "::ffff:10.1.2.3".parse().expect("an address");
        assert_eq!(Client::new(mapped, "").network(), "10.1.2.3");
    }
}
