//! A real Postgres for tests: started by the first that needs it, on a free port of this machine,
//! and gone with the process, however that ends.
//!
//! Shared by path between the tests of the crates; it needs nothing but Debian's `postgresql`
//! (`need_postgres` in scripts/lib.sh). A test takes a [`Database`] of its own, which no other has at
//! the same time.

use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use super::port::free_port;

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

/// The database that others are copied from, and which nobody uses.
const TEMPLATE: &str = "template";

/// Lays aside what a database holds at first.
const LAY_ASIDE: &str = "CREATE SCHEMA at_first; \
    DO $$ DECLARE t TEXT; is_held BOOLEAN; BEGIN \
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
            EXECUTE format('SELECT EXISTS (TABLE public.%I)', t) INTO is_held; \
            IF is_held THEN EXECUTE format('CREATE TABLE at_first.%I AS TABLE public.%1$I', t); END IF; \
        END LOOP; \
    END $$";

/// Leaves nothing in a database but what was laid aside. No trigger fires, and nothing is looked up
/// in other tables.
const EMPTY: &str = "SET session_replication_role = replica; \
    DO $$ DECLARE t TEXT; BEGIN \
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP \
            EXECUTE format('DELETE FROM public.%I', t); \
        END LOOP; \
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'at_first' LOOP \
            EXECUTE format('INSERT INTO public.%I TABLE at_first.%1$I', t); \
        END LOOP; \
        FOR t IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP \
            EXECUTE format('ALTER SEQUENCE public.%I RESTART', t); \
        END LOOP; \
    END $$";

/// What a database is made of, and the settings of its own: another value where a test changed any.
const SHAPE: &str = "SELECT md5(string_agg(part, ' ' ORDER BY part)) FROM ( \
        SELECT concat(oid, relname, relacl, reloptions) AS part FROM pg_class WHERE relnamespace = 'public'::regnamespace \
        UNION ALL SELECT concat(attrelid, attname, atttypid, attnotnull, attisdropped) FROM pg_attribute \
            WHERE attnum > 0 AND attrelid::regclass IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace) \
        UNION ALL SELECT concat(oid, convalidated) FROM pg_constraint \
        UNION ALL SELECT concat(oid, tgenabled) FROM pg_trigger \
        UNION ALL SELECT concat(oid, md5(prosrc)) FROM pg_proc WHERE pronamespace = 'public'::regnamespace \
        UNION ALL SELECT concat(oid, nspname, nspacl) FROM pg_namespace WHERE nspname !~ '^pg_' \
        UNION ALL SELECT concat(s.setrole, s.setconfig) FROM pg_db_role_setting s \
            JOIN pg_database d ON d.oid = s.setdatabase AND d.datname = current_database() \
    ) parts";

