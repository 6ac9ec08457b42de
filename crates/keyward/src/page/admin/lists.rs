//! `/admin/roles`, `/admin/events`, `/admin/suspicious`, `/admin/keys`, `/admin/service-keys`,
//! `/admin/settings`: what is there, and what happened?

use askama::Template;
use keyward_core::time::Timestamp;
use zeroize::Zeroizing;

use super::{EventRow, FindingRow};
use crate::diagnosis::{Diagnosis, Level};
use crate::flow::keys::KeyView;
use crate::flow::roles::RoleView;
use crate::flow::service_keys::ServiceKeyView;
use crate::page::Frame;
use crate::page::field::Field;
use crate::page::notice::Notice;

#[derive(Debug, Template)]
#[template(path = "admin/roles.html")]
pub(crate) struct Roles<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) roles: Vec<RoleView>,
}

#[derive(Debug, Template)]
#[template(path = "admin/role.html")]
pub(crate) struct Role<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) name: Field,
    pub(crate) permissions: String,
    pub(crate) wrong: Vec<String>,
    pub(crate) deletable: bool,
    pub(crate) deleted: String,
}

#[derive(Debug, Template)]
#[template(path = "admin/events.html")]
pub(crate) struct Events<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) types: Vec<&'static str>,
    pub(crate) kind: String,
    pub(crate) success: String,
    pub(crate) ip: Field,
    pub(crate) user: Field,
    pub(crate) since: Field,
    pub(crate) until: Field,
    /// Whether news are added while somebody looks: on the first page.
    pub(crate) live: bool,
    pub(crate) events: Vec<EventRow>,
    pub(crate) next: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "admin/suspicious.html")]
pub(crate) struct Suspicious<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) windows: &'static [&'static str],
    pub(crate) window: String,
    pub(crate) since: Timestamp,
    pub(crate) findings: Vec<FindingRow>,
}

#[derive(Debug, Template)]
#[template(path = "admin/keys.html")]
pub(crate) struct Keys<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) keys: Vec<KeyView>,
}

#[derive(Debug, Template)]
#[template(path = "admin/service-keys.html")]
pub(crate) struct ServiceKeys<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) keys: Vec<ServiceKeyView>,
}

/// The form by which a service key is made, and the key that was.
#[derive(Template)]
#[template(path = "admin/service-key-new.html")]
pub(crate) struct NewServiceKey<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) name: Field,
    /// Each scope, and whether it is chosen.
    pub(crate) scopes: Vec<(&'static str, bool)>,
    pub(crate) made: Option<Zeroizing<String>>,
}

#[derive(Debug, Template)]
#[template(path = "admin/settings.html")]
pub(crate) struct SettingsPage<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) diagnosis: Diagnosis,
}

impl Level {
    /// The tone of its badge.
    const fn tone(self) -> &'static str {
        match self {
            Self::Ok => "good",
            Self::Warning => "warn",
            Self::Error => "bad",
        }
    }
}
