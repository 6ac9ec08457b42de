//! How long does a test wait for what has to come, and what must not come meanwhile?

use std::time::Duration;

use keyward::clock::Clock;

/// Longer than anything here takes, even on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What has ended nobody accepts who is asked later than this.
pub(crate) const BOUND: Duration = Duration::from_secs(1);

/// Asks until it holds; how long that took. Not to hold within `cap` is a failure.
#[track_caller]
pub(crate) fn until(cap: Duration, what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let clock = Clock::system();
    let start = clock.monotonic();
    loop {
        let holds = holds();
        let took = clock.monotonic() - start;
        assert!(took <= cap, "{what} took {took:?}");
        if holds {
            return took;
        }
        pause();
    }
}

/// Asks until the answer is this code; how long that took. What was asked after [`BOUND`] must not be
/// accepted any more: who could not hear that it has ended says so, however busy the machine is.
#[track_caller]
pub(crate) fn refused_within_bound(what: &str, code: &str, mut ask: impl FnMut() -> String) -> Duration {
    let clock = Clock::system();
    let start = clock.monotonic();
    until(PATIENCE, what, || {
        let asked = clock.monotonic() - start;
        let told = ask();
        assert!(asked <= BOUND || told != "200", "{what}: accepted when asked after {asked:?}");
        told == code
    })
}

/// Leaves the processor to who is waited for.
#[expect(clippy::disallowed_methods, reason = "who asks again takes a breath")]
pub(crate) fn pause() {
    std::thread::sleep(Duration::from_millis(20));
}
