//! How do secrets rest in a store?
//!
//! Sealed under the master key, which no store holds: AES-256-GCM (NIST SP 800-38D) over
//!
//! ```text
//! version 1 | fingerprint of the master key 8 | nonce 12 | ciphertext | tag 16
//! ```
//!
//! so a copy of a database holds nothing to sign with. What a secret is for is authenticated with
//! it: one that is moved to another row does not open there. The fingerprint tells a wrong master
//! key, which an operator can put right, from a secret that was damaged.

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

const VERSION: u8 = 1;
const FINGERPRINT: usize = 8;
const NONCE: usize = 12;
const TAG: usize = 16;
const HEADER: usize = 1 + FINGERPRINT;

/// The key under which every other secret rests. It shows no secret and keeps only what it
/// derives from its 32 bytes: aws-lc wipes that when it is dropped.
pub struct MasterKey {
    sealing: LessSafeKey,
    root: hmac::Key,
    fingerprint: [u8; FINGERPRINT],
    former: Option<Box<Self>>,
}

impl MasterKey {
    /// The master key of these 32 random bytes. The caller wipes its own copy.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let root = hmac::Key::new(hmac::HMAC_SHA256, bytes);
        // Labels of `derive` begin otherwise: none of them can yield these two.
        let sealing = expand(&root, b"keyward seal v1", "");
        let mut fingerprint = [0; FINGERPRINT];
        fingerprint.copy_from_slice(&expand(&root, b"keyward fingerprint v1", "")[..FINGERPRINT]);
        let sealing = UnboundKey::new(&AES_256_GCM, &sealing[..]).expect("AES-256 takes 32 bytes");
        Self { sealing: LessSafeKey::new(sealing), root, fingerprint, former: None }
    }

    /// The same key, which also opens what another one sealed: the one before it, while it takes
    /// that one's place. It seals and derives as ever.
    #[must_use]
    pub fn replacing(mut self, former: Self) -> Self {
        self.former = Some(Box::new(former));
        self
    }

    /// Reads a master key as configuration spells it: base64 (RFC 4648 §4 or §5, padding or not)
    /// of exactly 32 bytes, white space around it aside.
    ///
    /// # Errors
    /// [`InvalidMasterKey`], which does not repeat the text.
    pub fn from_base64(text: &str) -> Result<Self, InvalidMasterKey> {
        let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let text = text.trim();
        let alphabet = if text.contains(['-', '_']) { alphabet::URL_SAFE } else { alphabet::STANDARD };
        let bytes = GeneralPurpose::new(&alphabet, lenient)
            .decode(text)
            .map(Zeroizing::new)
            .map_err(|_| InvalidMasterKey::NotBase64)?;
        let exact: &[u8; 32] = bytes[..].try_into().map_err(|_| InvalidMasterKey::Length(bytes.len()))?;
        Ok(Self::from_bytes(exact))
    }

    /// What this key is called where it must not be shown. It reveals nothing of the key.
    pub const fn fingerprint(&self) -> [u8; FINGERPRINT] {
        self.fingerprint
    }

    /// Seals a secret for a purpose, such as `signing-key:<kid>`; it opens for no other.
    ///
    /// The nonce is 12 fresh random bytes: used twice, it would give the secrets away.
    pub fn seal(&self, purpose: &str, secret: &[u8], nonce: [u8; NONCE]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(HEADER + NONCE + secret.len() + TAG);
        sealed.push(VERSION);
        sealed.extend_from_slice(&self.fingerprint);
        let aad = authenticated(&sealed, purpose);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(secret);
        // In place, so that the secret is never in a buffer that has to be wiped.
        let tag = self
            .sealing
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(aad),
                &mut sealed[HEADER + NONCE..],
            )
            .expect("AES-GCM seals whatever fits in memory");
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// What the key that this one replaces sealed, sealed anew; `None` for what this one sealed. The
    /// nonce is 12 fresh random bytes.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reseal(
        &self,
        purpose: &str,
        sealed: &[u8],
        nonce: [u8; NONCE],
    ) -> Result<Option<Vec<u8>>, OpenError> {
        let secret = self.open(purpose, sealed)?;
        let is_ours = sealed[1..HEADER] == self.fingerprint;
        Ok((!is_ours).then(|| self.seal(purpose, &secret, nonce)))
    }

    /// Opens what [`Self::seal`] made for the same purpose.
    ///
    /// # Errors
    /// [`OpenError::WrongMasterKey`] where another master key sealed it; [`OpenError::Corrupt`]
    /// where it was changed, cut short, moved, or never was a sealed secret.
    pub fn open(&self, purpose: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if sealed.len() < HEADER + NONCE + TAG || sealed[0] != VERSION {
            return Err(OpenError::Corrupt);
        }
        let (header, rest) = sealed.split_at(HEADER);
        if header[1..] != self.fingerprint {
            let former = self.former.as_ref().ok_or(OpenError::WrongMasterKey)?;
            return former.open(purpose, sealed);
        }
        let (nonce, ciphertext) = rest.split_at(NONCE);
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Corrupt)?;
        let mut secret = Zeroizing::new(ciphertext.to_vec());
        let length = self
            .sealing
            .open_in_place(nonce, Aad::from(authenticated(header, purpose)), &mut secret[..])
            .map_err(|_| OpenError::Corrupt)?
            .len();
        secret.truncate(length);
        Ok(secret)
    }

    /// 32 secret bytes for another use, such as the token of the setup link: the same for the
    /// same label, on every node, and of no help in guessing those of another label.
    pub fn derive(&self, label: &str) -> Zeroizing<[u8; 32]> {
        expand(&self.root, b"keyward derive v1:", label)
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(")?;
        self.fingerprint.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// One block of HKDF-Expand (RFC 5869 §2.3): the master key is uniform, so nothing is extracted.
fn expand(root: &hmac::Key, prefix: &[u8], label: &str) -> Zeroizing<[u8; 32]> {
    let mut context = hmac::Context::with_key(root);
    context.update(prefix);
    context.update(label.as_bytes());
    context.update(&[1]);
    let mut out = Zeroizing::new([0; 32]);
    out.copy_from_slice(context.sign().as_ref());
    out
}

fn authenticated(header: &[u8], purpose: &str) -> Vec<u8> {
    [header, purpose.as_bytes()].concat()
}

/// Why a text is no master key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidMasterKey {
    /// It is not base64.
    NotBase64,
    /// It is base64 of this many bytes.
    Length(usize),
}

impl fmt::Display for InvalidMasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBase64 => f.write_str("not base64; `openssl rand -base64 32` makes a master key"),
            Self::Length(bytes) => write!(
                f,
                "base64 of {bytes} bytes instead of 32; `openssl rand -base64 32` makes a master key"
            ),
        }
    }
}

