//! How much may be asked in how much time, and of whom?

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use crate::duration;

const MOST: u32 = 1_000_000;
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// A budget: so many in so much time, written `5/1m`. All of it may be spent at once; it comes
/// back one by one, evenly over the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    count: NonZeroU32,
    per: Duration,
}

/// A text that is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidLimit;

impl fmt::Display for InvalidLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a limit: a number from 1 to 1000000, a slash and a length of time from 1ms to 30d \
             (units ms, s, m, h, d), such as 5/1m, or off",
        )
    }
}

impl std::error::Error for InvalidLimit {}

impl Limit {
    /// So many in so much time: 1 to 1,000,000 in 1 ms to 30 days. `None` outside of that.
    pub fn new(count: u32, per: Duration) -> Option<Self> {
        let count = NonZeroU32::new(count).filter(|count| count.get() <= MOST)?;
        (Duration::from_millis(1)..=LONGEST).contains(&per).then_some(Self { count, per })
    }

    /// Reads a limit, or `off` as `None`.
    pub fn parse_or_off(text: &str) -> Result<Option<Self>, InvalidLimit> {
        if text == "off" { Ok(None) } else { text.parse().map(Some) }
    }

    /// How many may be spent at once.
    pub const fn count(self) -> NonZeroU32 {
        self.count
    }

    /// In how much time all of it comes back.
    pub const fn per(self) -> Duration {
        self.per
    }

    /// In how much time one comes back; never zero. In whole microseconds, as every store counts.
    pub fn interval(self) -> Duration {
        let micros = self.per.as_nanos().div_ceil(u128::from(self.count.get()) * 1_000);
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

impl FromStr for Limit {
    type Err = InvalidLimit;

    fn from_str(text: &str) -> Result<Self, InvalidLimit> {
        let (count, per) = text.split_once('/').ok_or(InvalidLimit)?;
        // `parse` alone would take a plus sign.
        if !count.bytes().all(|b| b.is_ascii_digit()) {
            return Err(InvalidLimit);
        }
        let count = count.parse().map_err(|_| InvalidLimit)?;
        let per = duration::parse(per).map_err(|_| InvalidLimit)?;
        Self::new(count, per).ok_or(InvalidLimit)
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, duration::display(self.per))
    }
}

/// What a budget is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Throttle {
    /// Logins from one address.
    Login,
    /// Failed logins to one account.
    LoginFailures,
    /// Signups from one address.
    Signup,
    /// Passwords and links presented by one session or address, outside of a login.
    Password,
    /// Mails asked for from one address, or for one account.
    PasswordForgot,
    /// Refreshes of one session.
    Refresh,
}

impl Throttle {
    /// Every budget there is.
    pub const ALL: [Self; 6] =
        [Self::Login, Self::LoginFailures, Self::Signup, Self::Password, Self::PasswordForgot, Self::Refresh];

    /// Its name in the configuration, in events, and of its policy in the `RateLimit` field.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::LoginFailures => "login_failures",
            Self::Signup => "signup",
            Self::Password => "password",
            Self::PasswordForgot => "password_forgot",
            Self::Refresh => "refresh",
        }
    }
}

impl fmt::Display for Throttle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The limit of every budget; `None`: there is none. The names are those of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Logins per client address (`rate_limits.login`).
    pub login: Option<Limit>,
    /// Failed logins per account (`rate_limits.login_failures`).
    pub login_failures: Option<Limit>,
    /// Signups per client address (`rate_limits.signup`).
    pub signup: Option<Limit>,
    /// Change, reset, verification and reauthentication each, per session or address
    /// (`rate_limits.password`).
    pub password: Option<Limit>,
    /// Mails per client address and per account (`rate_limits.password_forgot`).
    pub password_forgot: Option<Limit>,
    /// Refreshes per session (`rate_limits.refresh`).
    pub refresh: Option<Limit>,
}

impl Limits {
    /// No limit of anything.
    pub const OFF: Self = Self {
        login: None,
        login_failures: None,
        signup: None,
        password: None,
        password_forgot: None,
        refresh: None,
    };

