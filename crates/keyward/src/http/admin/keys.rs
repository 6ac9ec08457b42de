//! `GET /admin/keys`, `GET|POST /admin/keys/rotate`, `GET|POST /admin/keys/{kid}/revoke`: what signs?

use keyward_core::denial::Denial;

use super::{done, frame, notice, shown, told};
use crate::error::Error;
use crate::http::html::go_on;
use crate::http::operation::Operation;
use crate::http::{Answer, Call};
use crate::page::admin::Confirm;
use crate::page::admin::lists::Keys;
use crate::page::notice::Wrong;

const HERE: &str = "/admin/keys";

pub(crate) const GET: Operation = shown("The console: the signing keys");

pub(crate) async fn get(call: Call) -> Answer {
    let keys = call.engine.keys().await?;
    call.page(&Keys {
        frame: frame(&call, "Signing keys"),
        here: HERE,
        notice: notice(&call, &Wrong::default(), "Done. It is in force."),
        keys,
    })
}

fn answered<'a>(
    call: &'a Call,
    did: Result<(), Error>,
    form: impl FnOnce(&'a Call, &Wrong) -> Confirm<'a>,
) -> Answer {
    match did {
        Ok(()) => go_on(&format!("{HERE}?done=1")),
        Err(error) => {
            let denied = told(error)?;
            call.refusal(&denied, &form(call, &Wrong::told_by(&denied)))
        }
    }
}

/// `GET|POST /admin/keys/rotate`
pub(crate) mod rotate {
    use super::*;

    pub(crate) const GET: Operation = shown("The console: ask before another key signs");

    pub(crate) async fn get(call: Call) -> Answer {
        call.page(&form(&call, &Wrong::default()))
    }

    pub(crate) const POST: Operation = done("The console: let the next key sign");

    pub(crate) async fn post(call: Call) -> Answer {
        let did = call.engine.rotate_keys(&call.client()).await;
        answered(&call, did.map(drop), form)
    }

    fn form<'a>(call: &'a Call, wrong: &Wrong) -> Confirm<'a> {
        let about = "The next key signs from now on. What the former one signed is good until it ends; nobody \
                     is signed out.";
        Confirm {
            frame: frame(call, "Rotate the signing key?").wrong_if(!wrong.is_empty()),
            here: HERE,
            notice: wrong.summary(),
            about: vec![about.to_owned()],
            action: format!("{HERE}/rotate"),
            field: None,
            button: "Rotate",
            back: HERE.to_owned(),
        }
    }
}

/// `GET|POST /admin/keys/{kid}/revoke`
pub(crate) mod revoke {
    use super::*;

    pub(crate) const GET: Operation = shown("The console: ask before a key is revoked");

    pub(crate) async fn get(call: Call) -> Answer {
        let kid = call.param("kid")?;
        if !call.engine.keys().await?.iter().any(|key| key.kid == kid) {
            return Err(Denial::NotFound.into());
        }
        call.page(&form(&call, kid, &Wrong::default()))
    }

    pub(crate) const POST: Operation = done("The console: revoke a key");

    pub(crate) async fn post(call: Call) -> Answer {
        let kid = call.param("kid")?.to_owned();
        let did = call.engine.revoke_key(&kid, &call.client()).await;
        answered(&call, did, |call, wrong| form(call, &kid, wrong))
    }

    fn form<'a>(call: &'a Call, kid: &str, wrong: &Wrong) -> Confirm<'a> {
        let kid_in_path: String = form_urlencoded::byte_serialize(kid.as_bytes()).collect();
        Confirm {
            frame: frame(call, "Revoke this key?").wrong_if(!wrong.is_empty()),
            here: HERE,
            notice: wrong.summary(),
            about: vec![
                format!("Key {kid}: every token that it signed is out of date at once."),
                "Clients refresh by themselves, so nobody has to sign in again. Do this when the key may have \
                 leaked."
                    .to_owned(),
            ],
            action: format!("{HERE}/{kid_in_path}/revoke"),
            field: None,
            button: "Revoke",
            back: HERE.to_owned(),
        }
    }
}
