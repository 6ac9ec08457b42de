//! Is this an e-mail address, and which one?

use std::fmt;
use std::str::FromStr;

use email_address::{EmailAddress, Options};
use serde::Serialize;

/// An e-mail address as accounts hold it: trimmed, valid (RFC 5321 §4.1.2), lower-cased, in ASCII.
///
/// The whole address is lower-cased: RFC 5321 leaves the local part to its host, yet no host in
/// use tells two people apart by case, and people do mistype it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// A text that is no e-mail address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidEmail;

impl fmt::Display for InvalidEmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an e-mail address")
    }
}

impl std::error::Error for InvalidEmail {}

impl Email {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Email {
    type Err = InvalidEmail;

    fn from_str(text: &str) -> Result<Self, InvalidEmail> {
        // ASCII alone: two spellings in Unicode that look alike, or fold to one another, would
        // be two accounts for one person, or one account for two.
        let text = text.trim_matches([' ', '\t', '\r', '\n']);
        if text.len() > 254 || !text.bytes().all(|b| b.is_ascii_graphic()) || text.contains('"') {
            return Err(InvalidEmail);
        }
        let options = Options::default().with_required_tld().without_domain_literal().without_display_text();
        let address = EmailAddress::parse_with_options(text, options).map_err(|_| InvalidEmail)?;
        let mut address = String::from(address);
        address.make_ascii_lowercase();
        Ok(Self(address))
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_one_form() {
        for text in ["ada@example.com", " Ada@Example.COM ", "ADA@EXAMPLE.COM\n"] {
            assert_eq!(text.parse::<Email>().expect(text).as_str(), "ada@example.com");
        }
        for text in ["a+b@example.com", "o'neil@example.co.uk", "x@xn--bcher-kva.example"] {
            assert_eq!(text.parse::<Email>().expect(text).as_str(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ada@localhost",
            "a b@example.com",
            "a@@example.com",
            "Ada <ada@example.com>",
            "ada@[127.0.0.1]",
            "ada@example.com.",
            "a..b@example.com",
            ".a@example.com",
            "\"a b\"@example.com",
            "a\0@example.com",
            "a@exa\u{212a}mple.com",
            "\u{ff41}da@example.com",
            "ada@ex\u{131}t.com",
            "a@b.com,c@d.com",
            "a@example.com\r\nBcc: x@y.z",
            &format!("{}@example.com", "a".repeat(65)),
            &format!("a@{}.com", "b".repeat(255)),
        ] {
            assert_eq!(text.parse::<Email>(), Err(InvalidEmail), "{text:?}");
        }
    }
}
