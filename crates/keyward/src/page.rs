//! What stands in the pages that people see? Plain HTML, which works without a line of script.
//!
//! A page is a text; its address, its status and its headers are the affair of `http`. Whatever
//! comes from outside is escaped where it is put in.

pub(crate) mod forgot;
pub(crate) mod mailbox;
pub(crate) mod reset;
pub(crate) mod verify_email;

use crate::mail::escaped;

/// A page of this title and this content, which is HTML.
pub(crate) fn document(title: &str, content: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <main>\n<h1>{title}</h1>\n{content}</main>\n</html>\n",
        title = escaped(title)
    )
}

/// What went wrong, for who filled in a form.
fn problems(problems: &[String]) -> String {
    if problems.is_empty() {
        return String::new();
    }
    let items: String = problems.iter().map(|text| format!("<li>{}</li>\n", escaped(text))).collect();
    format!("<ul role=\"alert\">\n{items}</ul>\n")
}
