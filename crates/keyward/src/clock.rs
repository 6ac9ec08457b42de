//! What time is it, and where do fresh bytes come from? The only door for both.
//!
//! Everything else takes moments and random bytes as arguments. A test hands in a clock of its
//! own and moves it; nothing sleeps.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair};
use keyward_core::key::Algorithm;
use keyward_core::time::Timestamp;
use tokio::sync::Notify;
use zeroize::Zeroizing;

/// A clock: the system's, which goes by that of the store where that has one of its own, or one that
/// a test moves by hand. All clones are one.
#[derive(Clone)]
pub struct Clock(Source);

#[derive(Clone)]
enum Source {
    System(Arc<Followed>),
    Manual(Arc<Manual>),
}

/// The clock of another, by which this one goes.
#[derive(Default)]
struct Followed {
    /// What that one says when the monotonic clock here says 0, in microseconds; where there is
    /// none, [`NOBODY`].
    start: AtomicI64,
}

/// Nobody's clock is followed.
const NOBODY: i64 = i64::MIN;

#[derive(Default)]
struct Manual {
    at: AtomicI64,
    moved: Notify,
    /// Until when somebody waited, each time.
    #[cfg(test)]
    waits: std::sync::Mutex<Vec<Duration>>,
}

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Source::System(Arc::new(Followed { start: AtomicI64::new(NOBODY) })))
    }

    /// Goes by another clock from now on: one that said `theirs` at some moment between `asked` and
    /// `answered` by [`Clock::monotonic`]. As long as what is known of it may be true, nothing moves:
    /// so time does not jump about with how long each answer takes. A manual clock follows nobody.
    pub(crate) fn follow(&self, theirs: Timestamp, asked: Duration, answered: Duration) {
        let Source::System(followed) = &self.0 else { return };
        let since = |moment: Duration| {
            theirs.micros().saturating_sub(i64::try_from(moment.as_micros()).unwrap_or(i64::MAX))
        };
        let (earliest, latest) = (since(answered), since(asked));
        let known = followed.start.load(Ordering::Acquire);
        if !(earliest..=latest).contains(&known) {
            let middle = earliest + (latest - earliest) / 2;
            followed.start.store(middle, Ordering::Release);
        }
    }

    /// A clock that stands still at `start` until it is moved with [`Clock::advance`].
    pub fn manual(start: Timestamp) -> Self {
        Self(Source::Manual(Arc::new(Manual { at: AtomicI64::new(start.micros()), ..Manual::default() })))
    }

    /// Moves a manual clock forward. The system's can't be moved.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(manual) = &self.0 {
            let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            manual.at.fetch_add(by, Ordering::SeqCst);
            manual.moved.notify_waiters();
        }
    }

    /// The present moment in UTC.
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            Source::System(followed) => match followed.start.load(Ordering::Acquire) {
                NOBODY => {
                    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                    Timestamp::default().after(since)
                }
                // By the monotonic clock: nobody sets that one.
                start => Timestamp::from_micros(start).after(self.monotonic()),
            },
            Source::Manual(manual) => Timestamp::from_micros(manual.at.load(Ordering::SeqCst)),
        }
    }

    /// How long ago some fixed moment was, by a clock that is never set back, nor stands still while
    /// the machine sleeps: for measuring how old something is on this machine, never for deciding on
    /// a session.
    pub fn monotonic(&self) -> Duration {
        match &self.0 {
            Source::System(_) => up(),
            Source::Manual(_) => self.now().since(Timestamp::default()),
        }
    }

    /// Comes back when [`Clock::monotonic`] has reached this moment: at once where it has, and
    /// with a manual clock when that is moved there.
    pub(crate) async fn wait_until(&self, moment: Duration) {
        match &self.0 {
            Source::System(_) => tokio::time::sleep(moment.saturating_sub(self.monotonic())).await,
            Source::Manual(manual) => loop {
                let moved = manual.moved.notified();
                if self.monotonic() >= moment {
                    return;
                }
                #[cfg(test)]
                manual.waits.lock().expect("no panic").push(moment);
                moved.await;
            },
        }
    }
}

#[cfg(test)]
impl Clock {
    /// Until when somebody waited on this manual clock, each time that they looked.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        match &self.0 {
            Source::System(_) => Vec::new(),
            Source::Manual(manual) => manual.waits.lock().expect("no panic").clone(),
        }
    }
}

