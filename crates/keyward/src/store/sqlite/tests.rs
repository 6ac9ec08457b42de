//! What can go wrong with a file, a disk or another process, and what comes of it?

/// A statement that makes the writer panic.
pub(super) const PANIC: &str = "PANIC";
