//! Where is a token signed? Where that takes long, on threads of its own.
//!
//! A signature with RSA takes a core for as long as twenty others do. On the workers of the runtime
//! the requests behind it would wait, each worker for its own queue; here the first come is the
//! first served, on as many threads as there are cores. As many wait as come: what they ask for is
//! mostly committed by then, and who can't get a token of it is worse off than who waits.

use std::io;
use std::sync::Arc;
use std::thread;

use keyward_core::access_token::{Claims, Realm, SignError};
use keyward_core::key::Key;
use zeroize::Zeroizing;

use crate::engine::Engine;
use crate::error::Error;
use crate::store::Fault;
use crate::threads::Threads;

/// The threads that sign what takes long.
pub(crate) type Signing = Threads<()>;

/// One for each core.
///
/// Fails where the system gives no thread.
pub(crate) fn start() -> io::Result<Signing> {
    Threads::new("keyward-sign", thread::available_parallelism().map_or(1, usize::from), None)
}

/// [`access_token::sign`](keyward_core::access_token::sign), or its like for another type of token.
type Sign = fn(&Claims, &Realm, &Key) -> Result<Zeroizing<String>, SignError>;

impl Engine {
    /// The key that signs.
    ///
    /// # Errors
    /// `store_unavailable` where there is none.
    pub(crate) fn active_key(&self) -> Result<Arc<Key>, Error> {
        let none = || Fault::Unavailable("there is no key to sign with".to_owned());
        Ok(self.ring().active().cloned().ok_or_else(none)?)
    }

    /// A token that says this, signed by this key.
    ///
    /// # Errors
    /// `store_unavailable` where it would be too long.
    pub(crate) async fn sign(
        &self,
        key: Arc<Key>,
        claims: Claims,
        realm: &Arc<Realm>,
        sign: Sign,
    ) -> Result<Zeroizing<String>, Error> {
        let signed = if key.algorithm().is_slow_to_sign() {
            let realm = Arc::clone(realm);
            self.signing.run(move |()| sign(&claims, &realm, &key)).await?
        } else {
            sign(&claims, realm, &key)
        };
        signed.map_err(|error| Fault::Unavailable(error.to_string()).into())
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::Mutex;
    use std::task::{Context, Poll, Waker};

    use keyward_core::access_token;
    use keyward_core::id::{SessionId, UserId};
    use keyward_core::key::Algorithm;
    use keyward_core::password::Cost;
    use keyward_core::time::Timestamp;

    use super::*;
    use crate::{Keyward, MasterKey, Settings};

    fn claims(now: Timestamp) -> Claims {
        Claims {
            session: SessionId::from_bytes([1; 16]),
            user: UserId::from_bytes([2; 16]),
            generation: 0,
            roles_version: 0,
            role_table_version: 0,
            jti: "a name".to_owned(),
            issued_at: now,
            expires_at: now.after(std::time::Duration::from_secs(60)),
            auth_time: now,
            amr: Vec::new(),
            email: None,
            phone_number: None,
            roles: None,
            permissions: None,
        }
    }

    #[tokio::test]
    async fn what_takes_long_waits_for_a_thread_and_what_does_not_is_signed_at_once() {
        for algorithm in Algorithm::ALL {
            let folder = tempfile::tempdir().expect("a folder");
            let cost = Cost::new(8, 1, 1).expect("a cost");
            let settings = Settings { background: false, cost, algorithm, ..Settings::default() };
            let keyward = Keyward::builder(settings)
                .sqlite(folder.path().join("keyward.db"))
                .master_key(MasterKey::from_bytes(&[7; 32]));
            let keyward = keyward.open().await.expect("opens");
            let engine = &keyward.engine;

            // Nothing is signed beside the runtime before the test opens the gate, or fails.
            let gate = Arc::new(Mutex::new(()));
            let closed = gate.lock().expect("nobody panicked");
            let threads = thread::available_parallelism().map_or(1, usize::from);
            let waker = &mut Context::from_waker(Waker::noop());
            let mut held: Vec<_> = (0..threads)
                .map(|_| {
                    let gate = Arc::clone(&gate);
                    Box::pin(engine.signing.run(move |()| gate.lock().is_ok()))
                })
                .collect();
            held.iter_mut().for_each(|held| assert!(held.as_mut().poll(waker).is_pending()));
            let now = engine.clock.now();
            let key = engine.active_key().expect("a key");
            let mut signing = pin!(engine.sign(key, claims(now), &engine.realm, access_token::sign));
            let first = signing.as_mut().poll(waker);
            drop(closed);
            let signed = match (algorithm, first) {
                (Algorithm::Rs256, Poll::Pending) => signing.await,
                (Algorithm::Rs256, Poll::Ready(_)) => panic!("it held up the runtime"),
                (_, Poll::Ready(signed)) => signed,
                (algorithm, Poll::Pending) => panic!("{algorithm:?} waits for a thread"),
            };
            let token = signed.expect("signed");
            let verified = access_token::verify(&token, &engine.ring(), &engine.realm, now);
            assert_eq!(verified.expect("good").claims.jti, "a name");
        }
    }
}
