//! How are chromedriver and its browser started, stopped, put to sleep and ended?

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::binary::{PATIENCE, until};

/// chromedriver and everything it starts, as one process group. Dropped, all of it is killed.
pub(crate) struct Processes {
    shell: Child,
    /// Closed when this process ends, however it ends: then the group kills itself.
    leash: Option<ChildStdin>,
    port: u16,
}

impl Processes {
    /// Starts chromedriver on a free port; what it keeps outside of profiles goes into this folder.
    pub(crate) fn start(home: &Path) -> Self {
        // It takes a port that is free on IPv4 and ends where the same is taken on IPv6, or the other
        // way round, as happens while many tests have connections.
        let started = (0..10).find_map(|_| Self::attempt(home));
        started.expect("chromedriver starts: apt-get install chromium-driver")
    }

    /// `None` where chromedriver ends before it listens.
    fn attempt(home: &Path) -> Option<Self> {
        let mut shell = Command::new("sh")
            // The shell keeps no end of the pipe: else nobody would see that chromedriver has ended.
            .args(["-c", "chromedriver --port=0 </dev/null & exec >/dev/null; read -r _; kill -KILL 0"])
            .env("HOME", home)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let leash = shell.stdin.take();
        let mut lines = BufReader::new(shell.stdout.take().expect("piped")).lines().map_while(Result::ok);
        let port = lines
            .find_map(|line| line.split_once("successfully on port ")?.1.trim_end_matches('.').parse().ok());
        // Read to its end: it must not wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        // Dropped, it is killed, chromedriver or no.
        let started = Self { shell, leash, port: port.unwrap_or(0) };
        port.is_some().then_some(started)
    }

    pub(crate) fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops the whole browser, as a closed laptop does; chromedriver goes on.
    pub(crate) fn stop(&self) {
        self.signal("STOP");
    }

    pub(crate) fn wake(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let mut command = Command::new("kill");
        command.arg("-s").arg(name).arg("--");
        let browser: Vec<u32> = group(self.shell.id()).filter(|process| is_browser(*process)).collect();
        assert!(!browser.is_empty(), "a browser runs");
        command.args(browser.iter().map(u32::to_string));
        // One of them may have ended meanwhile.
        let _ = command.stderr(Stdio::null()).status();
    }
}

/// The processes of this group that have not ended.
fn group(group: u32) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").expect("Linux").flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(move |process| running_in(*process) == Some(group))
}

/// Its process group; `None` if it has ended (proc(5), `/proc/pid/stat`: after the name in brackets
/// state, parent, group).
fn running_in(process: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    if matches!(fields.next()?, "Z" | "X") {
        return None;
    }
    fields.nth(1)?.parse().ok()
}

fn is_browser(process: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|name| name.starts_with("chromium"))
}

impl Drop for Processes {
    fn drop(&mut self) {
        drop(self.leash.take());
        let _ = self.shell.wait();
        // They are killed, and a busy machine takes its time to end them: what comes next may use the
        // same profile.
        if !std::thread::panicking() {
            until(PATIENCE, "the end of the browser", || group(self.shell.id()).next().is_none());
        }
    }
}
