//! `GET /admin/roles`, `GET|POST /admin/roles/edit`, `POST /admin/roles/delete`: what may people do?

use super::{done, frame, notice, shown, told};
use crate::http::body::Fields;
use crate::http::html::{go_on, query_field};
use crate::http::operation::{Field, Operation};
use crate::http::{Answer, Call};
use crate::page::admin::lists::{Role, Roles};
use crate::page::field;
use crate::page::notice::Wrong;

const HERE: &str = "/admin/roles";

pub(crate) const GET: Operation = shown("The console: the roles");

pub(crate) async fn get(call: Call) -> Answer {
    let roles = call.engine.list_roles().await?;
    call.page(&Roles {
        frame: frame(&call, "Roles"),
        here: HERE,
        notice: notice(&call, &Wrong::default(), "Done. It is in force."),
        roles,
    })
}

/// `GET|POST /admin/roles/edit`
pub(crate) mod edit {
    use super::*;

    pub(crate) const GET: Operation = Operation {
        query: &[Field::text("name", "Which; without it a new one", "support").optional()],
        ..shown("The console: make or change a role")
    };

    pub(crate) async fn get(call: Call) -> Answer {
        let name = query_field(call.uri.query(), "name").unwrap_or_default();
        let roles = call.engine.list_roles().await?;
        let known = roles.into_iter().find(|role| role.name == name);
        let deletable = known.as_ref().is_some_and(|role| !role.built_in);
        let permissions = known.map(|role| role.permissions.join("\n")).unwrap_or_default();
        call.page(&form(&call, &name, permissions, deletable, &Wrong::default()))
    }

    pub(crate) const POST: Operation = Operation {
        takes: &[
            Field::text("name", "What it is called", "support"),
            Field::text("permissions", "One a line", "jobs:write").optional(),
        ],
        ..done("The console: make or change a role")
    };

    pub(crate) async fn post(call: Call) -> Answer {
        let mut fields = Fields::of_form(&call.headers, &call.body)?;
        let (name, text) = (fields.text("name"), fields.optional_text("permissions").unwrap_or_default());
        fields.finish()?;
        let permissions = text.split([' ', ',', '\n', '\r', '\t']).filter(|text| !text.is_empty());
        let permissions: Vec<String> = permissions.map(str::to_owned).collect();
        match call.engine.set_role(name.trim(), permissions, &call.client()).await {
            Ok(_) => go_on(&format!("{HERE}?done=1")),
            Err(error) => {
                let denied = told(error)?;
                call.refusal(&denied, &form(&call, &name, text, false, &Wrong::told_by(&denied)))
            }
        }
    }
}

/// `POST /admin/roles/delete`
pub(crate) mod delete {
    use super::*;

    pub(crate) const POST: Operation =
        Operation { takes: &[Field::text("name", "Which", "support")], ..done("The console: delete a role") };

    pub(crate) async fn post(call: Call) -> Answer {
        let mut fields = Fields::of_form(&call.headers, &call.body)?;
        let name = fields.text("name");
        fields.finish()?;
        call.engine.delete_role(&name, &call.client()).await?;
        go_on(&format!("{HERE}?done=1"))
    }
}

fn form<'a>(call: &'a Call, name: &str, permissions: String, deletable: bool, wrong: &Wrong) -> Role<'a> {
    let title = if name.is_empty() { "New role".to_owned() } else { format!("Role {name}") };
    Role {
        frame: frame(call, title).wrong_if(!wrong.is_empty()),
        here: HERE,
        notice: wrong.summary(),
        name: field::Field::new("name", "Name", "text").value(name).judged(wrong).done(),
        permissions,
        wrong: wrong.of("permissions"),
        deletable,
        deleted: name.to_owned(),
    }
}
