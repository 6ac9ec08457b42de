//! Can this HS256 secret be guessed?
//!
//! Whoever has one token can try secrets at leisure, so one that a person made up is as good as
//! told (RFC 8725 §3.5). What is refused here is what was surely not drawn at random; that a
//! secret passes does not mean that it was.

use std::fmt;

/// RFC 7518 §3.2: as long as the hash.
const MIN_BYTES: usize = 32;
/// 32 random bytes have 30 different ones on average, 64 random hexadecimal digits nearly 16.
const MIN_DISTINCT: usize = 8;
/// What is left when familiar words are taken away must be as hard to guess as an AES-128 key.
const MIN_BITS: f64 = 128.0;
/// What people write into examples, and leave there.
const WORDS: [&[u8]; 14] = [
    b"secret",
    b"password",
    b"passwort",
    b"changeme",
    b"change",
    b"please",
    b"example",
    b"default",
    b"keyward",
    b"qwerty",
    b"letmein",
    b"insecure",
    b"development",
    b"production",
];

/// Why a secret can be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeakSecret {
    /// It has this many bytes, under 32.
    TooShort(usize),
    /// It consists of this many different bytes, over and over.
    FewBytes(usize),
    /// It repeats itself after this many bytes.
    Repeats(usize),
    /// It counts up or down.
    Sequence,
    /// Familiar words or a small alphabet leave too little to guess.
    Guessable,
}

impl fmt::Display for WeakSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort(bytes) => write!(f, "a secret of {bytes} bytes instead of 32 or more")?,
            Self::FewBytes(distinct) => write!(f, "a secret of only {distinct} different bytes")?,
            Self::Repeats(period) => write!(f, "a secret that repeats itself after {period} bytes")?,
            Self::Sequence => f.write_str("a secret that counts up or down")?,
            Self::Guessable => f.write_str("a secret of familiar words or too small an alphabet")?,
        }
        f.write_str("; `openssl rand -base64 32` makes a good one")
    }
}

impl std::error::Error for WeakSecret {}

/// Refuses an HS256 secret that is too short or was surely not drawn at random.
///
/// # Errors
/// [`WeakSecret`], which does not repeat the secret.
pub fn check_hs256_secret(secret: &[u8]) -> Result<(), WeakSecret> {
    if secret.len() < MIN_BYTES {
        return Err(WeakSecret::TooShort(secret.len()));
    }
    let mut seen = [false; 256];
    secret.iter().for_each(|byte| seen[usize::from(*byte)] = true);
    let distinct = seen.iter().filter(|seen| **seen).count();
    if distinct < MIN_DISTINCT {
        return Err(WeakSecret::FewBytes(distinct));
    }
    // At least twice, so that a random secret whose ends happen to agree is no repetition.
    let periods = 1..MIN_BYTES.min(secret.len() / 2 + 1);
    if let Some(period) = periods.into_iter().find(|p| secret[*p..] == secret[..secret.len() - p]) {
        return Err(WeakSecret::Repeats(period));
    }
    let mut steps = [0usize; 256];
    secret.windows(2).for_each(|pair| steps[usize::from(pair[1].wrapping_sub(pair[0]))] += 1);
    if steps.iter().any(|count| *count * 2 >= secret.len()) {
        return Err(WeakSecret::Sequence);
    }
    if bits(&without_words(secret)) < MIN_BITS {
        return Err(WeakSecret::Guessable);
    }
    Ok(())
}

fn without_words(secret: &[u8]) -> Vec<u8> {
    let mut rest = secret;
    let mut left = Vec::with_capacity(secret.len());
    while let Some((first, others)) = rest.split_first() {
        let word = WORDS
            .iter()
            .find(|word| rest.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word)));
        match word {
            Some(word) => rest = &rest[word.len()..],
            None => {
                left.push(*first);
                rest = others;
            }
        }
    }
    left
}

