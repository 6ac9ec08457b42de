//! How does a clock get wrong?

use std::path::{Path, PathBuf};

use crate::binary::Home;

/// Keyward with a clock that is as far off as this file says: `+1d`, `-2h` (faketime(1)), read again
/// each time it looks. What it measures durations with stays right.
pub(crate) fn with_clock(home: Home, offset: &Path) -> Home {
    home.with_variable("LD_PRELOAD", &library().display().to_string())
        .with_variable("FAKETIME_TIMESTAMP_FILE", &offset.display().to_string())
        .with_variable("FAKETIME_NO_CACHE", "1")
        .with_variable("FAKETIME_DONT_FAKE_MONOTONIC", "1")
}

/// Debian puts it into the folder of the machine's architecture.
fn library() -> PathBuf {
    let folders = std::fs::read_dir("/usr/lib").expect("a folder").flatten();
    let mut candidates = folders.map(|folder| folder.path().join("faketime/libfaketimeMT.so.1"));
    candidates.find(|path| path.exists()).expect("apt-get install faketime")
}
