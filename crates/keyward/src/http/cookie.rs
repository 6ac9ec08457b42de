//! How do tokens travel in cookies, and which of those that came count?
//!
//! Three cookies (RFC 6265): access and refresh token, readable by no script, and the hint, which
//! holds no secret and which no sibling host can plant. The first two count only beside the hint
//! of their own session, so that a planted or left-over twin neither signs anyone in nor locks
//! anyone out.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue, SET_COOKIE};
use keyward_core::policy::Policy;
use keyward_core::session::Transport;
use zeroize::Zeroizing;

use crate::diagnosis::DiagnosedCookie;
use crate::flow::Grant;

/// How many cookies of one name are looked at: more are an attack, not a browser.
const TWINS: usize = 8;
/// How many refresh cookies are: a sibling host can plant some before the real one, and opening one
/// is but a MAC.
const REFRESH_TWINS: usize = 64;

/// The names of the three cookies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) access: &'static str,
    pub(crate) refresh: &'static str,
    pub(crate) hint: &'static str,
    secure: bool,
}

impl Names {
    /// Bound to HTTPS and the host; on plain HTTP, which only loopback may be, without.
    pub(crate) const fn new(secure: bool) -> Self {
        if secure {
            Self {
                access: "__Host-keyward_access",
                refresh: "__Secure-keyward_refresh",
                hint: "__Host-keyward_hint",
                secure,
            }
        } else {
            Self { access: "keyward_access", refresh: "keyward_refresh", hint: "keyward_hint", secure }
        }
    }

    /// The cookies as a login sets them.
    pub(crate) fn described(&self, policy: &Policy) -> Vec<DiagnosedCookie> {
        let (access, refresh) = (policy.access_ttl.as_secs(), policy.refresh_ttl.as_secs());
        let of = |name, path, age, http_only| DiagnosedCookie {
            name,
            attributes: self.attributes(path, i64::try_from(age).unwrap_or(i64::MAX), http_only),
        };
        vec![
            of(self.access, "/", access, true),
            of(self.refresh, "/api/auth", refresh, true),
            of(self.hint, "/", refresh, false),
        ]
    }

    /// The attributes of a cookie, each after `; `.
    fn attributes(&self, path: &str, age: i64, http_only: bool) -> String {
        let http_only = if http_only { "; HttpOnly" } else { "" };
        let secure = if self.secure { "; Secure" } else { "" };
        format!("{http_only}{secure}; SameSite=Lax; Path={path}; Max-Age={}", age.max(0))
            .trim_start_matches("; ")
            .to_owned()
    }

    /// Sets the cookies that a grant brings: the access token, and with a new refresh token that
    /// and the hint.
    pub(crate) fn set(&self, grant: &Grant, headers: &mut HeaderMap) {
        if let Some(token) = &grant.access_token {
            let age = grant.expires_at.seconds() - grant.now.seconds();
            self.append(headers, self.access, token, "/", age, true);
        }
        if let Some(token) = &grant.refresh_token {
            let age = grant.refresh_expires_at.seconds() - grant.now.seconds();
            self.append(headers, self.refresh, token, "/api/auth", age, true);
            let hint = format!(
                "v1.{}.{}.{}",
                grant.loaded.session.id.tag(),
                grant.refresh_expires_at.seconds(),
                grant.expires_at.seconds()
            );
            self.append(headers, self.hint, &hint, "/", age, false);
        }
    }

    /// Clears those of the three that came with a request.
    pub(crate) fn clear(&self, came: &HeaderMap, headers: &mut HeaderMap) {
        for (name, path, http_only) in
            [(self.access, "/", true), (self.refresh, "/api/auth", true), (self.hint, "/", false)]
        {
            if self.ours(came).any(|(came, _)| came == name) {
                self.append(headers, name, "", path, 0, http_only);
            }
        }
    }

    fn append(
        &self,
        headers: &mut HeaderMap,
        name: &str,
        value: &str,
        path: &str,
        age: i64,
        http_only: bool,
    ) {
        let attributes = self.attributes(path, age, http_only);
        let cookie = Zeroizing::new(format!("{name}={value}; {attributes}"));
        if let Ok(mut value) = HeaderValue::try_from(cookie.as_str()) {
            value.set_sensitive(true);
            headers.append(SET_COOKIE, value);
        }
    }

