//! Is this the password of a PBKDF2 hash (RFC 8018 §5.2), as Django keeps it?

use std::num::NonZeroU32;

use aws_lc_rs::pbkdf2;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::hash::natural;
use super::{InvalidHash, Password};

const FORM: &str = "pbkdf2_sha256$iterations$salt$output";
/// The most iterations: a second or two, and several times what Django asks for by now.
const MOST_ITERATIONS: u32 = 5_000_000;

#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pbkdf2 {
    digest: Digest,
    iterations: NonZeroU32,
    salt: Vec<u8>,
    output: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha1,
    Sha256,
}

impl Digest {
    fn scheme(self) -> &'static str {
        match self {
            Self::Sha1 => "pbkdf2_sha1",
            Self::Sha256 => "pbkdf2_sha256",
        }
    }

    /// Django keeps one whole block.
    fn output(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }
}

impl Pbkdf2 {
    /// Reads `pbkdf2_sha256$…` or `pbkdf2_sha1$…`. The salt is a text.
    pub(super) fn parse(text: &str) -> Result<Self, InvalidHash> {
        let malformed = || InvalidHash::Malformed(FORM);
        let parts: Vec<&str> = text.split('$').collect();
        let [scheme, iterations, salt, output] = parts.as_slice() else { return Err(malformed()) };
        let digest = [Digest::Sha1, Digest::Sha256].into_iter().find(|d| d.scheme() == *scheme);
        let digest = digest.ok_or_else(malformed)?;
        let iterations = natural(iterations).ok_or_else(malformed)?;
        let output = STANDARD.decode(output).map_err(|_| malformed())?;
        if salt.is_empty() || salt.len() > 128 || output.len() != digest.output() {
            return Err(malformed());
        }
        match NonZeroU32::new(iterations).filter(|n| n.get() <= MOST_ITERATIONS) {
            Some(iterations) => Ok(Self { digest, iterations, salt: salt.as_bytes().to_vec(), output }),
            None => Err(InvalidHash::out_of_bounds(
                digest.scheme(),
                format!("iterations from 1 to {MOST_ITERATIONS}"),
            )),
        }
    }

    pub(super) fn scheme(&self) -> &'static str {
        self.digest.scheme()
    }

    pub(super) fn class(&self) -> String {
        format!("{}${}", self.scheme(), self.iterations)
    }

    /// What makes a hash of [`Pbkdf2::class`].
    pub(super) fn dummy_end(class: &str) -> String {
        let digest = if class.starts_with(Digest::Sha1.scheme()) { Digest::Sha1 } else { Digest::Sha256 };
        format!("$nobody${}", STANDARD.encode(vec![0; digest.output()]))
    }

    pub(super) fn work(&self) -> u64 {
        self.iterations.get().into()
    }

    pub(super) fn is_of(&self, password: &Password) -> bool {
        let algorithm = match self.digest {
            Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
            Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
        };
        let password = password.as_str().as_bytes();
        pbkdf2::verify(algorithm, self.iterations, &self.salt, password, &self.output).is_ok()
    }
}
