//! Which words are there where a key takes one of a few?

use std::fmt::Debug;

use keyward::core::key::Algorithm;
use keyward::core::password::Require;

/// A key's few words.
pub(crate) trait Choice: Copy + Debug + 'static {
    /// All of them, in the order in which they are told.
    const ALL: &'static [Self];

    /// The word.
    fn as_str(self) -> &'static str;
}

impl Choice for Algorithm {
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

impl Choice for Require {
    const ALL: &'static [Self] = &Self::ALL;

    fn as_str(self) -> &'static str {
        self.as_str()
    }
}

macro_rules! choices {
    ($(
        $(#[$about:meta])+
        $Name:ident { $( $(#[$doc:meta])+ $One:ident = $word:literal, )+ }
    )+) => { $(
        $(#[$about])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum $Name { $( $(#[$doc])+ $One, )+ }

        impl Choice for $Name {
            const ALL: &'static [Self] = &[$( Self::$One, )+];

            fn as_str(self) -> &'static str {
                match self { $( Self::$One => $word, )+ }
            }
        }
    )+ };
}

choices! {
    /// Who may make an account (`accounts.signup`).
    Signup {
        /// Everybody.
        Open = "open",
        /// Administrators.
        Closed = "closed",
    }

    /// What an access token may say of its user (`tokens.claims`).
    Claim {
        /// `email` and `email_verified`.
        Email = "email",
        /// `phone_number` and `phone_number_verified`.
        PhoneNumber = "phone_number",
        /// `roles`.
        Roles = "roles",
        /// `permissions`.
        Permissions = "permissions",
    }

    /// How the log is written (`log.format`).
    LogFormat {
        /// For people.
        Text = "text",
        /// For machines: one object a line.
        Json = "json",
    }

    /// How much is logged (`log.level`).
    LogLevel {
        /// What failed.
        Error = "error",
        /// What should worry an operator, too.
        Warn = "warn",
        /// What happened, too.
        Info = "info",
        /// How it came about, too.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}
