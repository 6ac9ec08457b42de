//! When was it? In words, and so that a script can say it by the reader's clock.

use askama::Template;
use askama::filters::HtmlSafe;
use keyward_core::time::Timestamp;

/// A moment: `15 Jan 2027, 08:00 UTC`.
#[derive(Debug, Clone, Template)]
#[template(source = "<time datetime=\"{{ exact }}\">{{ told }}</time>", ext = "html")]
pub(crate) struct When {
    exact: String,
    told: String,
}

impl HtmlSafe for When {}

impl From<Timestamp> for When {
    fn from(at: Timestamp) -> Self {
        const MONTHS: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        // RFC 3339 in UTC, always of this shape.
        let exact = at.to_string();
        let part = |from: usize, to: usize| exact.get(from..to).unwrap_or_default();
        let month = part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.wrapping_sub(1)));
        let day = part(8, 10).trim_start_matches('0');
        let told = format!("{day} {} {}, {} UTC", month.unwrap_or(&""), part(0, 4), part(11, 16));
        Self { exact, told }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_to_people_and_to_scripts() {
        let at = Timestamp::from_seconds(1_800_000_000);
        assert_eq!(
            When::from(at).to_string(),
            "<time datetime=\"2027-01-15T08:00:00Z\">15 Jan 2027, 08:00 UTC</time>"
        );
        assert!(When::from(Timestamp::from_seconds(0)).to_string().contains("1 Jan 1970, 00:00 UTC"));
    }
}
