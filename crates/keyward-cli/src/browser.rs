//! How is a page shown to who has just started this? In the browser of the desktop that they sit at,
//! where there is one.

use std::env;
use std::io::{self, IsTerminal as _};
use std::process::{Command, Stdio};

/// Opens a page in the browser. Nothing happens where nobody sits at a terminal of a desktop here: the
/// address was printed anyway.
pub(crate) fn show(url: &str) {
    if !io::stdout().is_terminal() || !has_desktop() {
        return;
    }
    let opener = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let quiet = Stdio::null;
    let started = Command::new(opener).arg(url).stdin(quiet()).stdout(quiet()).stderr(quiet()).spawn();
    // That there is none, or that it fails, is just as well.
    if let Ok(mut child) = started {
        std::thread::spawn(move || drop(child.wait()));
    }
}

/// Whether there is a display. A session by SSH has none of its own, whatever it forwards.
fn has_desktop() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    let remote = is_set("SSH_CONNECTION") || is_set("SSH_TTY");
    let display = cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");
    display && !remote
}
