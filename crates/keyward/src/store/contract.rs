//! What must every store do? One suite, run over each.