/// A server.
pub(crate) struct Server {
    programs: PathBuf,
    folder: PathBuf,
    port: u16,
    made: AtomicUsize,
    /// What [`TEMPLATE`] is made of, once it is there.
    shape: OnceLock<String>,
    /// Copies of it that nobody uses now, the one longest unused first.
    idle: Mutex<VecDeque<String>>,
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
            let port = free_port();
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
            let (made, shape, idle) = (AtomicUsize::new(0), OnceLock::new(), Mutex::default());
            return Self { programs, folder, port, made, shape, idle, running };
        }
        panic!("Postgres does not start");
    }

    /// Where a database of that name is.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://keyward@127.0.0.1:{}/{database}", self.port)
    }

    /// An empty database.
    pub(crate) fn database(&'static self) -> Database {
        self.copy_of("template0", false)
    }

    /// A database that holds what `make` puts into one, which is asked once, and nothing else. One
    /// that a test is done with is emptied for the next: that is much faster than to make one.
    pub(crate) fn made(&'static self, make: impl FnOnce(&str)) -> Database {
        self.shape.get_or_init(|| {
            self.sql("postgres", &format!("CREATE DATABASE {TEMPLATE} TEMPLATE template0"));
            make(&self.url(TEMPLATE));
            self.sql(TEMPLATE, LAY_ASIDE);
            self.sql(TEMPLATE, SHAPE)
        });
        loop {
            let used = self.idle.lock().expect("no panic").pop_front();
            let Some(name) = used else { return self.copy_of(TEMPLATE, true) };
            let used = Database { server: self, name, is_handed_on: false };
            if let Some(emptied) = used.emptied() {
                return emptied;
            }
        }
    }

    fn copy_of(&'static self, template: &str, is_handed_on: bool) -> Database {
        let name = self.free_name();
        self.sql("postgres", &format!("CREATE DATABASE {name} TEMPLATE {template}"));
        Database { server: self, name, is_handed_on }
    }

    fn free_name(&self) -> String {
        format!("test_{}", self.made.fetch_add(1, Ordering::Relaxed))
    }

    /// Has the server do this in that database; what it says.
    pub(crate) fn sql(&self, database: &str, sql: &str) -> String {
        self.psql(database, &[sql])
    }

    /// Has the server do one after the other, each for itself.
    fn psql(&self, database: &str, commands: &[&str]) -> String {
        let done = Command::new(self.programs.join("psql"))
            .args(["-XqAt", "-v", "ON_ERROR_STOP=1", "-d", &self.url(database)])
            .args(commands.iter().flat_map(|command| ["-c", command]))
            .output()
            .expect("psql");
        assert!(done.status.success(), "{commands:?}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8(done.stdout).expect("text")
    }

    /// What it wrote into its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).expect("readable")
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

    /// Has it take encrypted connections by this certificate, too.
    pub(crate) fn encrypt(&self, certificate: &Path, key: &Path) {
        let owner = fs::metadata(&self.folder).expect("its folder");
        for (from, name) in [(certificate, "server.crt"), (key, "server.key")] {
            let to = self.folder.join("data").join(name);
            fs::copy(from, &to).expect("copied");
            fs::set_permissions(&to, fs::Permissions::from_mode(0o600)).expect("its own");
            chown(&to, Some(owner.uid()), Some(owner.gid())).expect("its own");
        }
        self.sql("postgres", "ALTER SYSTEM SET ssl = on");
        self.control("stop");
        self.control("start");
    }

    /// Stops it, as fast as it can without a loss, or starts it again.
    pub(crate) fn control(&self, action: &str) {
        let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
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

/// A database of one test, and no longer its own once this is dropped.
pub(crate) struct Database {
    server: &'static Server,
    pub(crate) name: String,
    /// Whether another test may have it after this one, or it is taken away.
    is_handed_on: bool,
}

impl Database {
    pub(crate) fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// Has the server do this there; what it says.
    pub(crate) fn sql(&self, sql: &str) -> String {
        self.server.sql(&self.name, sql)
    }

    /// All of it, as text.
    pub(crate) fn dump(&self) -> String {
        let done = Command::new(self.server.programs.join("pg_dump")).args(["-d", &self.url()]).output();
        let done = done.expect("pg_dump");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let text = String::from_utf8(done.stdout).expect("text");
        // Newer ones put a word that is another each time into commands to psql.
        text.lines().filter(|line| !line.starts_with('\\')).map(|line| format!("{line}\n")).collect()
    }

    /// The same as it was at first, by a name that whoever used it doesn't know: who is still
    /// connected is cut off and does not come back. `None` where more was changed of it than what
    /// it holds.
    pub(crate) fn emptied(mut self) -> Option<Self> {
        let (old, new) = (&self.name, self.server.free_name());
        // To rename it waits for them as well, but for five seconds alone.
        let gone = format!(
            "DO $$ BEGIN WHILE EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{old}') \
             LOOP PERFORM pg_sleep(0.01), pg_stat_clear_snapshot(); END LOOP; END $$"
        );
        let said = self.server.psql(
            "postgres",
            &[
                &format!("ALTER DATABASE {old} ALLOW_CONNECTIONS false"),
                &format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{old}'"),
                &gone,
                &format!("ALTER DATABASE {old} RENAME TO {new}"),
                &format!("ALTER DATABASE {new} ALLOW_CONNECTIONS true"),
                &format!("\\connect {new}"),
                EMPTY,
                SHAPE,
            ],
        );
        self.name = new;
        self.is_handed_on = self.server.shape.get().is_some_and(|shape| said.ends_with(shape));
        self.is_handed_on.then_some(self)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        // A server that stands by drops nothing: that must not hide why a test failed.
        let is_running = self.server.running.lock().is_ok_and(|running| running.is_some());
        if !is_running || std::thread::panicking() {
            return;
        }
        if self.is_handed_on {
            self.server.idle.lock().expect("no panic").push_back(std::mem::take(&mut self.name));
        } else {
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
