//! `GET /admin/users`, `GET /admin/users/{id}`, and the forms that change an account.

pub(crate) mod delete;
pub(crate) mod edit;
pub(crate) mod new;

use keyward_core::denial::Denial;

use super::{LATEST, done, event_rows, frame, next_page, notice, shown, told};
use crate::error::{Denied, Error, FieldError};
use crate::flow::accounts::AccountChange;
use crate::flow::audit::events::EventFilter;
use crate::flow::emails::Whose;
use crate::flow::explorer::SessionFilter;
use crate::flow::search::{AccountPage, AccountQuery, AccountView};
use crate::http::api::admin::users::{found, user};
use crate::http::body::Fields;
use crate::http::html::{go_on, query_field};
use crate::http::operation::{CURSOR, Field, Operation};
use crate::http::{Answer, Call};
use crate::page::admin::people::{User, Users};
use crate::page::field;
use crate::page::notice::Wrong;

const HERE: &str = "/admin/users";
/// How many sessions the page of a user shows.
const SESSIONS: u32 = 20;

pub(crate) const GET: Operation = Operation {
    query: &[
        Field::text("query", "How the address or the phone number begins, or an id", "ada").optional(),
        Field::text("status", "active or inactive", "active").optional(),
        Field::text("role", "Who has this role", "admin").optional(),
        CURSOR,
    ],
    ..shown("The console: who has an account")
};

pub(crate) async fn list(call: Call) -> Answer {
    let field = |name| query_field(call.uri.query(), name).unwrap_or_default();
    let (query, status, role) = (field("query"), field("status"), field("role"));
    let asked = AccountQuery {
        query: query.clone(),
        is_active: match status.as_str() {
            "active" => Some(true),
            "inactive" => Some(false),
            _ => None,
        },
        role: Some(role.clone()).filter(|role| !role.is_empty()),
        cursor: Some(field("cursor")).filter(|cursor| !cursor.is_empty()),
        ..AccountQuery::default()
    };
    let roles = role_names(&call).await?;
    let (page, denied) = match call.engine.search_accounts(&asked).await {
        Ok(page) => (page, None),
        Err(error) => (AccountPage { users: Vec::new(), next_cursor: None }, Some(told(error)?)),
    };
    let wrong = denied.as_ref().map(Wrong::told_by).unwrap_or_default();
    let shown = Users {
        frame: frame(&call, "Users").wrong_if(!wrong.is_empty()),
        here: HERE,
        notice: notice(&call, &wrong, "The account is deleted."),
        query: field::Field::new("query", "Address, phone or id begins with", "search")
            .value(query)
            .optional()
            .judged(&wrong)
            .done(),
        status,
        role,
        roles,
        users: page.users,
        next: next_page(&call.uri, page.next_cursor),
    };
    match denied {
        Some(denied) => call.refusal(&denied, &shown),
        None => call.page(&shown),
    }
}

pub(crate) const ONE: Operation = shown("The console: an account");

pub(crate) async fn get(call: Call) -> Answer {
    let user = found(&call).await?;
    let shown = page(&call, user, &Wrong::default()).await?;
    call.page(&shown)
}

async fn page<'a>(call: &'a Call, user: AccountView, wrong: &Wrong) -> Result<User<'a>, Error> {
    let engine = &call.engine;
    let filter = SessionFilter { user: Some(user.id), is_open: Some(true), ..SessionFilter::default() };
    let sessions = engine.all_sessions(filter, SESSIONS, None).await?.sessions;
    let filter = EventFilter { user: Some(user.id), ..EventFilter::default() };
    let events = engine.events(filter, LATEST, None).await?.events;
    Ok(User {
        frame: frame(call, user.email.clone()).wrong_if(!wrong.is_empty()),
        here: HERE,
        notice: notice(call, wrong, "Done."),
        sessions,
        events: event_rows(call, events).await?,
        user,
    })
}

/// Back to the page of that account, or that page with what went wrong.
async fn answered(call: &Call, did: Result<(), Error>) -> Answer {
    match did {
        Ok(()) => go_on(&format!("{HERE}/{}?done=1", user(call)?)),
        Err(error) => {
            let denied = told(error)?;
            let shown = page(call, found(call).await?, &Wrong::told_by(&denied)).await?;
            call.refusal(&denied, &shown)
        }
    }
}

/// `POST /admin/users/{id}/active`
pub(crate) mod active {
    use super::*;

    pub(crate) const POST: Operation = Operation {
        takes: &[Field::text("is_active", "true or false", "false")],
        ..done("The console: let somebody sign in, or not")
    };

    pub(crate) async fn post(call: Call) -> Answer {
        let mut fields = Fields::of_form(&call.headers, &call.body)?;
        let is_active = match fields.text("is_active").as_str() {
            "true" => true,
            "false" => false,
            _ => return Err(Denied::invalid(vec![FieldError::new("is_active", "true or false")]).into()),
        };
        fields.finish()?;
        let change = AccountChange { is_active: Some(is_active), ..Default::default() };
        let did = call.engine.change_account(user(&call)?, change, &call.client()).await;
        answered(&call, did.map(drop)).await
    }
}

/// `POST /admin/users/{id}/sessions`
pub(crate) mod sessions {
    use super::*;

    pub(crate) const POST: Operation = done("The console: sign somebody out everywhere");

    pub(crate) async fn post(call: Call) -> Answer {
        let user = found(&call).await?.id;
        let did = call.engine.end_all_of(user, &call.client()).await;
        answered(&call, did.map(drop)).await
    }
}

/// `POST /admin/users/{id}/verification`
pub(crate) mod verification {
    use super::*;

    pub(crate) const POST: Operation = done("The console: send the mail that confirms an address again");

    pub(crate) async fn post(call: Call) -> Answer {
        let email = found(&call).await?.email;
        let did = call.engine.resend_verification(Whose::Named(&email), &call.client()).await;
        answered(&call, did).await
    }
}

/// The roles that there are.
async fn role_names(call: &Call) -> Result<Vec<String>, Error> {
    Ok(call.engine.list_roles().await?.into_iter().map(|role| role.name).collect())
}

/// The roles that a form chose, of those that there are.
fn chosen(fields: &Fields, known: &[String]) -> Vec<String> {
    known.iter().filter(|name| fields.has(&format!("role:{name}"))).cloned().collect()
}

fn phone_field(phone: &str, wrong: &Wrong) -> field::Field {
    field::Field::new("phone_number", "Phone number", "tel")
        .hint("In international form, such as +4915112345678; it may stay empty.")
        .value(phone)
        .optional()
        .judged(wrong)
        .done()
}

/// What is wrong with the form of an account, by its fields.
fn wrong_with(error: Error) -> Result<(Denied, Wrong), Error> {
    let denied = told(error)?;
    let wrong = match denied.denial() {
        Denial::LastAdmin => Wrong::field("roles", "Nobody else administers: this account has to stay one."),
        _ => Wrong::told_by(&denied),
    };
    Ok((denied, wrong))
}
