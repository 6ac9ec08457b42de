//! Beside a Keyward that runs: how soon do services refuse whom it signed out?
