//! Is this the password of a bcrypt hash?
//!
//! bcrypt takes 72 bytes and, as every implementation in C does, ends at NUL: what comes after is
//! not in the hash, and nobody can say of it whether it is right. So a longer password counts by
//! its first 72 bytes, until the login after which it is hashed whole; and one with a NUL is never
//! right, for the key repeats: `a`, NUL, `a` would open what `a` does.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::{InvalidHash, Password};

const FORM: &str = "$2b$, two digits of cost, $, 22 characters of salt and 31 of output";
/// The dearest: a second or so.
const MOST_COST: u32 = 14;
const INPUT: usize = 72;
const OUTPUT: usize = 23;

/// Some libraries leave bits in the last character of the salt that no byte holds.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true),
);

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bcrypt {
    cost: u32,
    salt: [u8; 16],
    output: [u8; OUTPUT],
    /// Whether the password was turned into the hexadecimal digits of its SHA-256 first, as
    /// Django's `bcrypt_sha256` does.
    of_digest: bool,
}

impl Bcrypt {
    /// Reads `$2b$12$…`; `$2a$` and `$2y$` are the same by now.
    pub(super) fn parse(text: &str, of_digest: bool) -> Result<Self, InvalidHash> {
        let malformed = || InvalidHash::Malformed(FORM);
        let rest = ["$2a$", "$2b$", "$2y$"].iter().find_map(|version| text.strip_prefix(version));
        let (cost, rest) = rest.and_then(|rest| rest.split_once('$')).ok_or_else(malformed)?;
        if cost.len() != 2 || rest.len() != 53 || !rest.is_ascii() {
            return Err(malformed());
        }
        let digits = cost.bytes().all(|b| b.is_ascii_digit());
        let cost = cost.parse().ok().filter(|_| digits).ok_or_else(malformed)?;
        let (salt, output) = rest.split_at(22);
        let decoded = |text: &str| BASE64.decode(text).map_err(|_| malformed());
        let (salt, output) = (decoded(salt)?, decoded(output)?);
        if !(4..=MOST_COST).contains(&cost) {
            return Err(InvalidHash::out_of_bounds("bcrypt", format!("a cost from 4 to {MOST_COST}")));
        }
        Ok(Self {
            cost,
            salt: salt.try_into().map_err(|_| malformed())?,
            output: output.try_into().map_err(|_| malformed())?,
            of_digest,
        })
    }

    pub(super) fn class(&self) -> String {
        format!("$2b${:02}", self.cost)
    }

    /// What makes a hash of [`Bcrypt::class`], with a dot for every bit.
    pub(super) fn dummy_end() -> String {
        format!("${}", ".".repeat(53))
    }

    pub(super) fn work(&self) -> u64 {
        1 << self.cost
    }

    pub(super) fn is_of(&self, password: &Password) -> bool {
        let bytes = password.as_str().as_bytes();
        let mut key = Zeroizing::new(Vec::with_capacity(INPUT + 1));
        if self.of_digest {
            let hex = digest(&SHA256, bytes).as_ref().iter().map(|b| format!("{b:02x}")).collect();
            key.extend_from_slice(Zeroizing::<String>::new(hex).as_bytes());
        } else {
            key.extend_from_slice(&bytes[..bytes.len().min(INPUT)]);
        }
        let has_nul = key.contains(&0);
        key.push(0);
        key.truncate(INPUT);
        // Also for a password that can't be right: it must not be told apart by its time.
        let output = Zeroizing::new(::bcrypt::bcrypt(self.cost, self.salt, &key));
        verify_slices_are_equal(&output[..OUTPUT], &self.output).is_ok() && !has_nul
    }
}
