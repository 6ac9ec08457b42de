//! `GET /dev/mailbox`: the mails that would have been sent.
//!
//! They hold the secrets of links, so it is there for nobody but a person on this machine: only
//! where Keyward listens on it alone, for a `Host` that is this machine (a page elsewhere whose name
//! was made to lead here has another), and not by way of a proxy.

use http::HeaderMap;
use http::header::HOST;
use keyward_core::denial::Denial;

use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call};
use crate::page::mailbox::Mailbox;
use crate::settings::Origin;

pub(crate) const GET: Operation = Operation {
    summary: "The mails that would have been sent",
    about: "For a person on the machine where Keyward runs for development alone.",
    answers: &[Told::media(200, "text/html", "The mails")],
    refuses: &[Denial::NotFound],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let settings = &call.engine.settings;
    let there = settings.mailbox_page
        && settings.public_url.is_loopback()
        && call.peer.is_none_or(|peer| peer.ip().to_canonical().is_loopback())
        && is_asked_here(&call.headers);
    if !there {
        return Err(Denial::NotFound.into());
    }
    let mails = call.engine.mailbox().await?.ok_or(Denial::NotFound)?;
    call.page(&Mailbox::new(&call.engine.assets, &mails, settings.public_url.as_str()))
}

fn is_asked_here(headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let here = host.to_str().ok().and_then(|host| format!("http://{host}").parse::<Origin>().ok());
    here.is_some_and(|host| host.is_loopback()) && !headers.keys().any(|name| is_of_a_proxy(name.as_str()))
}

/// What proxies add, each its own.
fn is_of_a_proxy(name: &str) -> bool {
    ["forwarded", "via", "x-real-ip", "x-original-url"].contains(&name)
        || name.starts_with("x-forwarded-")
        || name.ends_with("-connecting-ip")
        || name.ends_with("-client-ip")
}
