//! How do an application, Keyward and a proxy in front of both stand together?

use std::fs::{self, File, Permissions};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::application::Application;
use crate::browser::{Browser, ask};
use crate::kind::{APPLICATION, KEYWARD, Kind, PROXY};
use crate::support::{EMAIL, Home, PATIENCE, Server, until};

/// Somebody with the role `admin`.
pub(crate) const ADMIN: &str = "grace@example.com";

/// All three, running. Dropped, they end.
pub(crate) struct Stand {
    pub(crate) kind: Kind,
    /// Where the proxy listens.
    pub(crate) address: String,
    pub(crate) application: Application,
    pub(crate) keyward: Server,
    pub(crate) home: Home,
    /// Where the proxy takes the application to be, where that is left to the doctor.
    pub(crate) doctors_place: Option<String>,
    _proxy: Proxy,
}

impl Stand {
    /// With the example as it is.
    pub(crate) fn new(kind: Kind) -> Self {
        Self::before(kind, None, |_, text| text.to_owned())
    }

    /// With the example changed (a file's name and its text give its new text), and nobody where the
    /// proxy takes the application to be.
    pub(crate) fn for_the_doctor(kind: Kind, change: impl Fn(&str, &str) -> String) -> Self {
        Self::before(kind, Some(free_address()), change)
    }

    fn before(kind: Kind, doctors_place: Option<String>, change: impl Fn(&str, &str) -> String) -> Self {
        let address = free_address();
        let home = Home::new()
            .with("SERVER__PUBLIC_URL", &format!("http://{address}"))
            .with("SERVER__TRUSTED_PROXIES", "127.0.0.1/32");
        home.user(EMAIL);
        home.user(ADMIN);
        home.done(&["user", "roles", ADMIN, "--add", "admin"]);
        let keyward = Server::start(&home);
        let application = Application::start();
        let behind = doctors_place.as_ref().unwrap_or(&application.address);
        let proxy = Proxy::start(kind, &address, keyward.address(), behind, change);
        Self { kind, address, application, keyward, home, doctors_place, _proxy: proxy }
    }

    /// A browser in which nobody has signed in.
    pub(crate) fn nobody(&self) -> Browser {
        Browser::new(&self.address)
    }

    /// A browser in which somebody has.
    pub(crate) fn somebody(&self) -> Browser {
        Browser::signed_in(&self.address, EMAIL)
    }
}

/// A proxy that runs. Dropped, it ends.
pub(crate) struct Proxy {
    kind: Kind,
    process: Child,
    folder: TempDir,
}

impl Proxy {
    /// Starts one that listens here, with Keyward and the application there, and waits until it
    /// answers.
    pub(crate) fn start(
        kind: Kind,
        address: &str,
        keyward: &str,
        application: &str,
        change: impl Fn(&str, &str) -> String,
    ) -> Self {
        Self::spawn(kind, address, keyward, application, change).once(|| {
            // Traefik listens before it has routes.
            TcpStream::connect(address).is_ok()
                && Browser::new(address).open(ask("GET", "/.well-known/jwks.json")).1.status == 200
        })
    }

    /// Starts one that may not listen yet.
    pub(crate) fn spawn(
        kind: Kind,
        address: &str,
        keyward: &str,
        application: &str,
        change: impl Fn(&str, &str) -> String,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        // Started by root, nginx works as somebody else, who keeps large bodies in here.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("its mode");
        for file in kind.files() {
            let text = fs::read_to_string(kind.example().join(file)).expect(file);
            let text = change(file, &text);
            let bound = format!("bind {}", address.split(':').next().expect("a host"));
            let text = match kind {
                Kind::Caddy => text.replace("bind 127.0.0.1\n", &format!("{bound}\n")),
                _ => text,
            };
            let text = match kind {
                Kind::Envoy => envoy(&text, address, keyward, application),
                _ => text.replace(PROXY, address).replace(KEYWARD, keyward).replace(APPLICATION, application),
            };
            fs::write(folder.path().join(file), text).expect(file);
        }
        let log = File::create(folder.path().join("log")).expect("a log");
        let mut command = kind.command(folder.path());
        command.stdout(log.try_clone().expect("a log")).stderr(log);
        let process = command.spawn().unwrap_or_else(|e| {
            panic!("{}: {e}; scripts/test installs it", command.get_program().to_string_lossy())
        });
        Self { kind, process, folder }
    }

    /// The same, once it answers.
    pub(crate) fn once(mut self, answers: impl Fn() -> bool) -> Self {
        until(PATIENCE, "a proxy that answers", || {
            let ended = self.process.try_wait().expect("a process");
            assert_eq!(ended, None, "{} ended: {}", self.kind.name(), self.log());
            answers()
        });
        self
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if self.kind == Kind::Nginx {
            // Its workers end with the one that is told, not with one that is killed.
            let _ = Command::new("sh").args(["-c", &format!("kill -TERM {}", self.process.id())]).status();
        } else {
            // One process each; told to stop, some wait for connections to end.
            let _ = self.process.kill();
        }
        let _ = self.process.wait();
    }
}

/// Envoy's addresses have their port apart.
fn envoy(text: &str, proxy: &str, keyward: &str, application: &str) -> String {
    let pair = |address: &str| {
        let (host, port) = address.split_once(':').expect("a port");
        format!("address: {host}, port_value: {port} ")
    };
    let text = text.replace(&pair(PROXY), &pair(proxy)).replace(&pair(KEYWARD), &pair(keyward));
    text.replace(&pair(APPLICATION), &pair(application))
}

/// An address of this machine that no other test has: each process has one of its own.
pub(crate) fn free_address() -> String {
    static PORT: AtomicU32 = AtomicU32::new(8000);
    let [_, a, b, c] = std::process::id().to_be_bytes();
    format!("127.{}.{b}.{}:{}", a + 1, c.max(1), PORT.fetch_add(1, Ordering::Relaxed))
}
