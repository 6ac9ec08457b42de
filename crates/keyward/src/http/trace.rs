//! Of whose trace is a request a part (W3C Trace Context, Level 1)?

use std::fmt;

use http::HeaderMap;

use crate::clock;

/// The trace that a caller named, and what this request is called in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trace {
    id: u128,
    parent: u64,
    span: u64,
}

impl Trace {
    /// What `traceparent` says (§3.2). One that is malformed, or there twice, says nothing.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all("traceparent").iter();
        let (Some(only), None) = (lines.next(), lines.next()) else { return None };
        let (id, parent) = parse(only.as_bytes())?;
        // 0 would be no name.
        Some(Self { id, parent, span: u64::from_be_bytes(clock::random()).max(1) })
    }

    /// The id of the whole trace.
    pub(super) fn id(&self) -> impl fmt::Display + use<> {
        let id = self.id;
        fmt::from_fn(move |f| write!(f, "{id:032x}"))
    }

    /// The caller's part of it.
    pub(super) fn parent(&self) -> impl fmt::Display + use<> {
        let parent = self.parent;
        fmt::from_fn(move |f| write!(f, "{parent:016x}"))
    }

    /// This request's part of it.
    pub(super) fn span(&self) -> impl fmt::Display + use<> {
        let span = self.span;
        fmt::from_fn(move |f| write!(f, "{span:016x}"))
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>`; of a later version what that begins with (§3.2.4).
fn parse(text: &[u8]) -> Option<(u128, u64)> {
    let (known, rest) = text.split_at_checked(55)?;
    let version = hex(&known[..2])?;
    let whole = rest.is_empty() || (version > 0 && rest[0] == b'-');
    let dashed = [2, 35, 52].iter().all(|at| known[*at] == b'-');
    if version == 0xff || !whole || !dashed {
        return None;
    }
    let (id, parent) = (hex(&known[3..35])?, hex(&known[36..52])?);
    hex(&known[53..])?;
    Some((id, u64::try_from(parent).ok()?)).filter(|(id, parent)| *id != 0 && *parent != 0)
}

/// A number in lower-case hexadecimal.
fn hex(digits: &[u8]) -> Option<u128> {
    let lower = digits.iter().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(b));
    let text = std::str::from_utf8(digits).ok().filter(|_| lower)?;
    u128::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn of(lines: &[&str]) -> Option<Trace> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append("traceparent", line.parse().expect("a value"));
        }
        Trace::of(&headers)
    }

    #[test]
    fn a_callers_trace_is_taken_over_and_goes_on_with_a_span_of_ours() {
        let trace = of(&[GOOD]).expect("a trace");
        assert_eq!(trace.id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent().to_string(), "00f067aa0ba902b7");
        assert_eq!(trace.span().to_string().len(), 16);
        let again = of(&[GOOD]).expect("a trace");
        assert!(again.span != trace.span && trace.span != trace.parent);
        for later in [
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-what-comes",
            &format!("01{}", &GOOD[2..]),
        ] {
            assert_eq!(of(&[later]).expect(later).id, trace.id);
        }
    }

    #[test]
    fn what_is_malformed_says_nothing() {
        for bad in [
            "",
            "00",
            &GOOD[..54],
            &format!("{GOOD}0"),
            &format!("{GOOD}-01"),
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01",
            "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0+",
            "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01what",
        ] {
            assert_eq!(of(&[bad]), None, "{bad}");
        }
        assert_eq!(of(&[GOOD, GOOD]), None);
    }
}
