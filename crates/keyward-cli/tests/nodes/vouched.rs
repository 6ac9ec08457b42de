//! Is the other end of an encrypted connection who it says it is? Over a real Postgres and a real
//! Redis with certificates of an authority of the test.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

use crate::asking::{login, refreshed, verdict};
use crate::node;
use crate::servers::{port as ports, postgres};
use crate::support::{EMAIL, Home, Server, text};

/// What must not be said.
const SECRET: &str = "kanarienvogel";

/// An authority, with a certificate that it gave for one address.
struct Authority(TempDir);

impl Authority {
    /// `names` is who the certificate is for: `IP:127.0.0.1`.
    fn new(names: &str) -> Self {
        let authority = Self(TempDir::new().expect("a folder"));
        let key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
        let name = authority.0.path().file_name().and_then(|name| name.to_str()).expect("a name");
        authority.make("ca", &key, &["-subj", &format!("/CN={name}")]);
        let of_it = ["-CA", "ca.pem", "-CAkey", "ca.key", "-subj", "/CN=server"];
        let leaf = ["-addext", "basicConstraints=critical,CA:FALSE", "-addext"];
        let names = format!("subjectAltName={names}");
        authority.make("server", &key, &[&of_it[..], &leaf[..], &[names.as_str()]].concat());
        authority
    }

    fn make(&self, name: &str, key: &[&str], rest: &[&str]) {
        let made = Command::new("openssl")
            .args(["req", "-x509"])
            .args(key)
            .args(rest)
            .args(["-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
            .current_dir(self.0.path())
            .output()
            .expect("apt-get install openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The certificate by which it is trusted.
    fn itself(&self) -> String {
        self.file("ca.pem").display().to_string()
    }
}

/// Neither starts, nor does the doctor pass it: both say why in a line, without the secret.
#[track_caller]
fn refused(home: &Home, subject: &str, why: &str) {
    let ran = home.run(&["serve"]);
    let said = ran.refused(1);
    assert!(said.contains(why) && !said.contains(SECRET), "{said}");
    let ran = home.run(&["doctor", "--json"]);
    assert!(ran.code == 1 && !ran.out.contains(SECRET) && !ran.err.contains(SECRET), "{ran:?}");
    let all: Value = serde_json::from_str(&ran.out).unwrap_or_else(|e| panic!("{e}: {ran:?}"));
    let all = all["findings"].as_array().expect("a list");
    let found = all.iter().filter(|finding| finding["subject"] == subject && finding["level"] == "error");
    let found: Vec<String> = found.map(|finding| text(&finding["message"])).collect();
    assert!(found.iter().any(|message| message.contains(why)), "{found:?}");
}

/// It starts, and somebody can sign in and is known.
fn works(home: &Home) {
    let server = Server::start(home);
    let tokens = login(server.address());
    assert_eq!(verdict(server.address(), &tokens["token"]), "200");
    assert_eq!(refreshed(server.address(), &tokens), "200");
    server.stop();
}

#[test]
fn a_postgres_is_who_an_authority_says() {
    let plain = postgres::server().database();
    let port = |database: &postgres::Database| node::port(database);
    let to = |host: &str, port: u16, name: &str, options: &str| {
        node::home(&format!("postgres://keyward:{SECRET}@{host}:{port}/{name}?{options}"))
    };
    // Whoever asks for encryption gets it or nothing.
    let here = Authority::new("IP:127.0.0.1");
    let trusts = |authority: &Authority| format!("sslmode=verify-full&sslrootcert={}", authority.itself());
    refused(
        &to("127.0.0.1", port(&plain), &plain.name, &trusts(&here)),
        "database",
        "no encrypted connection",
    );

    let server: &'static postgres::Server = Box::leak(Box::new(postgres::Server::start()));
    server.encrypt(&here.file("server.pem"), &here.file("server.key"));
    let database = server.database();
    let (port, name) = (port(&database), database.name.as_str());
    let home = to("127.0.0.1", port, name, &trusts(&here));
    home.user(EMAIL);
    works(&home);
    let told = home.run(&["doctor"]).out;
    assert!(told.contains("the way to Postgres is encrypted"), "{told}");

    let other = Authority::new("IP:127.0.0.1");
    refused(&to("127.0.0.1", port, name, &trusts(&other)), "database", "UnknownIssuer");
    // One that no browser knows is not good by itself.
    for mode in ["sslmode=require", "sslmode=verify-full", "sslmode=verify-ca"] {
        refused(&to("127.0.0.1", port, name, mode), "database", "sslrootcert=FILE");
    }
    // The certificate is for an address, not for the name of this machine.
    refused(&to("localhost", port, name, &trusts(&here)), "database", "not valid for name \"localhost\"");
    server.end();
}

/// A Redis that takes nothing but encrypted connections, gone with this.
struct Redis {
    port: u16,
    shell: Child,
    lifeline: Option<ChildStdin>,
}

/// Its standard input ends with this process.
const REDIS: &str = r#"
redis-server --port 0 --tls-port "$1" --bind 127.0.0.1 --save '' --requirepass "$2" --tls-auth-clients no \
    --tls-cert-file "$3" --tls-key-file "$4" --tls-ca-cert-file "$3" </dev/null &
read -r _
kill -9 $!
wait $!
"#;

impl Redis {
    fn start(certificate: &Path, key: &Path) -> Self {
        for _ in 0..5 {
            // Somebody else may take the port before Redis does; then it ends.
            let port = ports::free_port();
            let mut shell = Command::new("sh")
                .args(["-c", REDIS, "redis", &port.to_string(), SECRET])
                .args([certificate, key])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("a shell");
            let lifeline = shell.stdin.take();
            let mut lines = BufReader::new(shell.stdout.take().expect("piped")).lines().map_while(Result::ok);
            let is_ready = lines.any(|line| line.contains("Ready to accept connections"));
            std::thread::spawn(move || lines.for_each(drop));
            let redis = Self { port, shell, lifeline };
            if is_ready {
                return redis;
            }
        }
        panic!("Redis does not start: see need_redis in scripts/lib.sh");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.lifeline.take());
        // That it has ended by itself is just as well.
        let _ = self.shell.wait();
    }
}

#[test]
fn a_redis_is_who_an_authority_of_the_system_says() {
    let database = node::database();
    let here = Authority::new("IP:127.0.0.1");
    let redis = Redis::start(&here.file("server.pem"), &here.file("server.key"));
    // The authorities of the system are those of this file.
    let trusting = |authority: &Authority, scheme: &str, host: &str, port: u16| {
        node::home(&database.url())
            .with("REDIS__URLS", &format!("{scheme}://:{SECRET}@{host}:{port}"))
            .with_variable("SSL_CERT_FILE", &authority.itself())
    };
    works(&trusting(&here, "rediss", "127.0.0.1", redis.port));
    let other = Authority::new("IP:127.0.0.1");
    refused(&trusting(&other, "rediss", "127.0.0.1", redis.port), "redis", "UnknownIssuer");
    refused(&trusting(&here, "rediss", "localhost", redis.port), "redis", "not valid for name \"localhost\"");
    // Neither end speaks in the clear to one that does not.
    refused(&trusting(&here, "redis", "127.0.0.1", redis.port), "redis", "can't be used");
    let plain = crate::servers::redis::server().port;
    refused(&trusting(&here, "rediss", "127.0.0.1", plain), "redis", "can't be used");
    // No authority of the system's.
    let nobody = node::home(&database.url())
        .with("REDIS__URLS", &format!("rediss://:{SECRET}@127.0.0.1:{}", redis.port));
    refused(&nobody, "redis", "can't be used");
}
