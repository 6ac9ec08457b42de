//! `/account`: what people see and change about themselves.

mod happened;

use askama::Template;
use keyward_core::account::Account;
use keyward_core::role;

use self::happened::Happened;
use super::Frame;
use super::assets::Assets;
use super::field::Field;
use super::notice::{Notice, Wrong};
use super::when::When;
use crate::flow::audit::events::{Cursor, EventList};
use crate::flow::sessions::Device;

/// How many devices are listed; who has more has them from a program.
const DEVICES: usize = 100;

/// What keeps an open page signed in, warns before idleness ends the session, and leaves at its end.
const CLIENT: &str = "/client/private.js";

/// What the page is about besides the account.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    /// What was done just now.
    pub(crate) notice: Notice,
    /// The phone number as it was typed, where that is wrong.
    pub(crate) phone: Option<String>,
    /// Whether something has to be sent again.
    pub(crate) again: bool,
}

/// The page.
#[derive(Debug, Template)]
#[template(path = "account.html")]
pub(crate) struct AccountPage<'a> {
    frame: Frame<'a>,
    notice: Notice,
    summary: Notice,
    email: String,
    verified: bool,
    admin: bool,
    phone: Field,
    current_password: Field,
    new_password: Field,
    devices: Vec<Listed>,
    more_devices: usize,
    events: Vec<Happened>,
    more_events: bool,
}

#[derive(Debug)]
struct Listed {
    id: String,
    name: String,
    address: String,
    current: bool,
    opened: When,
    last_active: When,
    idle_end: Option<When>,
    end: When,
}

impl From<Device> for Listed {
    fn from(device: Device) -> Self {
        Self {
            id: device.id.to_string(),
            name: device.device,
            address: device.ip_address,
            current: device.current,
            opened: device.created_at.into(),
            last_active: device.last_active_at.into(),
            idle_end: device.idle_expires_at.map(When::from),
            end: device.absolute_expires_at.into(),
        }
    }
}

impl<'a> AccountPage<'a> {
    /// `rules`: what a password has to be.
    pub(crate) fn new(
        assets: &'a Assets,
        account: &Account,
        mut devices: Vec<Device>,
        events: &EventList,
        rules: &str,
        shown: Shown,
        wrong: &Wrong,
    ) -> Self {
        // The one that asks stands first.
        devices.sort_by_key(|device| !device.current);
        let more_devices = devices.len().saturating_sub(DEVICES);
        devices.truncate(DEVICES);
        let known = account.phone_number.as_ref().map(|phone| phone.as_str().to_owned());
        let phone = Field::new("phone_number", "Phone number", "tel")
            .autocomplete("tel")
            .optional()
            .hint("With the code of the country, such as +4915112345678. You can sign in with it, too.")
            .value(shown.phone.or(known).unwrap_or_default());
        Self {
            frame: Frame { again: shown.again, ..frame("Your account", assets, account) }
                .wrong_if(!wrong.is_empty()),
            notice: shown.notice,
            summary: wrong.summary(),
            email: account.email.to_string(),
            verified: account.email_verified,
            admin: is_admin(account),
            phone: phone.judged(wrong).done(),
            current_password: Field::current_password("current_password", "Current password")
                .judged(wrong)
                .done(),
            new_password: Field::new_password("new_password", "New password")
                .hint(rules)
                .judged(wrong)
                .done(),
            devices: devices.into_iter().map(Listed::from).collect(),
            more_devices,
            events: events.events.iter().map(Happened::from).collect(),
            more_events: events.next_cursor.is_some(),
        }
    }
}

/// `/account/events`: all of what happened, page by page.
#[derive(Debug, Template)]
#[template(path = "account-events.html")]
pub(crate) struct EventsPage<'a> {
    frame: Frame<'a>,
    admin: bool,
    events: Vec<Happened>,
    not_first: bool,
    next: Option<Cursor>,
}

impl<'a> EventsPage<'a> {
    /// `not_first`: whether there are later ones.
    pub(crate) fn new(assets: &'a Assets, account: &Account, events: &EventList, not_first: bool) -> Self {
        Self {
            frame: frame("What happened to your account", assets, account),
            admin: is_admin(account),
            events: events.events.iter().map(Happened::from).collect(),
            not_first,
            next: events.next_cursor,
        }
    }
}

fn frame<'a>(title: &str, assets: &'a Assets, account: &Account) -> Frame<'a> {
    let person = Some(account.email.to_string());
    Frame { person, scripts: vec![CLIENT.to_owned()], ..Frame::new(title, assets) }
}

fn is_admin(account: &Account) -> bool {
    account.roles.iter().any(|role| role == role::ADMIN)
}
