//! `/admin`: what do administrators see? Every page of the console, as plain values.

pub(crate) mod lists;
pub(crate) mod overview;
pub(crate) mod people;

use askama::Template;
use keyward_core::id::UserId;

use super::Frame;
use super::field::Field;
use super::notice::Notice;
use crate::client::device;
use crate::flow::audit::events::EventView;
use crate::store::trail::{Suspect, SuspicionKind};

/// The pages of the console, in the order of its navigation.
pub(crate) const PAGES: &[(&str, &str)] = &[
    ("/admin", "Overview"),
    ("/admin/users", "Users"),
    ("/admin/sessions", "Sessions"),
    ("/admin/roles", "Roles"),
    ("/admin/events", "Events"),
    ("/admin/suspicious", "Suspicious"),
    ("/admin/keys", "Signing keys"),
    ("/admin/service-keys", "Service keys"),
    ("/admin/settings", "Settings"),
];

/// A row of a list of events.
#[derive(Debug)]
pub(crate) struct EventRow {
    pub(crate) event: EventView,
    /// The address of its account; `None` where that is not there any more.
    pub(crate) who: Option<String>,
    pub(crate) tone: &'static str,
    pub(crate) device: String,
    pub(crate) details: String,
}

impl EventRow {
    pub(crate) fn new(event: EventView, who: Option<String>) -> Self {
        let agent = event.user_agent.as_deref().unwrap_or_default();
        let device = if agent.is_empty() { String::new() } else { device(agent) };
        let tone = match (event.event_type, event.success) {
            ("refresh_reused", _) => "bad",
            (_, false) => "warn",
            ("login" | "signup", true) => "good",
            _ => "",
        };
        let said = event.details.iter().map(|(name, value)| format!("{name}: {}", words(value)));
        let details = said.collect::<Vec<_>>().join("; ");
        Self { who, tone, device, details, event }
    }
}

/// A value as people write it: a list without its brackets.
fn words(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(all) => all.iter().map(words).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// A row of a list of findings.
#[derive(Debug)]
pub(crate) struct FindingRow {
    pub(crate) found: Suspect,
    /// What its subject is called: an address, or what was typed in for one.
    pub(crate) subject: String,
    pub(crate) what: &'static str,
    /// The events that it was counted from; empty where its subject is only a hash.
    pub(crate) link: String,
}

impl FindingRow {
    /// The account that it is about, if it is about one.
    pub(crate) fn user(found: &Suspect) -> Option<UserId> {
        match found.kind {
            SuspicionKind::FailedLoginsByIp | SuspicionKind::AccountsPerIp => None,
            SuspicionKind::FailedLoginsByAccount | SuspicionKind::RefreshReuse => found.subject.parse().ok(),
        }
    }

    pub(crate) fn new(found: Suspect, who: Option<String>) -> Self {
        let what = match found.kind {
            SuspicionKind::FailedLoginsByIp => "Failed logins from one address",
            SuspicionKind::FailedLoginsByAccount => "Failed logins to one account",
            SuspicionKind::AccountsPerIp => "Many accounts from one address",
            SuspicionKind::RefreshReuse => "Copied refresh token",
        };
        let subject: String = form_urlencoded::byte_serialize(found.subject.as_bytes()).collect();
        let link = match found.kind {
            SuspicionKind::FailedLoginsByIp | SuspicionKind::AccountsPerIp => {
                format!("/admin/events?ip_address={subject}")
            }
            _ if who.is_some() => format!("/admin/users/{subject}"),
            _ => String::new(),
        };
        Self { subject: who.unwrap_or_else(|| found.subject.clone()), found, what, link }
    }
}

/// A question before something that can't be undone.
#[derive(Debug, Template)]
#[template(path = "admin/confirm.html")]
pub(crate) struct Confirm<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) about: Vec<String>,
    pub(crate) action: String,
    pub(crate) field: Option<Field>,
    pub(crate) button: &'static str,
    pub(crate) back: String,
}
