//! Where does a page go on to? `?next=`, a path of this origin as a browser parses it, and no other
//! place.

use http::Uri;

use super::Call;
use super::body::Fields;
use super::operation::Field;

/// Where one goes on who came from nowhere.
pub(super) const START: &str = "/";

/// Where to go on, a path of this origin.
pub(super) const NEXT: Field =
    Field::text("next", "Where to go on, a path of this origin", "/tasks").optional();

/// How long a path may be, in bytes.
const LENGTH: usize = 2_048;

impl Call {
    /// Where its query goes on.
    pub(super) fn next(&self) -> String {
        of_query(self.uri.query()).unwrap_or_else(|| START.to_owned())
    }
}

/// Where a form goes on.
pub(super) fn of_form(fields: &mut Fields) -> String {
    let named = fields.optional_text("next");
    named.and_then(|text| of_text(&text)).unwrap_or_else(|| START.to_owned())
}

/// The page that a query names in `next`; `None` where it names none, or any place elsewhere.
fn of_query(query: Option<&str>) -> Option<String> {
    let named = query.into_iter().flat_map(|q| q.split('&')).filter_map(|pair| pair.strip_prefix("next="));
    let mut named = named.map(decode);
    match (named.next().flatten(), named.next()) {
        (Some(path), None) => of_text(&path),
        _ => None,
    }
}

/// The page that this text names, as a form gives back what a query said. Other than printable ASCII
/// is sent on in its encoded form.
pub(crate) fn of_text(text: &str) -> Option<String> {
    let path: String = text
        .bytes()
        .map(|b| if b.is_ascii_graphic() { char::from(b).to_string() } else { format!("%{b:02X}") })
        .collect();
    is_path_here(&path).then_some(path)
}

/// The address of this page with `next` in its query.
pub(crate) fn with_next(page: &str, next: &str) -> String {
    format!("{page}?next={}", encode(next))
}

/// The path and the query of a request, to come back to.
pub(crate) fn back_to(uri: &Uri) -> String {
    uri.path_and_query().and_then(|path| of_text(path.as_str())).unwrap_or_else(|| START.to_owned())
}

/// Whether a browser takes this for a path of the origin that it is on (WHATWG URL §4.4): it skips
/// tabs and line ends, and reads `\` as `/`.
fn is_path_here(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.len() <= LENGTH
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// Percent-decodes once (RFC 3986 §2.1); what is left encoded stays so.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                // `from_str_radix` takes a sign, too.
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(out).ok()
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_stays_on_its_origin() {
        for (query, expected) in [
            ("next=/tasks", "/tasks"),
            ("next=%2Ftasks%3Fa%3Db%26c", "/tasks?a=b&c"),
            ("next=/a%20b", "/a%20b"),
            ("next=/caf%C3%A9", "/caf%C3%A9"),
            ("x=1&next=/tasks", "/tasks"),
            ("next=/%0D%0ASet-Cookie:x", "/%0D%0ASet-Cookie:x"),
        ] {
            let next = of_query(Some(query)).expect(query);
            assert_eq!(next, expected, "{query}");
            assert_eq!(of_text(&next).as_deref(), Some(expected), "a form gives it back");
            let again = with_next("/login", &next);
            assert_eq!(of_query(again.split_once('?').map(|(_, q)| q)).as_deref(), Some(expected), "{again}");
        }
        let long = format!("next=/{}", "a".repeat(10_000));
        for hostile in [
            "",
            "next=",
            "next=//e.example",
            "next=/%5Ce.example",
            "next=%5C%5Ce.example",
            "next=https:e.example",
            "next=%2F%2Fe.example",
            "next=@e.example",
            "next=javascript:alert(1)",
            "next=data:x",
            "next=/a&next=//e",
            "next=%",
            "next=/%zz",
            "next=/%+f",
            "next=/%ff",
            "next=.e.example",
            "next=%09/e.example",
            &long,
        ] {
            assert_eq!(of_query(Some(hostile)), None, "{hostile}");
        }
        // What a browser would skip is encoded, so that it skips nothing.
        for hostile in ["next=/%09/e.example", "next=/%0A/e.example", "next=/%0d%0a/e.example"] {
            let next = of_query(Some(hostile)).expect("a path");
            assert!(next.starts_with("/%") && is_path_here(&next), "{next}");
        }
    }
}