    /// The limit of this budget.
    pub const fn of(&self, throttle: Throttle) -> Option<Limit> {
        match throttle {
            Throttle::Login => self.login,
            Throttle::LoginFailures => self.login_failures,
            Throttle::Signup => self.signup,
            Throttle::Password => self.password,
            Throttle::PasswordForgot => self.password_forgot,
            Throttle::Refresh => self.refresh,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        const MINUTE: Duration = Duration::from_secs(60);
        const HOUR: Duration = Duration::from_secs(60 * 60);
        Self {
            login: Limit::new(5, MINUTE),
            login_failures: Limit::new(20, HOUR),
            signup: Limit::new(5, MINUTE),
            password: Limit::new(5, MINUTE),
            password_forgot: Limit::new(3, HOUR),
            refresh: Limit::new(60, MINUTE),
        }
    }
}

/// Whom a client address stands for: an IPv4 address for itself, an IPv6 address for its /64, as
/// that is the least that one customer is given (RFC 6177 §2). Its text is the key of a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Network {
    /// The network of this address. An IPv4 address in IPv6 clothes (`::ffff:192.0.2.1`, RFC 4291
    /// §2.5.5.2) is the IPv4 address: a socket that listens for both shows it so.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64))),
            v4 => Self(v4),
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(v4) => v4.fmt(f),
            IpAddr::V6(v6) => write!(f, "{v6}/64"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_number_and_a_time() {
        for (text, count, seconds) in [("5/1m", 5, 60), ("20/1h", 20, 3_600), ("1/30d", 1, 2_592_000)] {
            let limit: Limit = text.parse().expect(text);
            assert_eq!((limit.count().get(), limit.per().as_secs()), (count, seconds));
            assert_eq!(limit.to_string(), text);
        }
        assert_eq!("60/60s".parse::<Limit>().expect("limit").to_string(), "60/1m");
        assert_eq!("5/1m".parse::<Limit>().expect("limit").interval(), Duration::from_secs(12));
        let finest: Limit = "1000000/1ms".parse().expect("limit");
        assert_eq!(finest.interval(), Duration::from_micros(1));
    }

    #[test]
    fn nothing_else_is_a_limit() {
        for text in [
            "",
            "off",
            "5",
            "5/",
            "/1m",
            "5/m",
            "5/60",
            "0/1m",
            "-1/1m",
            "+5/1m",
            " 5/1m",
            "5 / 1m",
            "5/1m/2",
            "5/0s",
            "5/31d",
            "1000001/1m",
            "4294967296/1m",
            "5/1m ",
            "\u{665}/1m",
            "5.0/1m",
        ] {
            assert_eq!(text.parse::<Limit>(), Err(InvalidLimit), "{text:?}");
        }
        assert_eq!(Limit::parse_or_off("off"), Ok(None));
        assert_eq!(Limit::parse_or_off("5/1m"), Ok(Limit::new(5, Duration::from_secs(60))));
        assert_eq!(Limit::parse_or_off("OFF"), Err(InvalidLimit));
    }

    #[test]
    fn the_defaults_are_those_of_the_contract() {
        let limits = Limits::default();
        let all: Vec<String> = Throttle::ALL
            .iter()
            .map(|t| format!("{t}={}", limits.of(*t).map(|limit| limit.to_string()).unwrap_or_default()))
            .collect();
        assert_eq!(
            all,
            [
                "login=5/1m",
                "login_failures=20/1h",
                "signup=5/1m",
                "password=5/1m",
                "password_forgot=3/1h",
                "refresh=60/1m"
            ]
        );
    }

    #[test]
    fn a_network_is_an_ipv4_address_or_an_ipv6_64() {
        for (address, network) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::ffff:c000:201", "192.0.2.1"),
            ("2001:db8:1:2::", "2001:db8:1:2::/64"),
            ("2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:db8:1:2::/64"),
            ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
            ("::1", "::/64"),
            ("::192.0.2.1", "::/64"),
        ] {
            assert_eq!(Network::of(address.parse().expect(address)).to_string(), network, "{address}");
        }
    }
}
