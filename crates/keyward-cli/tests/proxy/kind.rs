//! Which proxies are there, and how is each started with its example?

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The addresses in the examples.
pub(crate) const PROXY: &str = "127.0.0.1:8000";
pub(crate) const KEYWARD: &str = "127.0.0.1:8080";
pub(crate) const APPLICATION: &str = "127.0.0.1:9000";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Nginx,
    Caddy,
    Haproxy,
    Traefik,
    Envoy,
}

pub(crate) const KINDS: [Kind; 5] = [Kind::Nginx, Kind::Caddy, Kind::Haproxy, Kind::Traefik, Kind::Envoy];

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
            Self::Traefik => "traefik",
            Self::Envoy => "envoy",
        }
    }

    /// The folder of its example.
    pub(crate) fn example(self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(self.name())
    }

    /// The files of its example that are configuration.
    pub(crate) fn files(self) -> &'static [&'static str] {
        match self {
            Self::Nginx => &["nginx.conf", "keyward.conf", "keyward-protect.conf"],
            Self::Caddy => &["Caddyfile"],
            Self::Haproxy => &["haproxy.cfg", "keyward.lua"],
            Self::Traefik => &["traefik.yml", "dynamic.yml"],
            Self::Envoy => &["envoy.yaml"],
        }
    }

    /// The command that starts it in the folder that its configuration is in.
    pub(crate) fn command(self, folder: &Path) -> Command {
        let (program, arguments) = match self {
            Self::Nginx => (PathBuf::from("nginx"), vec!["-p", ".", "-c", "nginx.conf", "-e", "stderr"]),
            Self::Caddy => {
                (PathBuf::from("caddy"), vec!["run", "--config", "Caddyfile", "--adapter", "caddyfile"])
            }
            Self::Haproxy => (PathBuf::from("haproxy"), vec!["-db", "-f", "haproxy.cfg"]),
            Self::Traefik => (tool("traefik"), vec!["--configFile=traefik.yml"]),
            // Its workers and its admin file would be shared with another Envoy of this base id.
            Self::Envoy => {
                (tool("envoy"), vec!["-c", "envoy.yaml", "--use-dynamic-base-id", "--concurrency", "1"])
            }
        };
        let mut command = Command::new(program);
        command.args(arguments).current_dir(folder);
        let sbin = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        command.env("PATH", sbin).env("HOME", folder).env("XDG_DATA_HOME", folder);
        command.env("XDG_CONFIG_HOME", folder).stdin(Stdio::null());
        command
    }

    /// What it says of its version.
    pub(crate) fn version(self) -> String {
        let argument = match self {
            Self::Nginx => "-v",
            Self::Caddy | Self::Traefik => "version",
            Self::Haproxy => "-v",
            Self::Envoy => "--version",
        };
        let program = match self {
            Self::Traefik | Self::Envoy => tool(self.name()),
            _ => PathBuf::from(self.name()),
        };
        let sbin = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let output = Command::new(program).arg(argument).env("PATH", sbin).output().expect("it runs");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        let is_version = |word: &&str| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.');
        let mut words =
            text.split(|c: char| !(c.is_ascii_digit() || c == '.')).filter(|word| !word.is_empty());
        words.find(|word| is_version(word) && word.matches('.').count() == 2).unwrap_or("?").to_owned()
    }
}

/// A program that `scripts/test` fetches.
fn tool(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/proxies").join(name)
}

#[test]
fn each_example_sends_keywards_paths_to_keyward() {
    let routes = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/routes.md");
    let routes = std::fs::read_to_string(routes).expect("docs/routes.md");
    let paths = routes.split('`').filter_map(|route| route.split_once(' ')).map(|(_, path)| path);
    let paths = paths.filter(|path| path.starts_with('/'));
    // Not for people, or for this machine alone; `/` is the application's.
    let apart = ["", "healthz", "readyz", "dev"];
    let first = paths.filter_map(|path| path[1..].split('/').next()).filter(|name| !apart.contains(name));
    let first: std::collections::BTreeSet<&str> = first.collect();
    assert!(first.len() > 5, "{first:?}");
    for kind in KINDS {
        let files = kind.files().iter().map(|file| std::fs::read_to_string(kind.example().join(file)));
        let text: String = files.map(|text| text.expect("a file").replace('\\', "")).collect();
        for name in &first {
            assert!(text.contains(name), "{} does not send /{name} to Keyward", kind.name());
        }
    }
}
