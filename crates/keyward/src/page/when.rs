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

/// A text in which moments stand, to the second.
#[derive(Debug, Clone, Template)]
#[template(
    source = "{% for part in parts %}{% match part %}\
              {% when Part::Text with (text) %}{{ text }}\
              {% when Part::Moment with (at) %}<time datetime=\"{{ at }}\" data-seconds>{{ at }}</time>\
              {% endmatch %}{% endfor %}",
    ext = "html"
)]
pub(crate) struct Told {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    Moment(String),
}

impl HtmlSafe for Told {}

/// This text, in which a script can say the moments by the reader's clock.
pub(crate) fn told(text: &str) -> Told {
    let mut parts = Vec::new();
    for word in text.split_inclusive(' ') {
        let moment = word.trim_end_matches([' ', '.', ',', ':', ';', ')']);
        match (moment.parse::<Timestamp>(), parts.last_mut()) {
            (Ok(_), _) => {
                parts.push(Part::Moment(moment.to_owned()));
                parts.push(Part::Text(word[moment.len()..].to_owned()));
            }
            (Err(_), Some(Part::Text(before))) => before.push_str(word),
            (Err(_), _) => parts.push(Part::Text(word.to_owned())),
        }
    }
    Told { parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_words_and_its_moments_are_marked() {
        let text = "2027-01-15T08:00:00Z: <b> ended on 2027-01-15T09:00:00Z.";
        let html = told(text).to_string();
        assert_eq!(
            html,
            "<time datetime=\"2027-01-15T08:00:00Z\" data-seconds>2027-01-15T08:00:00Z</time>: &#60;b&#62; \
             ended on <time datetime=\"2027-01-15T09:00:00Z\" data-seconds>2027-01-15T09:00:00Z</time>."
        );
        assert_eq!(told("no moment, 2027-13-01T00:00:00Z").to_string(), "no moment, 2027-13-01T00:00:00Z");
    }

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
