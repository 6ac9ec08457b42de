//! `GET|POST /admin/users/{id}/edit`: changes the address, the phone number and the roles of an account.

use super::{HERE, chosen, done, frame, phone_field, role_names, wrong_with};
use crate::flow::accounts::AccountChange;
use crate::http::admin::shown;
use crate::http::api::admin::users::found;
use crate::http::body::Fields;
use crate::http::html::go_on;
use crate::http::operation::{Field, Operation};
use crate::http::{Answer, Call};
use crate::page::admin::people::UserForm;
use crate::page::field;
use crate::page::notice::Wrong;

pub(crate) const GET: Operation = shown("The console: change an account");

pub(crate) async fn get(call: Call) -> Answer {
    let user = found(&call).await?;
    let known = role_names(&call).await?;
    let phone = user.phone_number.as_ref().map(|phone| phone.as_str().to_owned()).unwrap_or_default();
    let shown =
        form(&call, &user.id.to_string(), [&user.email, &phone], &known, &user.roles, &Wrong::default());
    call.page(&shown)
}

pub(crate) const POST: Operation = Operation {
    takes: &[
        Field::text("email", "An e-mail address", "ada@example.com"),
        Field::text("phone_number", "E.164, or nothing", "+4915112345678").optional(),
    ],
    ..done("The console: change an account")
};

pub(crate) async fn post(call: Call) -> Answer {
    let user = found(&call).await?;
    let known = role_names(&call).await?;
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let roles = chosen(&fields, &known);
    let (email, phone) = (fields.text("email"), fields.optional_text("phone_number").unwrap_or_default());
    fields.finish()?;
    let change = AccountChange {
        is_active: None,
        roles: Some(roles.clone()),
        email: Some(email.clone()),
        phone_number: Some(Some(phone.clone()).filter(|phone| !phone.trim().is_empty())),
    };
    match call.engine.change_account(user.id, change, &call.client()).await {
        Ok(_) => go_on(&format!("{HERE}/{}?done=1", user.id)),
        Err(error) => {
            let (denied, wrong) = wrong_with(error)?;
            let id = user.id.to_string();
            call.refusal(&denied, &form(&call, &id, [&email, &phone], &known, &roles, &wrong))
        }
    }
}

fn form<'a>(
    call: &'a Call,
    id: &str,
    [email, phone]: [&String; 2],
    known: &[String],
    chosen: &[String],
    wrong: &Wrong,
) -> UserForm<'a> {
    UserForm {
        frame: frame(call, "Edit user").wrong_if(!wrong.is_empty()),
        here: HERE,
        notice: wrong.summary(),
        action: format!("{HERE}/{id}/edit"),
        email: field::Field::new("email", "E-mail address", "email").value(email).judged(wrong).done(),
        phone: phone_field(phone, wrong),
        roles: known.iter().map(|name| (name.clone(), chosen.contains(name))).collect(),
        wrong_roles: wrong.of("roles"),
        about: "A new address has to be confirmed anew. Roles are in force on this person's next request.",
        button: "Save",
        back: format!("{HERE}/{id}"),
    }
}
