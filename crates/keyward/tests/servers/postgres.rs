//! A real Postgres for tests: started by the first that needs it, on a free port of this machine,
//! and gone with the process, however that ends.
//!
//! Shared by path between the tests of the crates; it needs nothing but Debian's `postgresql`
//! (`need_postgres` in scripts/lib.sh). A test takes a [`Database`] of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// Postgres refuses to run as root. Its shell outlives this process by as long as it takes to stop
/// it: its standard input ends with this process. Text is sorted by a language here, so that a
/// column that is not `COLLATE "C"` shows itself.
const RUN: &str = r#"
trap '' INT TERM HUP
as() { if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --init-groups "$@"; else "$@"; fi; }
folder=$(mktemp -d /tmp/keyward-postgres.XXXXXX)
[ "$(id -u)" != 0 ] || chown postgres "$folder"
cd "$folder"
as "$1/initdb" -D data -A trust -U keyward -E UTF8 --no-sync --locale=C.UTF-8 --locale-provider=icu \
    --icu-locale=en >initdb.log 2>&1 ||
    as "$1/initdb" -D data -A trust -U keyward -E UTF8 --no-sync --locale=C.UTF-8 >initdb.log 2>&1
cat >>data/postgresql.conf <<END
listen_addresses = '127.0.0.1'
port = $2
unix_socket_directories = ''
max_connections = 300
fsync = off
full_page_writes = off
END
sed -i '1i host all locked all scram-sha-256' data/pg_hba.conf
if as "$1/pg_ctl" -D data -s -w -t 60 -l log start </dev/null >pg_ctl.log 2>&1; then
    echo "$folder"
    read -r _
fi
as "$1/pg_ctl" -D data -s -m immediate stop >pg_ctl.log 2>&1
rm -rf "$folder"
"#;

/// A server.
pub(crate) struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    made: AtomicUsize,
    /// Its standard input ends with this process.
    running: Mutex<Option<Child>>,
}

/// The server of this process.
pub(crate) fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    /// Starts one more, for a test that stops it.
    pub(crate) fn start() -> Self {
        let programs = programs();
        for _ in 0..5 {
            // Somebody else may take the port before Postgres does; then there is no answer.
            let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
            let mut shell = Command::new("sh")
                .args(["-c", RUN, "postgres"])
                .arg(&programs)
                .arg(port.to_string())
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a shell");
            let mut folder = String::new();
            let told = shell.stdout.take().expect("piped");
            BufReader::new(told).read_line(&mut folder).expect("readable");
            if folder.is_empty() {
                shell.wait().expect("it ended");
                continue;
            }
            let folder = PathBuf::from(folder.trim_end());
            let running = Mutex::new(Some(shell));
            return Self { programs, folder, port, made: AtomicUsize::new(0), running };
        }
        panic!("Postgres does not start");
    }

    /// Where a database of that name is.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://keyward@127.0.0.1:{}/{database}", self.port)
    }

    /// An empty database.
    pub(crate) fn database(&'static self) -> Database {
        self.copy_of("template0")
    }

    /// A database that is as this one, which nobody uses.
    pub(crate) fn copy_of(&'static self, template: &str) -> Database {
        let name = format!("test_{}", self.made.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database { server: self, name }
    }

    /// Has the server do this in that database; what it says.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        let done = Command::new(self.programs.join("psql"))
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database), "-c", sql])
            .output()
            .expect("psql");
        assert!(done.status.success(), "{sql}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    }

    /// Ends it for good.
    pub(crate) fn end(&self) {
        if let Some(mut shell) = self.running.lock().expect("no panic").take() {
            drop(shell.stdin.take());
            shell.wait().expect("it ended");
        }
    }

    /// From now on it tells only what was, as a standby does that hears of nothing.
    pub(crate) fn stand_by(&self) {
        self.control("stop");
        fs::write(self.folder.join("data/standby.signal"), "").expect("written");
        self.control("start");
    }

    /// Stops it, as fast as it can without a loss, or starts it again.
    pub(crate) fn control(&self, action: &str) {
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0);
        let mut control = if is_root {
            let mut control = Command::new("setpriv");
            control.args(["--reuid=postgres", "--regid=postgres", "--init-groups"]);
            control.arg(self.programs.join("pg_ctl"));
            control
        } else {
            Command::new(self.programs.join("pg_ctl"))
        };
        let data = self.folder.join("data");
        let log = self.folder.join("log");
        let mode: &[&str] = if action == "start" { &[] } else { &["-m", "fast"] };
        let done = control
            .current_dir("/")
            .args(["-s", "-w"])
            .args(mode)
            .arg("-l")
            .arg(log)
            .arg("-D")
            .arg(data)
            .arg(action)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        assert!(done.expect("pg_ctl").success(), "{action}");
    }
}

/// A database of one test, gone with it.
pub(crate) struct Database {
    server: &'static Server,
    pub(crate) name: String,
}

impl Database {
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Has the server do this there; what it says.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that stands by drops nothing: that must not hide why a test failed.
        let is_running = self.server.running.lock().is_ok_and(|running| running.is_some());
        if is_running && !std::thread::panicking() {
            self.server.sql("postgres", &format!("DROP DATABASE {} WITH (FORCE)", self.name));
        }
    }
}

/// Where the programs of the newest Postgres are.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let newest = versions.map(|entry| entry.path()).max_by_key(|path| version(path));
    newest.expect("Debian's postgresql: see need_postgres in scripts/lib.sh").join("bin")
}