    /// The cookies of a request that speak of sessions.
    pub(crate) fn read<'a>(&self, headers: &'a HeaderMap) -> Cookies<'a> {
        let mut cookies = Cookies::default();
        for (name, value) in self.ours(headers) {
            let (list, most, value) = if name == self.access {
                (&mut cookies.access, TWINS, Some(value))
            } else if name == self.refresh {
                (&mut cookies.refresh, REFRESH_TWINS, Some(value))
            } else {
                (&mut cookies.hints, TWINS, hint_tag(value))
            };
            if let Some(value) = value.filter(|value| !value.is_empty() && list.len() < most) {
                list.push(value);
            }
        }
        cookies
    }

    /// Those of the three in all `Cookie` lines, in order: name and value. Only spaces and tabs are
    /// trimmed: a name that looks alike is another name. Another site's cookie that is no UTF-8 hides
    /// none.
    fn ours<'a>(&self, headers: &'a HeaderMap) -> impl Iterator<Item = (&'static str, &'a str)> {
        let names = [self.access, self.refresh, self.hint];
        let lines = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes);
        lines.flat_map(parts).filter_map(move |part| {
            let (name, value) = part.split_at(part.iter().position(|b| *b == b'=')?);
            // A header holds no other blanks than those two.
            let name = names.into_iter().find(|ours| ours.as_bytes() == name.trim_ascii())?;
            Some((name, std::str::from_utf8(value[1..].trim_ascii()).ok()?))
        })
    }
}

/// The cookies that came with a request. `hints` are the tags of the sessions that a hint names.
#[derive(Debug, Default)]
pub(crate) struct Cookies<'a> {
    pub(crate) access: Vec<&'a str>,
    pub(crate) refresh: Vec<&'a str>,
    pub(crate) hints: Vec<&'a str>,
}

impl Cookies<'_> {
    /// Whether a hint names the session of that tag.
    pub(crate) fn hint_names(&self, tag: &str) -> bool {
        self.hints.contains(&tag)
    }
}

/// The tag in the value of a hint cookie.
fn hint_tag(value: &str) -> Option<&str> {
    let (tag, deadlines) = value.strip_prefix("v1.")?.split_once('.')?;
    let (session, access) = deadlines.split_once('.')?;
    let numbers = [session, access].iter().all(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    (tag.len() == 16 && numbers).then_some(tag)
}

/// What stands between the semicolons. A line is long and there for each request, so it is searched
/// many bytes at a time.
fn parts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    memchr::memchr_iter(b';', line).chain([line.len()]).map(move |end| {
        let part = &line[start..end];
        start = end + 1;
        part
    })
}

/// How a request that names no transport gets its tokens: a browser in cookies.
pub(crate) fn default_transport(headers: &HeaderMap) -> Transport {
    if super::csrf::is_browser(headers) { Transport::Cookie } else { Transport::Bearer }
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward_core::id::SessionId;

    fn headers(lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).expect("a header"));
        }
        headers
    }

    #[test]
    fn names_are_matched_byte_for_byte() {
        let lines: [&[u8]; 7] = [
            b"__HOST-keyward_access=a",
            b"\xe2\x80\x80__Host-keyward_access=b",
            b"=__Host-keyward_access=c",
            b"$Version=1; x=__Host-keyward_access=d",
            b"\"__Host-keyward_access\"=e",
            b"__Host-keyward_access%20=f",
            b"__Host-keyward_acces=g",
        ];
        for line in lines {
            assert_eq!(Names::new(true).read(&headers(&[line])).access.len(), 0, "{line:?}");
        }
    }

    #[test]
    fn all_values_are_found_in_one_line_or_several() {
        let headers =
            headers(&[b"a=1;keyward_access=x ; keyward_access=y", b"\tkeyward_access=z; keyward_access="]);
        assert_eq!(Names::new(false).read(&headers).access, ["x", "y", "z"]);
    }

    #[test]
    fn a_line_that_is_no_text_hides_no_cookie() {
        let headers = headers(&[b"other=\xff\xfe; keyward_access=x"]);
        assert_eq!(Names::new(false).read(&headers).access, ["x"]);
    }

    #[test]
    fn a_flood_of_twins_is_cut() {
        let line = "keyward_access=x; ".repeat(1_000);
        let headers = headers(&[line.as_bytes()]);
        assert_eq!(Names::new(false).read(&headers).access.len(), TWINS);
    }

    #[test]
    fn planted_twins_of_the_refresh_cookie_leave_room_for_the_real_one() {
        let line = format!("{}keyward_refresh=real", "keyward_refresh=planted; ".repeat(REFRESH_TWINS - 1));
        let headers = headers(&[line.as_bytes()]);
        let refresh = Names::new(false).read(&headers).refresh;
        assert_eq!((refresh.len(), refresh.last()), (64, Some(&"real")));
    }

    #[test]
    fn a_hint_names_a_session_or_nothing() {
        let tag = SessionId::from_bytes([1; 16]).tag();
        assert_eq!(hint_tag(&format!("v1.{tag}.123.456")), Some(tag.as_str()));
        for bad in [
            "",
            "v1",
            "v2.abc.1.2",
            "v1.short.1.2",
            &format!("v1.{tag}.1"),
            &format!("v1.{tag}.x.2"),
            &format!("v1.{tag}..2"),
        ] {
            assert_eq!(hint_tag(bad), None, "{bad}");
        }
    }
}
