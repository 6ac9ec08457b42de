//! Which keys are there at this moment?

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Key, KeyRecord, KeyState, VerifyingKey, VerifyingKeys};

/// All the keys at a moment, opened and parsed. It does not change: when the records did, another
/// takes its place, which shares the keys that stayed.
#[derive(Debug, Default)]
pub struct KeyRing(Vec<(KeyRecord, Arc<Key>)>);

impl KeyRing {
    /// The ring of these keys, each with its record.
    pub fn new(keys: impl IntoIterator<Item = (KeyRecord, Arc<Key>)>) -> Self {
        let mut keys: Vec<_> = keys.into_iter().collect();
        // The order of the JWKS: some verifiers without a kid at hand take the first.
        keys.sort_by_cached_key(|(record, key)| {
            (rank(record.state), record.created_at, key.kid().to_owned())
        });
        Self(keys)
    }

    /// The key that signs; `None` in a ring without one, which [`super::due`] remedies.
    pub fn active(&self) -> Option<&Arc<Key>> {
        self.0.iter().find(|(record, _)| record.state == KeyState::Active).map(|(_, key)| key)
    }

    /// The key of that name, to the letter, whatever its state.
    pub fn get(&self, kid: &str) -> Option<&Arc<Key>> {
        self.find(kid).map(|(_, key)| key)
    }

    /// Whether the key of that name was revoked: what it signed is worth nothing.
    pub fn is_revoked(&self, kid: &str) -> bool {
        self.find(kid).is_some_and(|(record, _)| record.state == KeyState::Revoked)
    }

    /// The records of the keys: the active one, the next, the retiring, the revoked.
    pub fn records(&self) -> impl Iterator<Item = &KeyRecord> {
        self.0.iter().map(|(record, _)| record)
    }

    /// The JWK Set (RFC 7517 §5) for verifiers elsewhere: the public parts of the active key, the
    /// next and the retiring. Never a revoked one or a secret; no keys with HS256.
    pub fn jwks(&self) -> Value {
        let published = self.0.iter().filter(|(record, _)| record.state != KeyState::Revoked);
        json!({ "keys": published.filter_map(|(_, key)| key.jwk()).collect::<Vec<_>>() })
    }

    pub(crate) fn find(&self, kid: &str) -> Option<&(KeyRecord, Arc<Key>)> {
        self.0.iter().find(|(_, key)| key.kid() == kid)
    }
}

impl VerifyingKeys for KeyRing {
    fn verifying(&self, kid: &str) -> Option<VerifyingKey<'_>> {
        self.find(kid).map(|(record, key)| key.verifying(record.state == KeyState::Revoked))
    }
}

const fn rank(state: KeyState) -> u8 {
    match state {
        KeyState::Active => 0,
        KeyState::Next => 1,
        KeyState::Retiring => 2,
        KeyState::Revoked => 3,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Algorithm, fixture};
    use super::*;
    use crate::seal::MasterKey;
    use crate::time::Timestamp;

    fn entry(key: Key, state: KeyState) -> (KeyRecord, Arc<Key>) {
        let (now, master) = (Timestamp::from_seconds(0), MasterKey::from_bytes(&[1; 32]));
        (KeyRecord::new(&key, b"", state, now, &master, [0; 12]), Arc::new(key))
    }

    #[test]
    fn the_jwks_shows_what_may_verify_and_nothing_secret() {
        let ring = KeyRing::new([
            entry(fixture::key(Algorithm::Hs256), KeyState::Retiring),
            entry(fixture::key(Algorithm::EdDsa), KeyState::Retiring),
            entry(fixture::other(Algorithm::Es256), KeyState::Revoked),
            entry(fixture::key(Algorithm::Rs256), KeyState::Next),
            entry(fixture::key(Algorithm::Es256), KeyState::Active),
        ]);
        let jwks = ring.jwks();
        let kids: Vec<_> = jwks["keys"].as_array().expect("array").iter().map(|k| &k["kid"]).collect();
        let expected = [Algorithm::Es256, Algorithm::Rs256, Algorithm::EdDsa].map(fixture::key);
        assert_eq!(kids, expected.each_ref().map(|k| k.kid()));
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
            assert!(!jwks.to_string().contains(&format!("\"{name}\":")), "{name}");
        }
        assert_eq!(ring.active().map(|k| k.kid()), Some(expected[0].kid()));
        let revoked = fixture::other(Algorithm::Es256);
        assert!(ring.get(revoked.kid()).is_some() && ring.is_revoked(revoked.kid()));
        assert!(!ring.is_revoked(expected[0].kid()) && !ring.is_revoked(""));
        assert!(ring.get(&expected[0].kid()[..42]).is_none());
    }

    #[test]
    fn a_secret_alone_leaves_the_jwks_empty() {
        let ring = KeyRing::new([entry(fixture::key(Algorithm::Hs256), KeyState::Active)]);
        assert_eq!(ring.jwks(), json!({"keys": []}));
        assert!(KeyRing::default().active().is_none());
    }
}
