//! `keyward completions`: how does a shell complete commands?

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use crate::failure::Failure;
use crate::{Cli, print};

/// For which shell.
#[derive(Args)]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(&self) -> Result<(), Failure> {
        // Into memory first: clap itself panics where the reader has gone.
        let mut script = Vec::new();
        generate(self.shell, &mut Cli::command(), "keyward", &mut script);
        print::text(&String::from_utf8_lossy(&script))
    }
}
