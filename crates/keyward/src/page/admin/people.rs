//! `/admin/users`, `/admin/sessions`: whom and what do administrators find?

use askama::Template;
use keyward_core::time::Timestamp;

use super::EventRow;
use crate::flow::audit::explain::SessionStory;
use crate::flow::explorer::SessionView;
use crate::flow::search::AccountView;
use crate::page::Frame;
use crate::page::field::Field;
use crate::page::notice::Notice;

#[derive(Debug, Template)]
#[template(path = "admin/users.html")]
pub(crate) struct Users<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) query: Field,
    pub(crate) status: String,
    pub(crate) role: String,
    pub(crate) roles: Vec<String>,
    pub(crate) users: Vec<AccountView>,
    pub(crate) next: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "admin/user.html")]
pub(crate) struct User<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) user: AccountView,
    pub(crate) sessions: Vec<SessionView>,
    pub(crate) events: Vec<EventRow>,
}

/// The form by which an account is made or changed.
#[derive(Debug, Template)]
#[template(path = "admin/user-edit.html")]
pub(crate) struct UserForm<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) action: String,
    pub(crate) email: Field,
    pub(crate) phone: Field,
    /// Each role, and whether it is chosen.
    pub(crate) roles: Vec<(String, bool)>,
    pub(crate) wrong_roles: Vec<String>,
    pub(crate) about: &'static str,
    pub(crate) button: &'static str,
    pub(crate) back: String,
}

#[derive(Debug, Template)]
#[template(path = "admin/sessions.html")]
pub(crate) struct Sessions<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) ip: Field,
    pub(crate) state: String,
    pub(crate) transport: String,
    pub(crate) user: String,
    pub(crate) heading: &'static str,
    /// The address of which all can be ended; empty where none is asked for.
    pub(crate) end_of: String,
    pub(crate) sessions: Vec<SessionView>,
    pub(crate) next: Option<String>,
}

#[derive(Debug, Template)]
#[template(path = "admin/session.html")]
pub(crate) struct Session<'a> {
    pub(crate) frame: Frame<'a>,
    pub(crate) here: &'static str,
    pub(crate) notice: Notice,
    pub(crate) story: SessionStory,
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) moments: Vec<(&'static str, Timestamp)>,
}

impl Session<'_> {
    /// What is known of it in words.
    pub(crate) fn facts(story: &SessionStory) -> Vec<(&'static str, String)> {
        let session = &story.session;
        let known = [
            ("Device", session.device.clone()),
            ("Transport", session.transport.clone()),
            ("Address", session.ip_address.clone()),
            ("User agent", session.user_agent.clone()),
            ("Generation", session.generation.map(|n| n.to_string())),
            ("Ended because", session.end_reason.map(str::to_owned)),
        ];
        known.into_iter().filter_map(|(name, text)| Some((name, text?))).collect()
    }

    /// What is known of it in moments.
    pub(crate) fn moments(story: &SessionStory) -> Vec<(&'static str, Timestamp)> {
        let session = &story.session;
        let known = [
            ("Opened", session.created_at),
            ("Password last given", session.auth_time),
            ("Last active", session.last_active_at),
            ("Last refreshed", session.refreshed_at),
            ("Ended", session.ended_at),
            ("Ends without activity", session.idle_expires_at),
            ("Ends without a refresh", session.refresh_expires_at),
            ("Ends at the latest", session.absolute_expires_at),
        ];
        known.into_iter().filter_map(|(name, at)| Some((name, at?))).collect()
    }
}