/// How many bits these bytes hold if each was drawn from the smallest alphabet that has them all.
fn bits(bytes: &[u8]) -> f64 {
    let has = |class: fn(&u8) -> bool| bytes.iter().any(class);
    let (digit, lower, upper) =
        (has(u8::is_ascii_digit), has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase));
    let punctuation = has(|b| b.is_ascii_punctuation() || *b == b' ');
    let hexadecimal = bytes.iter().all(u8::is_ascii_hexdigit) && lower != upper;
    let alphabet = if bytes.iter().any(|b| !b.is_ascii() || b.is_ascii_control()) {
        256
    } else if hexadecimal {
        16
    } else {
        [(digit, 10), (lower, 26), (upper, 26), (punctuation, 4)]
            .into_iter()
            .map(|(has, size)| if has { size } else { 0 })
            .sum()
    };
    bytes.len() as f64 * f64::from(alphabet.max(1)).log2()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_people_make_up_is_refused() {
        for (secret, expected) in [
            ("", WeakSecret::TooShort(0)),
            ("secret", WeakSecret::TooShort(6)),
            ("u8Qx0rN2mV5tYw7zB1cD4fG6hJ9kL3p", WeakSecret::TooShort(31)),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", WeakSecret::FewBytes(1)),
            ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", WeakSecret::FewBytes(2)),
            ("secretsecretsecretsecretsecretse", WeakSecret::FewBytes(5)),
            ("password12password12password12password12", WeakSecret::Repeats(10)),
            ("0123456789abcdef0123456789abcdef", WeakSecret::Repeats(16)),
            ("abcdefghijklmnopqrstuvwxyz012345", WeakSecret::Sequence),
            ("zyxwvutsrqponmlkjihgfedcba987654", WeakSecret::Sequence),
            ("change-me-please-change-me-secret", WeakSecret::Guessable),
            ("Keyward-Development-Secret-Key-1", WeakSecret::Guessable),
            ("my-super-secret-production-password", WeakSecret::Guessable),
            ("31415926535897932384626433832795", WeakSecret::Guessable),
        ] {
            assert_eq!(check_hs256_secret(secret.as_bytes()), Err(expected), "{secret}");
        }
        assert_eq!(check_hs256_secret(&[0; 64]), Err(WeakSecret::FewBytes(1)));
        let counting: Vec<u8> = (0..32).collect();
        assert_eq!(check_hs256_secret(&counting), Err(WeakSecret::Sequence));
    }

    #[test]
    fn what_tools_make_is_taken() {
        for secret in [
            "9f8c1b7e5d3a60427cfe19b8a5d6e03f4412c7d98ab0653e1f7729cd84ba05e6",
            "9F8C1B7E5D3A60427CFE19B8A5D6E03F4412C7D98AB0653E1F7729CD84BA05E6",
            "3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLdGoWeA7iB9y0=",
            "u8Qx0rN2mV5tYw7zB1cD4fG6hJ9kL3pS",
            "secret-3fq0pKzv1wVYbM8sTqz5uH4n2cJxRkLd",
            "8x!Gd#2vL@q9Zr$5Tn&7Wb*3Kp^6Mh(4",
        ] {
            assert_eq!(check_hs256_secret(secret.as_bytes()), Ok(()), "{secret}");
        }
    }

    #[test]
    fn the_message_says_what_to_do_and_keeps_the_secret() {
        let shown = check_hs256_secret(b"hunter2").expect_err("short").to_string();
        assert_eq!(
            shown,
            "a secret of 7 bytes instead of 32 or more; `openssl rand -base64 32` makes a good one"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn random_secrets_are_taken(bytes: [u8; 32]) {
            prop_assert_eq!(check_hs256_secret(&bytes), Ok(()));
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            prop_assert_eq!(check_hs256_secret(hex.as_bytes()), Ok(()));
        }

        #[test]
        fn nothing_panics(bytes: Vec<u8>, unit in "[a-c]{0,9}", times in 0usize..20) {
            let _ = check_hs256_secret(&bytes);
            let _ = check_hs256_secret(unit.repeat(times).as_bytes());
        }
    }
}
