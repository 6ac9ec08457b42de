//! `/dev`
mod mailbox;
