//! How does the user agent of a session rest in few bytes?
//!
//! It is the longest thing in a session's row, and nearly all of it is the same few words for
//! everybody. Each of them becomes one control character, which no user agent has in it.

/// What a text begins with that is not as it was.
const MARK: char = '\u{1}';
/// What the first of the words becomes.
const FIRST: u32 = 2;

/// The words, longer ones before those that they begin with. What rests is read by it: a word is
/// added at the end alone, and none is ever changed.
const WORDS: [&str; 26] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:",
    "Mozilla/5.0 (X11; Linux x86_64; rv:",
    "Mozilla/5.0 (iPhone; CPU iPhone OS ",
    "Mozilla/5.0 (iPad; CPU OS ",
    "Mozilla/5.0 (Android ",
    "Mozilla/5.0 (Linux; Android ",
    "Mozilla/5.0 (",
    ") AppleWebKit/537.36 (KHTML, like Gecko) Chrome/",
    ") Gecko/20100101 Firefox/",
    "537.36 (KHTML, like Gecko) Chrome/",
    " like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) ",
    "605.1.15 (KHTML, like Gecko) Version/",
    ".0.0.0 Mobile Safari/537.36",
    ".0.0.0 Safari/537.36",
    " Safari/537.36",
    " Mobile/15E148 Safari/604.1",
    " Safari/605.1.15",
    "; Mobile; rv:",
    " Edg/",
    ".0.0.0",
];

/// The user agent as it rests.
pub(super) fn short(whole: String) -> String {
    if whole.starts_with(MARK) {
        return format!("{MARK}{MARK}{whole}");
    }
    if whole.chars().any(char::is_control) {
        return whole;
    }
    let mut short = String::from(MARK);
    let mut rest = whole.as_str();
    while let Some(next) = rest.chars().next() {
        let word = (FIRST..).zip(WORDS).find_map(|(code, word)| Some((code, rest.strip_prefix(word)?)));
        let (c, after) = match word {
            Some((code, after)) => (char::from_u32(code).unwrap_or(next), after),
            None => (next, &rest[next.len_utf8()..]),
        };
        short.push(c);
        rest = after;
    }
    if short.len() < whole.len() { short } else { whole }
}

/// The user agent as it was.
pub(super) fn whole(short: String) -> String {
    let Some(rest) = short.strip_prefix(MARK) else { return short };
    if let Some(whole) = rest.strip_prefix(MARK) {
        return whole.to_owned();
    }
    let mut whole = String::with_capacity(short.len() * 4);
    for c in rest.chars() {
        let word = u32::from(c).checked_sub(FIRST).and_then(|n| WORDS.get(usize::try_from(n).ok()?));
        match word {
            Some(word) => whole.push_str(word),
            None => whole.push(c),
        }
    }
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_of_browsers_become_short() {
        for (agent, most) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", 13),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
                6,
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Mobile/15E148 Safari/604.1",
                22,
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36",
                6,
            ),
        ] {
            let short = short(agent.to_owned());
            assert!(short.len() <= most, "{} bytes: {short:?}", short.len());
            assert_eq!(whole(short), agent);
        }
    }

    /// What rests is read by it: what a word became in one release is that word in every other.
    #[test]
    fn what_rests_is_read_by_every_release() {
        let rests = "\u{1}\u{2}1\u{15}, \u{3}\u{4}\u{5}\u{6}\u{7}\u{8}\u{9}\u{a}\u{b}\u{c}\u{d}\u{e}\u{1b}";
        let reads = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1\
                     .0.0.0 Safari/537.36, Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/\
                     Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/\
                     Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/\
                     Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:\
                     Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:\
                     Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:\
                     Mozilla/5.0 (X11; Linux x86_64; rv:\
                     Mozilla/5.0 (iPhone; CPU iPhone OS \
                     Mozilla/5.0 (iPad; CPU OS \
                     Mozilla/5.0 (Android \
                     Mozilla/5.0 (Linux; Android \
                     Mozilla/5.0 (.0.0.0";
        assert_eq!(whole(rests.to_owned()), reads);
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in "(\u{1}|\u{2}|\u{1b}|\n|Mozilla/5\\.0 \\(|\\.0\\.0\\.0| Edg/|; rv:|.){0,40}") {
            let rests = short(text.clone());
            prop_assert!(rests.len() <= text.len() + 2);
            prop_assert_eq!(whole(rests), text);
        }
    }
}
