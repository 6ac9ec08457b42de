//! What may be set? The lengths and limits that the rules are asked with.

use std::time::Duration;

use crate::session::Transport;

/// How far the clock of another verifier, or of the machine that signed, may be off: `iat` and
/// `nbf` may lie this far ahead, and whatever outlives a token outlives it by this much more.
pub const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// The lengths that govern a session and its tokens. The names are those of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How long an access token is good for (`tokens.access_ttl`).
    pub access_ttl: Duration,
    /// How long a refresh token can be presented (`tokens.refresh_ttl`).
    pub refresh_ttl: Duration,
    /// How long past `exp` an access token is still taken (`tokens.leeway`).
    pub leeway: Duration,
    /// How long after the login a session ends, whatever happens (`sessions.absolute_ttl`).
    pub absolute_ttl: Duration,
    /// How long a cookie session lives without activity (`sessions.idle_timeout`).
    pub idle_timeout: Option<Duration>,
    /// How long a bearer session lives without activity (`sessions.idle_timeout_bearer`).
    pub idle_timeout_bearer: Option<Duration>,
    /// How long before the end of its access token a client should refresh (`sessions.refresh_before`).
    pub refresh_before: Duration,
    /// `W`: how long a request and its answer may take together (`sessions.rotation_window`).
    pub rotation_window: Duration,
    /// How long after a login a person may still do what is grave without proving again who they
    /// are (`sessions.reauth_after`).
    pub reauth_after: Duration,
    /// How many sessions a user may have at once (`sessions.max_per_user`).
    pub max_per_user: u32,
}

impl Policy {
    /// How long a session of this transport lives without activity; `None`: for as long as it may.
    pub fn idle(&self, transport: Transport) -> Option<Duration> {
        match transport {
            Transport::Cookie => self.idle_timeout,
            Transport::Bearer => self.idle_timeout_bearer,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        const MINUTE: u64 = 60;
        const DAY: u64 = 24 * 60 * MINUTE;
        Self {
            access_ttl: Duration::from_secs(15 * MINUTE),
            refresh_ttl: Duration::from_secs(7 * DAY),
            leeway: Duration::ZERO,
            absolute_ttl: Duration::from_secs(30 * DAY),
            idle_timeout: Some(Duration::from_secs(60 * MINUTE)),
            idle_timeout_bearer: None,
            refresh_before: Duration::from_secs(5 * MINUTE),
            rotation_window: Duration::from_secs(30),
            reauth_after: Duration::from_secs(10 * MINUTE),
            max_per_user: 100,
        }
    }
}
