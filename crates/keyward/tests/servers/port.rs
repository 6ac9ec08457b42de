//! On which port can a server be started that may be stopped and started again there?

use std::collections::HashSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::TcpStream;
use std::sync::{LazyLock, Mutex, PoisonError};

/// Below what the system hands out by itself, and so that the bus of a Redis has room above.
const PORTS: std::ops::Range<u16> = 11_000..21_000;
/// How far above the port the bus of a cluster is.
pub(crate) const BUS: u16 = 10_000;

/// A port that nobody has, with its bus above.
pub(crate) fn free_port() -> u16 {
    static USED: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    loop {
        let [high, low, ..] = RandomState::new().hash_one(0).to_be_bytes();
        let port = PORTS.start + u16::from_be_bytes([high, low]) % (PORTS.end - PORTS.start);
        // Asked for, not taken: a program that is just being started would keep a copy of what
        // listened here, and the server would find the port taken.
        let is_free = |port| TcpStream::connect(("127.0.0.1", port)).is_err();
        if is_free(port)
            && is_free(port + BUS)
            && USED.lock().unwrap_or_else(PoisonError::into_inner).insert(port)
        {
            return port;
        }
    }
}
