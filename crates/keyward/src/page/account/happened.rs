//! What happened to somebody's account, in words for themselves?

use keyward_core::event::EventType;
use serde_json::Value;

use crate::client::device;
use crate::flow::audit::events::EventView;
use crate::page::when::When;

/// A line of the list.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) what: String,
    pub(crate) at: When,
    /// From where and by what.
    pub(crate) whence: String,
    /// Whether it did not succeed.
    pub(crate) bad: bool,
}

impl From<&EventView> for Happened {
    fn from(event: &EventView) -> Self {
        let count = event.details.get("count").and_then(Value::as_u64).filter(|count| *count > 1);
        let times = count.map(|count| format!(", {count} times")).unwrap_or_default();
        Self {
            what: format!("{}{times}", words(event)),
            at: When::from(event.created_at),
            whence: whence(event),
            bad: !event.success,
        }
    }
}

fn words(event: &EventView) -> &'static str {
    let says = |name: &str| event.details.get(name).and_then(Value::as_str).unwrap_or_default();
    let Some(kind) = EventType::parse(event.event_type) else { return "Something else happened" };
    match kind {
        EventType::Signup => "Account made",
        EventType::Login if event.details.contains_key("again") => "Password confirmed",
        EventType::Login => "Signed in",
        EventType::LoginFailed => match (event.failure_reason.as_deref(), says("at")) {
            (Some("email_not_verified"), _) => "Sign-in before the address was confirmed",
            (Some("account_inactive"), _) => "Sign-in while the account was deactivated",
            (_, "change") => "Wrong password for a change of password",
            (_, "reauthenticate") => "Wrong password to confirm who you are",
            _ => "Sign-in with a wrong password",
        },
        EventType::Logout => "Signed out",
        EventType::LogoutAll if event.details.contains_key("except") => "Signed out on every other device",
        EventType::LogoutAll => "Signed out everywhere",
        EventType::Refresh => "Session renewed",
        EventType::RefreshFailed => "A session was not renewed",
        EventType::RefreshForgiven => "Session renewed after an answer was lost",
        EventType::RefreshReused => "A copied session was found and ended",
        EventType::SessionRevoked => match says("why") {
            "replaced" => "Session replaced by a new one in the same browser",
            "too_many" => "The oldest session ended: there were too many",
            _ => "A device was signed out",
        },
        EventType::SessionIdle => "A session ended because it was not used",
        EventType::PasswordChanged => "Password changed",
        EventType::PasswordResetRequested => "Link for a new password asked for",
        EventType::PasswordReset => "New password chosen by a link",
        EventType::EmailVerificationRequested => "Mail to confirm the address asked for",
        EventType::EmailVerified => "E-mail address confirmed",
        EventType::RateLimited => "Too many attempts were held off",
        EventType::UserActivated => "Account activated",
        EventType::UserDeactivated => "Account deactivated",
        EventType::UserChanged => "Profile changed",
        EventType::UserDeleted => "Account deleted",
        EventType::RolesChanged => "Roles changed",
        EventType::RoleChanged
        | EventType::KeyRotated
        | EventType::KeyRevoked
        | EventType::MasterKeyRotated
        | EventType::ServiceKeyCreated
        | EventType::ServiceKeyRevoked => "The installation was changed",
    }
}

/// From where, as far as its person may know.
fn whence(event: &EventView) -> String {
    if event.details.get("by").is_some_and(Value::is_string) {
        return "An administrator".to_owned();
    }
    let program = event.user_agent.as_deref().map(device);
    let parts: Vec<String> = program.into_iter().chain(event.ip_address.clone()).collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_core::id::EventId;
    use keyward_core::time::Timestamp;
    use serde_json::{Map, json};

    fn event(kind: EventType, details: Value) -> EventView {
        let Value::Object(details) = details else { panic!("an object") };
        EventView {
            id: EventId::from_bytes([0; 16]),
            user_id: None,
            session_id: None,
            event_type: kind.as_str(),
            ip_address: Some("203.0.113.9".to_owned()),
            user_agent: Some("curl/8".to_owned()),
            success: true,
            failure_reason: None,
            created_at: Timestamp::from_seconds(1_800_000_000),
            details,
        }
    }

    #[test]
    fn everything_that_can_happen_has_words() {
        let mut said = std::collections::BTreeSet::new();
        for kind in EventType::ALL {
            let view = EventView { details: Map::new(), ..event(*kind, json!({})) };
            let what = Happened::from(&view).what;
            assert!(!what.contains('_') && what != "Something else happened", "{what}");
            said.insert(what);
        }
        assert!(said.len() > 20);
    }

    #[test]
    fn a_line_says_how_often_and_from_where() {
        let line = Happened::from(&event(EventType::LoginFailed, json!({"count": 7})));
        assert_eq!(line.what, "Sign-in with a wrong password, 7 times");
        assert_eq!(line.whence, "curl, 203.0.113.9");
        let by = event(EventType::UserDeactivated, json!({"by": "an administrator"}));
        assert_eq!(Happened::from(&by).whence, "An administrator");
    }
}
