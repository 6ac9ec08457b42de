//! A to-do API of many users that embeds Keyward.

fn main() {}