/// The clock of the machine.
impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Source::System(_) => "Clock::system",
            Source::Manual(_) => "Clock::manual",
        })
    }
}

/// How long this machine has been up, with the time that it slept: what was known before is as old as
/// it is when it wakes.
#[cfg(target_os = "linux")]
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn up() -> Duration {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanos = u32::try_from(since.tv_nsec).unwrap_or_default();
    Duration::new(u64::try_from(since.tv_sec).unwrap_or_default(), nanos)
}

/// How long this process has been running. Whether that counts the time that the machine slept is up to
/// the system.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn up() -> Duration {
    static START: LazyLock<std::time::Instant> = LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// A span in whole microseconds, for a counter that many share.
pub(crate) fn micros(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}

/// Fresh random bytes of the operating system's generator.
///
/// # Panics
/// If the operating system gives none: there is no safe way to go on.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "without randomness no answer is safe")]
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A name for a request: unique in this process, and across processes with overwhelming odds.
pub fn request_id() -> String {
    static START: LazyLock<String> = LazyLock::new(|| format!("{:016x}", u64::from_be_bytes(random())));
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let mut id = String::with_capacity(START.len() + "-".len() + 16);
    id.push_str(&START);
    id.push('-');
    // Writing to a String does not fail.
    let _ = write!(id, "{:x}", COUNT.fetch_add(1, Ordering::Relaxed));
    id
}

/// The operating system, or its generator, could not make a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no signing key could be made")]
pub struct KeyGeneration;

/// The private bytes of a new signing key, as [`keyward_core::key::Key`] reads them: PKCS#8, or
/// for HS256 the 32 bytes of the secret.
pub fn signing_key(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, KeyGeneration> {
    let fail = |_| KeyGeneration;
    let bytes = match algorithm {
        Algorithm::Rs256 => {
            let pair = aws_lc_rs::rsa::KeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).map_err(fail)?;
            AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).map_err(fail)?.as_ref().to_vec()
        }
        Algorithm::Es256 => {
            let pair = EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).map_err(fail)?;
            pair.to_pkcs8v1().map_err(fail)?.as_ref().to_vec()
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate().map_err(fail)?;
            pair.to_pkcs8().map_err(fail)?.as_ref().to_vec()
        }
        Algorithm::Hs256 => random::<32>().to_vec(),
    };
    Ok(Zeroizing::new(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn the_clock_of_another_is_followed_as_far_as_it_is_known() {
        let clock = Clock::system();
        let theirs = clock.now().after(Duration::from_secs(90));
        let here = clock.monotonic();
        let copy = clock.clone();
        clock.follow(theirs, here, here + ms(20));
        for clock in [&clock, &copy] {
            assert!(clock.now() >= theirs.before(ms(20)), "that is as far as it is known");
        }
        let start = || match &clock.0 {
            Source::System(followed) => followed.start.load(Ordering::SeqCst),
            Source::Manual(_) => unreachable!(),
        };
        let first = start();
        assert_eq!(first, theirs.before(here).micros() - 10_000);
        // What may as well be so moves nothing: how long an answer takes is no time.
        clock.follow(theirs.after(ms(1_005)), here + ms(1_000), here + ms(1_200));
        assert_eq!(start(), first);
        // What can't be so is followed, on or back.
        clock.follow(theirs.after(ms(2_100)), here + ms(2_000), here + ms(2_004));
        assert!((start() - first - 108_000).abs() <= 1, "{}", start() - first);
        clock.follow(theirs, here, here);
        assert_eq!(start() - first, 10_000);
    }

    /// As the kernel says it: with the time that the machine slept.
    #[cfg(target_os = "linux")]
    #[test]
    fn the_time_that_a_machine_slept_has_passed() {
        let up = || {
            let said = std::fs::read_to_string("/proc/uptime").expect("a file");
            let seconds = said.split(' ').next().and_then(|seconds| seconds.parse().ok());
            Duration::from_secs_f64(seconds.expect("a number"))
        };
        // It says hundredths.
        let (before, now, after) = (up(), Clock::system().monotonic(), up() + ms(10));
        assert!((before..=after).contains(&now), "{before:?} {now:?} {after:?}");
    }

    #[test]
    fn a_manual_clock_follows_nobody() {
        let clock = Clock::manual(Timestamp::from_seconds(7));
        clock.follow(Timestamp::from_seconds(9_000), ms(0), ms(0));
        assert_eq!(clock.now(), Timestamp::from_seconds(7));
    }
}
