//! `GET|POST /admin/users/{id}/delete`: deletes an account, once its address was typed.

use super::{HERE, done, frame};
use crate::error::{Denied, FieldError};
use crate::flow::search::AccountView;
use crate::http::admin::{shown, told};
use crate::http::api::admin::users::found;
use crate::http::body::Fields;
use crate::http::html::go_on;
use crate::http::operation::{Field, Operation};
use crate::http::{Answer, Call};
use crate::page::admin::Confirm;
use crate::page::field;
use crate::page::notice::Wrong;

pub(crate) const GET: Operation = shown("The console: ask before an account is deleted");

pub(crate) async fn get(call: Call) -> Answer {
    let user = found(&call).await?;
    call.page(&form(&call, &user, "", &Wrong::default()))
}

pub(crate) const POST: Operation = Operation {
    takes: &[Field::text("confirm", "The address of the account", "ada@example.com")],
    ..done("The console: delete an account")
};

pub(crate) async fn post(call: Call) -> Answer {
    let user = found(&call).await?;
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let confirm = fields.text("confirm");
    fields.finish()?;
    let did = if confirm.trim().eq_ignore_ascii_case(&user.email) {
        call.engine.delete_account(user.id, &call.client()).await
    } else {
        let message = format!("this is not {}; nothing was deleted", user.email);
        Err(Denied::invalid(vec![FieldError::new("confirm", message)]).into())
    };
    match did {
        Ok(()) => go_on(&format!("{HERE}?done=1")),
        Err(error) => {
            let denied = told(error)?;
            call.refusal(&denied, &form(&call, &user, &confirm, &Wrong::told_by(&denied)))
        }
    }
}

fn form<'a>(call: &'a Call, user: &AccountView, typed: &str, wrong: &Wrong) -> Confirm<'a> {
    let field = field::Field::new("confirm", "Type the address to confirm", "text");
    Confirm {
        frame: frame(call, format!("Delete {}?", user.email)).wrong_if(!wrong.is_empty()),
        here: HERE,
        notice: wrong.summary(),
        about: vec![
            "The account and its sessions are gone at once and for good; the events of it stay.".to_owned(),
        ],
        action: format!("{HERE}/{}/delete", user.id),
        field: Some(field.value(typed).judged(wrong).first(wrong).done()),
        button: "Delete the account",
        back: format!("{HERE}/{}", user.id),
    }
}