impl std::error::Error for InvalidMasterKey {}

/// Why a sealed secret does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenError {
    /// Another master key sealed it.
    WrongMasterKey,
    /// It is not what was sealed, or not for this purpose.
    Corrupt,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WrongMasterKey => "sealed under another master key",
            Self::Corrupt => "damaged, or sealed for another purpose",
        })
    }
}

impl std::error::Error for OpenError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn master(byte: u8) -> MasterKey {
        MasterKey::from_bytes(&[byte; 32])
    }

    #[test]
    fn a_wrong_master_key_is_told_from_damage() {
        let sealed = master(1).seal("refresh-mac:1", b"secret", [3; 12]);
        let open = |key: u8, purpose, sealed: &[u8]| master(key).open(purpose, sealed).map(|s| s.to_vec());
        assert_eq!(open(1, "refresh-mac:1", &sealed), Ok(b"secret".to_vec()));
        assert_eq!(open(2, "refresh-mac:1", &sealed), Err(OpenError::WrongMasterKey));
        assert_eq!(open(1, "refresh-mac:2", &sealed), Err(OpenError::Corrupt));
        assert_eq!(open(1, "refresh-mac:1", &[]), Err(OpenError::Corrupt));
        for length in 0..sealed.len() {
            assert_eq!(open(1, "refresh-mac:1", &sealed[..length]), Err(OpenError::Corrupt), "{length}");
        }
    }

    #[test]
    fn while_it_takes_the_place_of_another_it_opens_what_that_one_sealed() {
        let (old, new) = (master(1).seal("p", b"old", [3; 12]), master(2).seal("p", b"new", [3; 12]));
        let both = master(2).replacing(master(1));
        let open = |sealed: &[u8]| both.open("p", sealed).map(|s| s.to_vec());
        assert_eq!((open(&old), open(&new)), (Ok(b"old".to_vec()), Ok(b"new".to_vec())));
        assert_eq!(both.open("q", &old).map(|s| s.to_vec()), Err(OpenError::Corrupt));
        let others = master(3).seal("p", b"x", [3; 12]);
        assert_eq!(open(&others), Err(OpenError::WrongMasterKey));
        assert_eq!(both.seal("p", b"new", [3; 12]), new, "it seals as itself");
        assert_eq!(both.derive("setup"), master(2).derive("setup"));

        let resealed = both.reseal("p", &old, [4; 12]).expect("opens").expect("anew");
        assert_eq!(master(2).open("p", &resealed).map(|s| s.to_vec()), Ok(b"old".to_vec()));
        assert_eq!(both.reseal("p", &new, [4; 12]), Ok(None));
        assert_eq!(both.reseal("q", &new, [4; 12]), Err(OpenError::Corrupt));
        assert_eq!(both.reseal("p", &others, [4; 12]), Err(OpenError::WrongMasterKey));
    }

    #[test]
    fn what_rests_does_not_show_the_secret() {
        let sealed = master(1).seal("p", &[b'x'; 64], [3; 12]);
        assert_eq!(sealed.len(), 1 + 8 + 12 + 64 + 16);
        assert!(!sealed.windows(4).any(|w| w == b"xxxx"));
        assert_ne!(sealed, master(1).seal("p", &[b'x'; 64], [4; 12]));
    }

    #[test]
    fn the_layout_and_the_derivation_stay() {
        // What one release seals, the next one opens: these bytes must never change.
        let sealed = master(7).seal("signing-key:k", b"abc", [9; 12]);
        assert_eq!(
            sealed.iter().map(|b| format!("{b:02x}")).collect::<String>(),
            "01fae57af6c8b2dd32090909090909090909090909b4bd0ca4a1f78b79e44accbaf59ecdfb6eff69"
        );
        let derived = master(7).derive("setup");
        assert_eq!(
            derived.iter().map(|b| format!("{b:02x}")).collect::<String>(),
            "4e9513bc98817cb757873895e5f4cb07acc6ce8e41ebc2fc973376b05ad1b7fc"
        );
        assert_ne!(derived, master(7).derive("setup2"));
        assert_ne!(derived, master(8).derive("setup"));
    }

    #[test]
    fn a_master_key_is_read_in_every_base64_and_in_no_other_length() {
        let standard = "+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/v7+/s=";
        let bare = standard.trim_end_matches('=').to_owned();
        let url_safe = bare.replace('+', "-").replace('/', "_");
        let expected = master(0xfb).fingerprint();
        for text in [standard, &bare, &url_safe, &format!("{url_safe}="), &format!(" {standard}\n")] {
            assert_eq!(MasterKey::from_base64(text).map(|k| k.fingerprint()), Ok(expected), "{text}");
        }
        let refused = |text: &str| MasterKey::from_base64(text).map(|_| ()).expect_err(text);
        assert_eq!(refused(""), InvalidMasterKey::Length(0));
        assert_eq!(refused(&format!("{}A==", &bare[..41])), InvalidMasterKey::Length(31));
        assert_eq!(refused(&format!("{bare}AAAA")), InvalidMasterKey::Length(35));
        assert_eq!(refused(&"A".repeat(44)), InvalidMasterKey::Length(33));
        assert_eq!(refused("correct horse"), InvalidMasterKey::NotBase64);
        assert_eq!(refused("+_v7"), InvalidMasterKey::NotBase64);
    }

    #[test]
    fn it_shows_no_secret() {
        let shown = format!("{:?}", master(0x41));
        assert_eq!(shown.len(), "MasterKey()".len() + 16);
        assert!(!shown.contains("4141") && !shown.contains("AAAA"), "{shown}");
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_again(secret: Vec<u8>, purpose: String, nonce: [u8; 12]) {
            let sealed = master(1).seal(&purpose, &secret, nonce);
            prop_assert_eq!(master(1).open(&purpose, &sealed).map(|s| s.to_vec()), Ok(secret));
        }

        #[test]
        fn no_changed_bit_passes(at in 0usize..37 * 8) {
            let mut sealed = master(1).seal("p", b"", [5; 12]);
            prop_assert_eq!(sealed.len(), 37);
            sealed[at / 8] ^= 1 << (at % 8);
            prop_assert!(master(1).open("p", &sealed).is_err());
        }
    }
}
