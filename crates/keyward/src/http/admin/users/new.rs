//! `GET|POST /admin/users/new`: makes an account, whose person is invited by mail.

use keyward_core::role;

use super::{HERE, chosen, done, frame, phone_field, role_names, wrong_with};
use crate::http::admin::shown;
use crate::http::body::Fields;
use crate::http::html::go_on;
use crate::http::operation::{Field, Operation};
use crate::http::{Answer, Call};
use crate::page::admin::people::UserForm;
use crate::page::field;
use crate::page::notice::Wrong;

pub(crate) const GET: Operation = shown("The console: make an account");

pub(crate) async fn get(call: Call) -> Answer {
    let known = role_names(&call).await?;
    call.page(&form(&call, "", "", &known, &[role::USER.to_owned()], &Wrong::default()))
}

pub(crate) const POST: Operation = Operation {
    takes: &[
        Field::text("email", "An e-mail address", "ada@example.com"),
        Field::text("phone_number", "E.164, or nothing", "+4915112345678").optional(),
    ],
    ..done("The console: make an account")
};

pub(crate) async fn post(call: Call) -> Answer {
    let known = role_names(&call).await?;
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let roles = chosen(&fields, &known);
    let (email, phone) = (fields.text("email"), fields.optional_text("phone_number").unwrap_or_default());
    fields.finish()?;
    let number = Some(phone.as_str()).filter(|phone| !phone.trim().is_empty());
    match call.engine.create_account(&email, number, None, roles.clone(), &call.client()).await {
        Ok(account) => go_on(&format!("{HERE}/{}?done=1", account.id)),
        Err(error) => {
            let (denied, wrong) = wrong_with(error)?;
            call.refusal(&denied, &form(&call, &email, &phone, &known, &roles, &wrong))
        }
    }
}

fn form<'a>(
    call: &'a Call,
    email: &str,
    phone: &str,
    known: &[String],
    chosen: &[String],
    wrong: &Wrong,
) -> UserForm<'a> {
    UserForm {
        frame: frame(call, "New user").wrong_if(!wrong.is_empty()),
        here: HERE,
        notice: wrong.summary(),
        action: format!("{HERE}/new"),
        email: field::Field::new("email", "E-mail address", "email")
            .value(email)
            .judged(wrong)
            .first(wrong)
            .done(),
        phone: phone_field(phone, wrong),
        roles: known.iter().map(|name| (name.clone(), chosen.contains(name))).collect(),
        wrong_roles: wrong.of("roles"),
        about: "A mail invites this person to choose a password.",
        button: "Make the account",
        back: HERE.to_owned(),
    }
}
