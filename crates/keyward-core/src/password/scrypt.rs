//! Is this the password of a scrypt hash (RFC 7914)?

use argon2::password_hash::phc;
use aws_lc_rs::constant_time::verify_slices_are_equal;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use scrypt::Params;
use zeroize::Zeroizing;

use super::hash::natural;
use super::{InvalidHash, Password};

const FORM: &str = "$scrypt$ln=…,r=…,p=…$salt$output";
const DJANGO: &str = "scrypt$N$salt$r$p$output";
/// The most that N, r and p may come to: half a GiB, or a second or two.
const MOST_WORK: u64 = 4 << 20;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Scrypt {
    log_n: u8,
    r: u32,
    p: u32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

impl Scrypt {
    /// Reads a PHC string.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHash> {
        let malformed = || InvalidHash::Malformed(FORM);
        let phc = phc::PasswordHash::new(text).map_err(|_| malformed())?;
        if phc.algorithm.as_str() != "scrypt" || phc.version.is_some() || phc.params.iter().count() != 3 {
            return Err(malformed());
        }
        let number = |name: &str| phc.params.get_decimal(name).ok_or_else(malformed);
        let salt = phc.salt.ok_or_else(malformed)?.to_vec();
        let output = phc.hash.ok_or_else(malformed)?.as_bytes().to_vec();
        let log_n = u8::try_from(number("ln")?).unwrap_or(u8::MAX);
        Self::bounded(log_n, number("r")?, number("p")?, salt, output).ok_or_else(malformed)?
    }

    /// Reads what Django keeps: the salt is a text there, and N is written out.
    pub(super) fn parse_django(text: &str) -> Result<Self, InvalidHash> {
        let malformed = || InvalidHash::Malformed(DJANGO);
        let parts: Vec<&str> = text.split('$').collect();
        let ["scrypt", n, salt, r, p, output] = parts.as_slice() else { return Err(malformed()) };
        let number = |text: &str| natural(text).ok_or_else(malformed);
        let n = number(n)?;
        if !n.is_power_of_two() || salt.is_empty() || salt.len() > 128 {
            return Err(malformed());
        }
        let log_n = u8::try_from(n.trailing_zeros()).unwrap_or(u8::MAX);
        let output = STANDARD.decode(output).map_err(|_| malformed())?;
        Self::bounded(log_n, number(r)?, number(p)?, salt.as_bytes().to_vec(), output)
            .ok_or_else(malformed)?
    }

    /// `None` where the output is too short to tell passwords apart, or longer than any.
    fn bounded(
        log_n: u8,
        r: u32,
        p: u32,
        salt: Vec<u8>,
        output: Vec<u8>,
    ) -> Option<Result<Self, InvalidHash>> {
        if !(16..=64).contains(&output.len()) {
            return None;
        }
        let scrypt = Self { log_n, r, p, salt, output };
        let within = log_n >= 1 && r >= 1 && p >= 1 && scrypt.work() <= MOST_WORK;
        let allowed = || format!("N (2^ln) from 2, r and p from 1, and N * r * p up to {MOST_WORK}");
        Some(if within { Ok(scrypt) } else { Err(InvalidHash::out_of_bounds("scrypt", allowed())) })
    }

    pub(super) fn class(&self) -> String {
        format!("$scrypt$ln={},r={},p={}", self.log_n, self.r, self.p)
    }

    pub(super) fn work(&self) -> u64 {
        let n = 1_u64.checked_shl(self.log_n.into()).unwrap_or(u64::MAX);
        n.saturating_mul(self.r.into()).saturating_mul(self.p.into())
    }

    pub(super) fn is_of(&self, password: &Password) -> bool {
        let Ok(params) = Params::new(self.log_n, self.r, self.p) else { return false };
        let mut output = Zeroizing::new(vec![0; self.output.len()]);
        ::scrypt::scrypt(password.as_str().as_bytes(), &self.salt, &params, &mut output).is_ok()
            && verify_slices_are_equal(&output, &self.output).is_ok()
    }
}
