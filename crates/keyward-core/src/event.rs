//! What happened, to whom, and from where? One row of the audit trail.

use serde_json::{Map, Value};

use crate::id::{EventId, SessionId, UserId};
use crate::throttle::Network;
use crate::time::Timestamp;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum EventType {
            $($(#[$doc])* $name,)*
        }

        impl EventType {
            /// Every type there is.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The word of the contract.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// The type of that name.
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|kind| kind.as_str() == text)
            }
        }
    };
}

events! {
    /// An account was made.
    Signup = "signup";
    /// Somebody signed in.
    Login = "login";
    /// Somebody failed to.
    LoginFailed = "login_failed";
    /// A session was ended by its person, here.
    Logout = "logout";
    /// All sessions of a person were ended by them.
    LogoutAll = "logout_all";
    /// A refresh token was rotated (only with `events.log_refresh`).
    Refresh = "refresh";
    /// A genuine refresh token was refused.
    RefreshFailed = "refresh_failed";
    /// The answer with a new refresh token was lost, and another one made.
    RefreshForgiven = "refresh_forgiven";
    /// A copy of a refresh token was noticed, and the session ended.
    RefreshReused = "refresh_reused";
    /// A session was ended by somebody or something else than a logout.
    SessionRevoked = "session_revoked";
    /// A session ended because nobody used it.
    SessionIdle = "session_idle";
    /// A person changed their password.
    PasswordChanged = "password_changed";
    /// Somebody asked for a mail to reset a password.
    PasswordResetRequested = "password_reset_requested";
    /// A password was reset.
    PasswordReset = "password_reset";
    /// Somebody asked for a mail to confirm an e-mail address.
    EmailVerificationRequested = "email_verification_requested";
    /// An e-mail address was confirmed.
    EmailVerified = "email_verified";
    /// Too much was asked in too short a time.
    RateLimited = "rate_limited";
    /// An account was activated.
    UserActivated = "user_activated";
    /// An account was deactivated.
    UserDeactivated = "user_deactivated";
    /// The e-mail address or phone number of an account changed.
    UserChanged = "user_changed";
    /// An account was deleted.
    UserDeleted = "user_deleted";
    /// The roles of an account changed.
    RolesChanged = "roles_changed";
    /// A role was made or deleted, or its permissions changed.
    RoleChanged = "role_changed";
    /// Another key signs from now on.
    KeyRotated = "key_rotated";
    /// A key was revoked.
    KeyRevoked = "key_revoked";
    /// Secrets at rest were sealed anew, under another master key.
    MasterKeyRotated = "master_key_rotated";
    /// A service key was made.
    ServiceKeyCreated = "service_key_created";
    /// A service key was revoked.
    ServiceKeyRevoked = "service_key_revoked";
}

/// One row of the audit trail. It never holds a password, a token or a key.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventType,
    /// To whose account; `None` where there is none.
    pub user: Option<UserId>,
    /// To which session.
    pub session: Option<SessionId>,
    /// From which address.
    pub ip: Option<String>,
    /// By which user agent.
    pub user_agent: Option<String>,
    /// Whether the one who asked got what they asked for.
    pub success: bool,
    /// Why not.
    pub reason: Option<String>,
    /// What else is worth knowing.
    pub details: Map<String, Value>,
    /// Set where further events alike are counted into this row instead of making their own:
    /// what they have in common. `details.count` is how many there were.
    pub tally: Option<String>,
    /// What shows that Keyward wrote it ([`crate::chain`]); set when it is committed.
    pub mark: Option<[u8; 16]>,
}

/// An event as it rests, with what was counted into it since.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The event. `details` has no count.
    pub event: Event,
    /// How many there were alike; 1 where nothing is counted.
    pub count: u64,
    /// When the last of them happened, where they are counted.
    pub last_at: Option<Timestamp>,
    /// The batch that it was sealed in.
    pub batch: Option<u64>,
}

impl Event {
    /// What its address counts as: IPv6 by its /64.
    pub fn network(&self) -> Option<String> {
        self.ip.as_deref().and_then(|ip| ip.parse().ok()).map(|ip| Network::of(ip).to_string())
    }

    /// What stands for the name that was tried where there is no account: a keyed hash.
    pub fn name(&self) -> Option<&str> {
        self.details.get("name").and_then(Value::as_str)
    }
}
