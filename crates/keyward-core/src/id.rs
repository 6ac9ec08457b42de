//! How is a thing named? By a UUIDv7 (RFC 9562 §5.7), typed by what it names.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Serialize, Serializer};
use uuid::{Builder, Uuid};

use crate::time::Timestamp;

/// A text that is no UUID in the hyphenated lower-case form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId;

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a UUID")
    }
}

impl std::error::Error for InvalidId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, made of the present moment and ten fresh random bytes.
            pub fn new(now: Timestamp, random: [u8; 10]) -> Self {
                let millis = u64::try_from(now.micros() / 1_000).unwrap_or(0);
                Self(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())
            }

            /// When it was made, to the millisecond.
            pub fn made_at(&self) -> Timestamp {
                let bytes = self.0.as_bytes();
                let millis = bytes[..6].iter().fold(0i64, |millis, byte| (millis << 8) | i64::from(*byte));
                Timestamp::from_micros(millis.saturating_mul(1_000))
            }

            /// The id that these sixteen bytes spell.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The sixteen bytes of the id.
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl From<$name> for [u8; 16] {
            fn from(id: $name) -> Self {
                id.0.into_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let id = Uuid::try_parse(text).map_err(|_| InvalidId)?;
                // One id has one spelling, so that it can be compared, logged and limited as text.
                if id.hyphenated().encode_lower(&mut Uuid::encode_buffer()) == text {
                    Ok(Self(id))
                } else {
                    Err(InvalidId)
                }
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0.hyphenated().encode_lower(&mut Uuid::encode_buffer()))
            }
        }
    };
}

id! {
    /// Names a person's account: the `sub` of their tokens, for as long as it exists.
    UserId
}
id! {
    /// Names one session: the `sid` of its tokens.
    SessionId
}
impl SessionId {
    /// What the hint cookie calls the session: 96 bits of a hash, so that it tells nobody the id.
    pub fn tag(&self) -> String {
        let digest = digest(&SHA256, self.as_bytes());
        URL_SAFE_NO_PAD.encode(&digest.as_ref()[..12])
    }
}

id! {
    /// Names one row of the audit trail.
    EventId
}
id! {
    /// Names one mail that waits to be sent.
    MailId
}
id! {
    /// Names one service key.
    ServiceKeyId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = SessionId::new(Timestamp::from_seconds(1_795_216_671), [7; 10]);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        for other in [
            text.to_uppercase(),
            text.replace('-', ""),
            format!("{{{text}}}"),
            format!("urn:uuid:{text}"),
            String::new(),
        ] {
            assert_eq!(other.parse::<SessionId>(), Err(InvalidId), "{other}");
        }
    }

    #[test]
    fn an_id_tells_when_it_was_made() {
        let at = Timestamp::from_micros(1_795_216_671_123_456);
        assert_eq!(EventId::new(at, [255; 10]).made_at(), Timestamp::from_micros(1_795_216_671_123_000));
        assert_eq!(EventId::from_bytes([0; 16]).made_at(), Timestamp::default());
    }

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let early = UserId::new(Timestamp::from_seconds(1), [255; 10]);
        let late = UserId::new(Timestamp::from_seconds(2), [0; 10]);
        assert!(early < late);
    }
}
