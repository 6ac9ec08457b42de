//! `GET /admin/service-keys`, `GET|POST /admin/service-keys/new`,
//! `GET|POST /admin/service-keys/{id}/revoke`: which programs may ask?

use keyward_core::denial::Denial;
use keyward_core::id::ServiceKeyId;
use keyward_core::service_key::Scope;
use zeroize::Zeroizing;

use super::{done, frame, notice, shown, told};
use crate::error::Error;
use crate::http::body::Fields;
use crate::http::html::go_on;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call};
use crate::page::admin::Confirm;
use crate::page::admin::lists::{NewServiceKey, ServiceKeys};
use crate::page::field;
use crate::page::notice::Wrong;

const HERE: &str = "/admin/service-keys";

pub(crate) const GET: Operation = shown("The console: the service keys");

pub(crate) async fn get(call: Call) -> Answer {
    let keys = call.engine.service_keys().await?;
    call.page(&ServiceKeys {
        frame: frame(&call, "Service keys"),
        here: HERE,
        notice: notice(&call, &Wrong::default(), "The key is revoked."),
        keys,
    })
}

/// `GET|POST /admin/service-keys/new`
pub(crate) mod new {
    use super::*;

    pub(crate) const GET: Operation = shown("The console: make a service key");

    pub(crate) async fn get(call: Call) -> Answer {
        call.page(&form(&call, "", &[], &Wrong::default(), None))
    }

    pub(crate) const POST: Operation = Operation {
        takes: &[Field::text("name", "What it is called, once", "billing")],
        answers: &[Told::media(200, "text/html", "The key, whose text is told this once")],
        ..done("The console: make a service key")
    };

    pub(crate) async fn post(call: Call) -> Answer {
        let mut fields = Fields::of_form(&call.headers, &call.body)?;
        let all = Scope::ALL.iter().map(|scope| scope.as_str());
        let scopes: Vec<String> =
            all.filter(|scope| fields.has(&format!("scope:{scope}"))).map(str::to_owned).collect();
        let name = fields.text("name");
        fields.finish()?;
        match call.engine.create_service_key(&name, &scopes, &call.client()).await {
            // No way on to another page: the text of the key must stand in no address and no history.
            Ok(made) => call.page(&form(&call, &name, &scopes, &Wrong::default(), Some(made.key))),
            Err(error) => {
                let denied = told(error)?;
                call.refusal(&denied, &form(&call, &name, &scopes, &Wrong::told_by(&denied), None))
            }
        }
    }

    fn form<'a>(
        call: &'a Call,
        name: &str,
        scopes: &[String],
        wrong: &Wrong,
        made: Option<Zeroizing<String>>,
    ) -> NewServiceKey<'a> {
        let all = Scope::ALL.iter().map(|scope| scope.as_str());
        let title = if made.is_some() { format!("Key {name}") } else { "New service key".to_owned() };
        NewServiceKey {
            frame: frame(call, title).wrong_if(!wrong.is_empty()),
            here: HERE,
            notice: wrong.summary(),
            name: field::Field::new("name", "Name", "text")
                .hint("What it is for, such as billing")
                .value(name)
                .judged(wrong)
                .first(wrong)
                .done(),
            scopes: all.map(|scope| (scope, scopes.iter().any(|chosen| chosen == scope))).collect(),
            made,
        }
    }
}

/// `GET|POST /admin/service-keys/{id}/revoke`
pub(crate) mod revoke {
    use super::*;

    pub(crate) const GET: Operation = shown("The console: ask before a service key is revoked");

    pub(crate) async fn get(call: Call) -> Answer {
        let id = id(&call)?;
        let key = call.engine.service_keys().await?.into_iter().find(|key| key.id == id);
        let key = key.ok_or(Denial::NotFound)?;
        call.page(&Confirm {
            frame: frame(&call, format!("Revoke {}?", key.name)),
            here: HERE,
            notice: Default::default(),
            about: vec!["Programs that ask with this key are refused at once.".to_owned()],
            action: format!("{HERE}/{id}/revoke"),
            field: None,
            button: "Revoke",
            back: HERE.to_owned(),
        })
    }

    pub(crate) const POST: Operation = done("The console: revoke a service key");

    pub(crate) async fn post(call: Call) -> Answer {
        call.engine.revoke_service_key(id(&call)?, &call.client()).await?;
        go_on(&format!("{HERE}?done=1"))
    }

    fn id(call: &Call) -> Result<ServiceKeyId, Error> {
        call.param("id")?.parse().map_err(|_| Denial::NotFound.into())
    }
}
