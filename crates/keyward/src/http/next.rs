//! Where does a browser go on once it is signed in? A path of this origin, and nowhere else.

use http::HeaderMap;
use http::header::ACCEPT;

use super::csrf;

/// The page to come back to, as a browser would understand it; `/` for any other origin's.
pub(crate) fn of(query: Option<&str>) -> String {
    let named = query.into_iter().flat_map(|q| q.split('&')).filter_map(|pair| pair.strip_prefix("next="));
    let mut named = named.map(decode);
    match (named.next().flatten(), named.next()) {
        (Some(path), None) if is_path_here(&path) => path,
        _ => "/".to_owned(),
    }
}

/// Whether a browser takes this for a path of the origin that it is on (WHATWG URL §4.4): it skips
/// tabs and line ends, and reads `\` as `/`.
pub(crate) fn is_path_here(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.len() <= 2_048
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// Whether a browser asks for a page to show it, and no script or picture: what may be led on to
/// another page.
pub(crate) fn is_for_a_page(headers: &HeaderMap) -> bool {
    if headers.contains_key(csrf::SEC_FETCH_MODE) {
        return csrf::is_navigation(headers);
    }
    accepts_a_page(headers)
}

/// Whether the answer may be a page (RFC 9110 §12.5.1).
pub(crate) fn accepts_a_page(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| line.to_ascii_lowercase().contains("text/html"))
}

/// Percent-decodes once (RFC 3986 §2.1); what is left encoded stays so.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let decoded = String::from_utf8(out).ok()?;
    // A path that has other than printable ASCII is sent on in its encoded form.
    Some(
        decoded
            .bytes()
            .map(|b| if b.is_ascii_graphic() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect(),
    )
}

/// As a value of a query (RFC 3986 §2.1).
pub(crate) fn encode(text: &str) -> String {
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
        ] {
            assert_eq!(of(Some(query)), expected, "{query}");
        }
        let long = format!("next=/{}", "a".repeat(10_000));
        for hostile in [
            "",
            "next=",
            "next=//e.example",
            "next=/%5Ce.example",
            "next=%5C%5Ce.example",
            "next=https:e.example",
            "next=/%09/e.example",
            "next=%2F%2Fe.example",
            "next=@e.example",
            "next=javascript:alert(1)",
            "next=data:x",
            "next=/%0D%0ASet-Cookie:x",
            "next=/a&next=//e",
            "next=%",
            "next=/%zz",
            "next=.e.example",
            &long,
        ] {
            let next = of(Some(hostile));
            assert!(next == "/" || (next.starts_with('/') && is_path_here(&next)), "{hostile} -> {next}");
            assert!(
                !next.contains(['\r', '\n', '\t', '\\']) && !next.starts_with("//"),
                "{hostile} -> {next}"
            );
        }
        assert_eq!(of(Some("next=//e.example")), "/");
        assert_eq!(of(Some("next=/%5Ce.example")), "/");
    }
}
