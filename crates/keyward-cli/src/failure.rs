//! How does a command say that it failed, and with which exit code?

use std::io::{self, Write as _};
use std::process::ExitCode;

use keyward::Error;

use crate::config::Problem;

/// It was not done.
const FAILED: u8 = 1;
/// It was asked for in a wrong way, or the configuration is wrong.
pub(crate) const USAGE: u8 = 2;

/// Why a command failed, in lines that each say what to do next.
#[derive(Debug)]
pub(crate) struct Failure {
    lines: Vec<String>,
    code: u8,
}

impl Failure {
    /// It was not done, for this reason.
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()], code: FAILED }
    }

    /// It was asked for in a wrong way.
    pub(crate) fn usage(line: impl Into<String>) -> Self {
        Self { lines: vec![line.into()], code: USAGE }
    }

    /// The configuration is wrong in these ways.
    pub(crate) fn configuration(problems: &[Problem]) -> Self {
        Self { lines: problems.iter().map(Problem::to_string).collect(), code: USAGE }
    }

    /// Standard output takes nothing more. Where its reader has had enough, as `head` has, nothing
    /// is wrong.
    pub(crate) fn unprinted(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { lines: Vec::new(), code: 0 },
            _ => Self::new(format!("standard output can't be written: {error}")),
        }
    }

    /// Says it on standard error; gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        let mut err = io::stderr().lock();
        for line in &self.lines {
            // There is nowhere left to say that this can't be said.
            let _ = writeln!(err, "keyward: {}", line.replace(['\n', '\r'], " "));
        }
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Error::Denied(denied) = &error else { return Self::new(error.to_string()) };
        match denied.fields() {
            [] => Self::new(denied.detail()),
            fields => Self {
                lines: fields.iter().map(|wrong| format!("{}: {}", wrong.field, wrong.message)).collect(),
                code: FAILED,
            },
        }
    }
}
