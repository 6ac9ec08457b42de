//! `GET|POST /api/admin/users`, `GET|PATCH|DELETE /api/admin/users/{id}`: who has an account, and what
//! may they do?

pub(crate) mod sessions;

use http::StatusCode;
use keyward_core::denial::Denial;
use keyward_core::id::UserId;
use keyward_core::role;

use crate::error::Error;
use crate::flow::accounts::AccountChange;
use crate::flow::search::{AccountPage, AccountQuery, AccountView, LONGEST_PAGE};
use crate::http::body::Fields;
use crate::http::operation::{CURSOR, Field, LIMIT, Operation, Told};
use crate::http::query::Query;
use crate::http::{Answer, Call, json, no_content};

pub(crate) const LIST: Operation = Operation {
    summary: "Who has an account",
    query: &[
        Field::text("query", "How the address or the phone number begins, or an id", "ada").optional(),
        Field::one_of("status", "Whether they may sign in", &["active", "inactive"]).optional(),
        Field::text("role", "Who has this role", "admin").optional(),
        LIMIT,
        CURSOR,
    ],
    answers: &[Told::json::<AccountPage>(200, "Some accounts")],
    refuses: &[Denial::ValidationFailed],
    ..Operation::NONE
};

pub(crate) async fn list(call: Call) -> Answer {
    let mut query = Query::of(&call.uri);
    let default = AccountQuery::default();
    let limit = query.number("limit", 1..=LONGEST_PAGE.into()).and_then(|n| n.try_into().ok());
    let asked = AccountQuery {
        query: query.text("query").unwrap_or_default(),
        is_active: query.read("status", |status| match status {
            "active" => Ok(true),
            "inactive" => Ok(false),
            _ => Err("this has to be active or inactive".to_owned()),
        }),
        role: query.text("role"),
        limit: limit.unwrap_or(default.limit),
        cursor: query.text("cursor"),
    };
    query.finish()?;
    Ok(json(StatusCode::OK, &call.engine.search_accounts(&asked).await?))
}

pub(crate) const POST: Operation = Operation {
    summary: "Make an account",
    about: "Without a password the person is invited by mail to choose one, where mail is sent.",
    takes: &[
        Field::EMAIL,
        Field::PHONE,
        Field::password("password", "The password").optional(),
        Field::texts("roles", "Its roles; `user` where there are none given", "user").optional(),
    ],
    answers: &[Told::json::<AccountView>(201, "The account")],
    refuses: &[Denial::EmailTaken, Denial::PhoneTaken],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let email = fields.text("email");
    let phone_number = fields.optional_text("phone_number");
    let password = if fields.has("password") { Some(fields.password("password")) } else { None };
    let roles = fields.optional_texts("roles").unwrap_or_else(|| vec![role::USER.to_owned()]);
    fields.finish()?;
    let client = call.client();
    let made = call.engine.create_account(&email, phone_number.as_deref(), password, roles, &client).await?;
    Ok(json(StatusCode::CREATED, &AccountView::new(made, 0)))
}

pub(crate) const GET: Operation = Operation {
    summary: "An account",
    answers: &[Told::json::<AccountView>(200, "The account")],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    Ok(json(StatusCode::OK, &found(&call).await?))
}

pub(crate) const PATCH: Operation = Operation {
    summary: "Change an account",
    about: "What is missing stays. Deactivating somebody ends all their sessions at once. A change of the address or of \
        roles is grave: it asks a person for a login that is not long ago.",
    takes: &[
        Field::flag("is_active", "Whether they may sign in").optional(),
        Field::texts("roles", "All of its roles", "user").optional(),
        Field::PHONE,
        Field::EMAIL.optional(),
    ],
    answers: &[Told::json::<AccountView>(200, "The account, as it is now")],
    refuses: &[Denial::ReauthenticationRequired, Denial::EmailTaken, Denial::PhoneTaken, Denial::LastAdmin],
    ..Operation::NONE
};

pub(crate) async fn patch(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let phone_number = fields.nullable_text("phone_number");
    let change = AccountChange {
        is_active: fields.optional_flag("is_active"),
        roles: fields.optional_texts("roles"),
        email: fields.optional_text("email"),
        phone_number,
    };
    if change.is_grave() {
        call.demand_recent_login()?;
    }
    fields.finish()?;
    call.engine.change_account(user(&call)?, change, &call.client()).await?;
    Ok(json(StatusCode::OK, &found(&call).await?))
}

pub(crate) const DELETE: Operation = Operation {
    summary: "Delete an account",
    about: "Its sessions end at once; what happened to it stays in the audit trail.",
    answers: &[Told::nothing(204, "Deleted")],
    refuses: &[Denial::LastAdmin],
    ..Operation::NONE
};

pub(crate) async fn delete(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    call.engine.delete_account(user(&call)?, &call.client()).await?;
    Ok(no_content())
}

/// The user that the path names.
pub(crate) fn user(call: &Call) -> Result<UserId, Error> {
    call.param("id")?.parse().map_err(|_| Denial::NotFound.into())
}

/// The account that the path names.
pub(crate) async fn found(call: &Call) -> Result<AccountView, Error> {
    call.engine.account_view(user(call)?).await?.ok_or_else(|| Denial::NotFound.into())
}
