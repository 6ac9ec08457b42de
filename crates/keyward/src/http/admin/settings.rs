//! `GET /admin/settings`: what is in force, and what of it would bite?

use super::{frame, shown};
use crate::http::api::admin::diagnosis::diagnosis;
use crate::http::operation::Operation;
use crate::http::{Answer, Call};
use crate::page::admin::lists::SettingsPage;
use crate::page::notice::Notice;

pub(crate) const GET: Operation = shown("The console: settings and diagnosis");

pub(crate) async fn get(call: Call) -> Answer {
    call.page(&SettingsPage {
        frame: frame(&call, "Settings"),
        here: "/admin/settings",
        notice: Notice::default(),
        diagnosis: diagnosis(&call, None),
    })
}
