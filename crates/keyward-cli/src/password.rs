//! Where does a password come from? From standard input or a terminal, never from an argument,
//! which every process of the machine can read.

use std::io::{self, IsTerminal as _, Read as _};

use keyward::core::password::{MAX_LOGIN_BYTES, Password};

use crate::failure::Failure;

/// How a command is given a password.
#[derive(clap::Args)]
pub(crate) struct From {
    /// Read the password from standard input instead of asking for it
    #[arg(long)]
    password_stdin: bool,
}

impl From {
    /// A new password, which is not empty; a person gives it twice.
    pub(crate) fn get(&self) -> Result<Password, Failure> {
        let password = self.known()?;
        if self.password_stdin {
            return Ok(password);
        }
        if taken(asked("The same again: ")?)?.as_str() == password.as_str() {
            Ok(password)
        } else {
            Err(Failure::new("the two passwords differ; nothing was changed, try again"))
        }
    }

    /// One that there is already.
    pub(crate) fn known(&self) -> Result<Password, Failure> {
        if self.password_stdin {
            return piped();
        }
        if !io::stdin().is_terminal() {
            return Err(Failure::usage(
                "there is no terminal to ask for the password; hand it in with --password-stdin",
            ));
        }
        taken(asked("Password: ")?)
    }
}

fn asked(prompt: &str) -> Result<String, Failure> {
    rpassword::prompt_password(prompt)
        .map_err(|e| Failure::new(format!("the password can't be asked for: {e}")))
}

/// What standard input holds, without a line break at its end, which `echo` and files have.
pub(crate) fn piped() -> Result<Password, Failure> {
    read(io::stdin().lock())
}

fn read(input: impl io::Read) -> Result<Password, Failure> {
    // Room for what is one too long, and for the line break.
    let most = u64::try_from(MAX_LOGIN_BYTES + 3).unwrap_or(u64::MAX);
    let mut text = String::with_capacity(MAX_LOGIN_BYTES + 3);
    input.take(most).read_to_string(&mut text).map_err(|e| {
        Failure::usage(format!("the password on standard input can't be read: {e}; hand it in as UTF-8"))
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.contains('\n') {
        return Err(Failure::usage(
            "there is more than one line on standard input; hand in the password alone",
        ));
    }
    taken(text)
}

fn taken(text: String) -> Result<Password, Failure> {
    if text.is_empty() {
        return Err(Failure::usage("the password is empty; nothing was changed"));
    }
    Password::try_from(text).map_err(|e| Failure::new(format!("password: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_is_the_password_as_it_is() {
        for (given, password) in
            [("Pass word1", "Pass word1"), ("Pass1 \n", "Pass1 "), ("P\r\n", "P"), (" \n", " ")]
        {
            assert_eq!(read(given.as_bytes()).expect(given).as_str(), password);
        }
        for given in ["", "\n", "\r\n", "a\nb", "a\n\n", &"x".repeat(MAX_LOGIN_BYTES + 1)] {
            assert!(read(given.as_bytes()).is_err(), "{given:?}");
        }
        assert!(read(&b"\xff"[..]).is_err());
        assert!(read("x".repeat(MAX_LOGIN_BYTES).as_bytes()).is_ok());
    }
}
