//! Does loading refuse what it should, by name?

mod secrets;

use std::time::Duration;

use keyward::Origin;
use keyward::core::password::Require;
use keyward::core::throttle::Limit;
use tempfile::TempDir;

use super::*;

/// 32 times `A`, 32 times `B`.
const KEY: &str = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
const OTHER_KEY: &str = "QkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=";

/// Loads this text as `keyward.toml` with these variables.
fn load(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("keyward.toml"), text).expect("written");
    load_in(&folder, None, variables)
}

fn load_in(folder: &TempDir, path: Option<&str>, variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(path.map(Path::new), variables, folder.path())
        .map_err(|problems| problems.iter().map(Problem::to_string).collect())
}

fn loaded(text: &str, variables: &[(&str, &str)]) -> Loaded {
    load(text, variables).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

/// The one line that refuses this.
fn refusal(text: &str, variables: &[(&str, &str)]) -> String {
    let problems = load(text, variables).expect_err("a refusal");
    assert_eq!(problems.len(), 1, "{problems:#?}");
    assert!(!problems[0].contains('\n'), "{problems:#?}");
    problems[0].clone()
}

#[test]
fn with_no_file_and_no_variable_it_runs() {
    let folder = TempDir::new().expect("a folder");
    let loaded = load_in(&folder, None, &[]).expect("the defaults");
    let config = &loaded.config;
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(config.server.public_url.to_string(), "http://127.0.0.1:8080");
    assert_eq!(config.issuer(), "http://127.0.0.1:8080");
    assert_eq!(config.edge_audience(), "http://127.0.0.1:8080");
    assert_eq!(config.database_file(), Some(Path::new("keyward-data/keyward.db")));
    assert_eq!(config.data_folder(), Path::new("keyward-data"));
    assert_eq!(config.tokens.access_ttl, Duration::from_secs(900));
    assert_eq!(config.sessions.idle_timeout, Some(Duration::from_secs(3600)));
    assert_eq!(config.sessions.idle_timeout_bearer, None);
    assert_eq!(config.rate_limits.login, Limit::new(5, Duration::from_secs(60)));
    assert_eq!(config.passwords.require.len(), 3);
    assert_eq!(config.tokens.claims.len(), 4);
    assert!(config.is_local() && config.keys.master_key.is_none() && config.email.smtp_url.is_none());
    assert!(loaded.settings.iter().all(|setting| setting.source == Source::Default));
}

#[test]
fn every_key_of_the_contract_is_there_and_no_other() {
    // `branding` and `database.connections` are additions to it.
    let keys = "
        server.listen server.public_url server.allowed_origins server.trusted_proxies
        server.metrics_listen server.shutdown_grace
        database.url database.direct_url database.connections
        redis.urls
        keys.master_key keys.previous_master_key keys.rotation
        accounts.signup accounts.require_verified_email
        tokens.algorithm tokens.issuer tokens.audience tokens.access_ttl tokens.refresh_ttl
        tokens.hs256_secret tokens.claims tokens.leeway
        sessions.idle_timeout sessions.idle_timeout_bearer sessions.absolute_ttl
        sessions.refresh_before sessions.rotation_window sessions.reauth_after
        sessions.browser_bearer sessions.max_per_user
        passwords.min_length passwords.require passwords.argon2_memory_kib
        passwords.argon2_iterations passwords.argon2_parallelism
        rate_limits.login rate_limits.login_failures rate_limits.signup rate_limits.password
        rate_limits.password_forgot rate_limits.refresh
        email.smtp_url email.from
        branding.name branding.logo branding.color
        events.retention events.log_refresh
        edge.audience
        log.format log.level";
    let known: Vec<String> =
        sections().into_iter().flat_map(|section| section.keys).map(|key| key.path).collect();
    assert_eq!(known, keys.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn the_default_file_says_the_defaults() {
    let defaults = loaded("", &[]);
    let said = loaded(&default_file(), &[]);
    assert_eq!(format!("{:?}", said.config), format!("{:?}", defaults.config));
    assert!(said.settings.iter().all(|setting| matches!(setting.source, Source::File(..))));
}

#[test]
fn a_variable_overrides_the_file_and_the_file_the_default() {
    let text = "[tokens]\n\naccess_ttl = \"20m\"\nrefresh_ttl = \"8d\"\n";
    let loaded = loaded(text, &[("KEYWARD_TOKENS__ACCESS_TTL", "25m")]);
    assert_eq!(loaded.config.tokens.access_ttl, Duration::from_secs(25 * 60));
    assert_eq!(loaded.config.tokens.refresh_ttl, Duration::from_secs(8 * 86_400));
    assert_eq!(loaded.config.sessions.rotation_window, Duration::from_secs(30));
    assert_eq!(loaded.source("tokens.access_ttl").to_string(), "KEYWARD_TOKENS__ACCESS_TTL");
    assert_eq!(loaded.source("tokens.refresh_ttl").to_string(), "keyward.toml:4");
    assert_eq!(*loaded.source("sessions.rotation_window"), Source::Default);
}

#[test]
fn a_variable_is_read_as_its_key_needs() {
    let loaded = loaded(
        "",
        &[
            ("KEYWARD_SERVER__ALLOWED_ORIGINS", "https://a.example, HTTPS://B.example:443"),
            ("KEYWARD_PASSWORDS__REQUIRE", "[\"digit\"]"),
            ("KEYWARD_TOKENS__CLAIMS", ""),
            ("KEYWARD_SESSIONS__MAX_PER_USER", "3"),
            ("KEYWARD_EVENTS__LOG_REFRESH", "true"),
            ("KEYWARD_SESSIONS__IDLE_TIMEOUT", "off"),
            ("KEYWARD_RATE_LIMITS__LOGIN", "off"),
            ("KEYWARD_LOG__LEVEL", "debug"),
        ],
    );
    let config = &loaded.config;
    let origins: Vec<String> = config.server.allowed_origins.iter().map(Origin::to_string).collect();
    assert_eq!(origins, ["https://a.example", "https://b.example"]);
    assert_eq!(config.passwords.require, [Require::Digit]);
    assert_eq!(config.tokens.claims, []);
    assert_eq!(config.sessions.max_per_user, 3);
    assert!(config.events.log_refresh);
    assert_eq!(config.sessions.idle_timeout, None);
    assert_eq!(config.rate_limits.login, None);
    assert_eq!(config.log.level, LogLevel::Debug);
}

#[test]
fn variables_of_others_are_not_read() {
    loaded(
        "",
        &[
            ("KEYWARD_PORT", "tcp://10.0.0.1:8080"),
            ("KEYWARD_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("KEYWARDEN_TOKENS__ACCESS_TTL", "x"),
            ("TOKENS__ACCESS_TTL", "x"),
        ],
    );
}

#[test]
fn lifetimes_may_be_seconds() {
    loaded(
        "[tokens]\naccess_ttl = '1s'\nrefresh_ttl = '2s'\n[keys]\nrotation = '1s'\n[sessions]\n\
         idle_timeout = '2s'\nabsolute_ttl = '2s'\nrotation_window = '1s'\nrefresh_before = '5m'",
        &[],
    );
}

#[test]
fn each_value_that_is_not_allowed_is_refused_by_name() {
    for (key, value, part) in [
        ("server.listen", "\":8080\"", "an IP address with a port"),
        ("server.listen", "\"localhost:8080\"", "an IP address with a port"),
        ("server.listen", "8080", "an IP address with a port"),
        ("server.public_url", "\"http://auth.example.com\"", "use https://"),
        ("server.public_url", "\"http://10.0.0.1:8080\"", "use https://"),
        ("server.public_url", "\"https://auth.example.com/auth\"", "no path"),
        ("server.public_url", "\"https://auth.example.com?x\"", "no query"),
        ("server.public_url", "\"https://u:p@auth.example.com\"", "no user"),
        ("server.public_url", "\"auth.example.com\"", "an origin such as"),
        ("server.public_url", "\"\"", "an origin such as"),
        ("server.allowed_origins", "[\"*\"]", "has to be named"),
        ("server.allowed_origins", "[\"null\"]", "sandboxed"),
        ("server.allowed_origins", "[\"https://*.example.com\"]", "has to be named"),
        ("server.allowed_origins", "[\"https://app.example.com/\"]", "no trailing slash"),
        ("server.allowed_origins", "[\"http://app.example.com\"]", "use https://"),
        ("server.allowed_origins", "\"https://app.example.com\"", "a list of"),
        ("server.allowed_origins", "[8]", "an exact origin"),
        ("server.trusted_proxies", "[\"0.0.0.0/0\"]", "believes everybody"),
        ("server.trusted_proxies", "[\"::/0\"]", "believes everybody"),
        ("server.trusted_proxies", "\"all\"", "or \"auto\""),
        ("server.metrics_listen", "\"metrics\"", "an IP address"),
        ("server.shutdown_grace", "\"11m\"", "from 0s to 10m"),
        ("database.url", "\"postgres://localhost\"", "it names no database"),
        ("database.url", "\"postgres:///keyward\"", "postgres://user:password@host/database"),
        ("database.url", "\"mysql://localhost/keyward\"", "sqlite://"),
        ("database.url", "\"sqlite://:memory:\"", "lost with the process"),
        ("database.direct_url", "\"sqlite://keyward.db\"", "postgres://user:password@host/database"),
        ("database.direct_url", "\"postgres://localhost/keyward\"", "database.url is SQLite"),
        ("database.connections", "1", "from 2 to 200"),
        ("database.connections", "201", "from 2 to 200"),
        ("redis.urls", "[\"http://localhost\"]", "redis://user:password@host:port"),
        ("redis.urls", "\"redis://localhost\"", "a list of"),
        ("redis.urls", "[\"redis://localhost\"]", "redis.urls needs a database.url of postgres://"),
        ("keys.master_key", "\"QUFB\"", "base64 of exactly 32 bytes"),
        ("keys.master_key", "\"hunter2\"", "openssl rand -base64 32"),
        ("keys.previous_master_key", "\"QUFB\"", "base64 of exactly 32 bytes"),
        ("keys.rotation", "\"0s\"", "from 1s"),
        ("accounts.signup", "\"invite\"", "\"open\", \"closed\""),
        ("accounts.require_verified_email", "\"true\"", "true or false"),
        ("tokens.algorithm", "\"none\"", "\"RS256\", \"ES256\", \"EdDSA\", \"HS256\""),
        ("tokens.algorithm", "\"rs256\"", "\"RS256\", \"ES256\", \"EdDSA\", \"HS256\""),
        ("tokens.issuer", "\"a b\"", "visible ASCII"),
        ("tokens.audience", "\"\"", "visible ASCII"),
        ("tokens.access_ttl", "\"25h\"", "from 1s to 1d"),
        ("tokens.access_ttl", "\"500ms\"", "from 1s to 1d"),
        ("tokens.access_ttl", "900", "in ms, s, m, h or d"),
        ("tokens.access_ttl", "\"15\"", "in ms, s, m, h or d"),
        ("tokens.refresh_ttl", "\"366d\"", "to 365d"),
        ("tokens.hs256_secret", "\"0123456789abcdef0123456789abcde\"", "31 bytes instead of 32"),
        ("tokens.hs256_secret", "\"secret\"", "6 bytes instead of 32"),
        ("tokens.hs256_secret", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", "only 1 different bytes"),
        ("tokens.claims", "[\"name\"]", "\"phone_number\""),
        ("tokens.leeway", "\"61s\"", "from 0s to 1m"),
        ("sessions.idle_timeout", "\"0s\"", "or \"off\""),
        ("sessions.idle_timeout_bearer", "\"never\"", "or \"off\""),
        ("sessions.absolute_ttl", "\"off\"", "from 1s"),
        ("sessions.refresh_before", "\"25h\"", "to 1d"),
        ("sessions.rotation_window", "\"11m\"", "from 0s to 10m"),
        ("sessions.reauth_after", "\"off\"", "from 1s"),
        ("sessions.browser_bearer", "1", "true or false"),
        ("sessions.max_per_user", "0", "from 1 to 10000"),
        ("passwords.min_length", "129", "from 1 to 128"),
        ("passwords.require", "[\"symbol\"]", "\"uppercase\", \"lowercase\", \"digit\""),
        ("passwords.argon2_memory_kib", "1048577", "from 8 to 1048576"),
        ("passwords.argon2_iterations", "0", "from 1 to 64"),
        ("passwords.argon2_parallelism", "65", "from 1 to 64"),
        ("rate_limits.login", "\"5\"", "\"5/1m\", or \"off\""),
        ("rate_limits.login_failures", "\"0/1h\"", "\"5/1m\", or \"off\""),
        ("rate_limits.signup", "5", "\"5/1m\", or \"off\""),
        ("rate_limits.password", "\"5/m\"", "\"5/1m\", or \"off\""),
        ("rate_limits.password_forgot", "\"\"", "\"5/1m\", or \"off\""),
        ("rate_limits.refresh", "false", "\"5/1m\", or \"off\""),
        ("email.smtp_url", "\"mail.example.com:587\"", "smtp://user:password@host:port"),
        ("email.from", "\"Keyward\"", "an e-mail address"),
        ("events.retention", "\"23h\"", "from 1d"),
        ("events.log_refresh", "\"on\"", "true or false"),
        ("edge.audience", "\"\u{e9}\"", "visible ASCII"),
        ("log.format", "\"xml\"", "\"text\", \"json\""),
        ("log.level", "\"loud\"", "\"error\", \"warn\", \"info\", \"debug\", \"trace\""),
    ] {
        let (section, name) = key.split_once('.').expect("section.key");
        let said = refusal(&format!("[{section}]\n\n{name} = {value}\n"), &[]);
        assert!(said.starts_with(&format!("{key} (keyward.toml:3): ")), "{said}");
        assert!(said.contains(part) && said.contains("; allowed: "), "{said}");

        let variable = format!("KEYWARD_{}__{}", section.to_ascii_uppercase(), name.to_ascii_uppercase());
        let word = value.trim_matches('"');
        if let Err(said) = load("", &[(&variable, word)]) {
            assert!(said[0].starts_with(&format!("{key} ({variable}): ")), "{said:?}");
        } else {
            // What only a file can get wrong: the type.
            assert!(matches!(word, "true" | "https://app.example.com"), "{variable}={word}");
        }
    }
}

#[test]
fn each_dangerous_combination_is_refused_by_name() {
    let key = ("KEYWARD_KEYS__MASTER_KEY", KEY);
    for (text, variables, key, parts) in [
        (
            "[server]\nlisten = '0.0.0.0:8080'",
            &[][..],
            "server.listen (keyward.toml:2)",
            ["keys.master_key must be set", "openssl rand -base64 32"],
        ),
        (
            "[server]\npublic_url = 'https://auth.example.com'",
            &[],
            "server.public_url (keyward.toml:2)",
            ["keys.master_key must be set", "openssl rand -base64 32"],
        ),
        (
            "[keys]\nmaster_key = ''",
            &[("KEYWARD_SERVER__LISTEN", "[::]:8080")],
            "keys.master_key (keyward.toml:2)",
            ["keys.master_key must be set", "openssl rand -base64 32"],
        ),
        (
            "[keys]",
            &[key, ("KEYWARD_KEYS__PREVIOUS_MASTER_KEY", KEY)],
            "keys.previous_master_key (KEYWARD_KEYS__PREVIOUS_MASTER_KEY)",
            ["is keys.master_key", "the one before it"],
        ),
        (
            "",
            &[("KEYWARD_KEYS__PREVIOUS_MASTER_KEY", KEY)],
            "keys.previous_master_key (KEYWARD_KEYS__PREVIOUS_MASTER_KEY)",
            ["needs the keys.master_key", ""],
        ),
        (
            "[tokens]\nalgorithm = 'HS256'",
            &[],
            "tokens.algorithm (keyward.toml:2)",
            ["needs tokens.hs256_secret", "openssl"],
        ),
        (
            "[server]\nmetrics_listen = '127.0.0.1:8080'",
            &[],
            "server.metrics_listen (keyward.toml:2)",
            ["is taken by server.listen", "another port"],
        ),
        (
            "[tokens]\naccess_ttl = '15m'\nrefresh_ttl = '10m'",
            &[],
            "tokens.refresh_ttl (keyward.toml:3)",
            ["(10m) must not be less than", "tokens.access_ttl (15m)"],
        ),
        (
            "",
            &[("KEYWARD_SESSIONS__ABSOLUTE_TTL", "14m")],
            "sessions.absolute_ttl (KEYWARD_SESSIONS__ABSOLUTE_TTL)",
            ["(14m) must not be less than", "tokens.access_ttl (15m)"],
        ),
        (
            "[tokens]\naccess_ttl = '1s'\nrefresh_ttl = '59s'",
            &[],
            "tokens.refresh_ttl (keyward.toml:3)",
            ["sessions.rotation_window (30s)", "at most half of tokens.refresh_ttl (59s)"],
        ),
        (
            "[passwords]\nargon2_memory_kib = 8",
            &[("KEYWARD_PASSWORDS__ARGON2_PARALLELISM", "2")],
            "passwords.argon2_memory_kib (keyward.toml:2)",
            ["argon2_memory_kib (8) must be from 16", "8 for each of argon2_parallelism"],
        ),
    ] {
        let said = refusal(text, variables);
        assert!(said.starts_with(&format!("{key}: ")), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    }
}

#[test]
fn an_open_server_runs_with_a_master_key() {
    let text = "[server]\nlisten = '0.0.0.0:8080'\npublic_url = 'https://Auth.example.com/'";
    let config =
        loaded(text, &[("KEYWARD_KEYS__MASTER_KEY", KEY), ("KEYWARD_KEYS__PREVIOUS_MASTER_KEY", OTHER_KEY)])
            .config;
    assert_eq!(config.issuer(), "https://auth.example.com");
    assert!(!config.is_local());
    assert_eq!(config.keys.master_key.map(|key| *key.expose()), Some([b'A'; 32]));
}

#[test]
fn proxies_are_believed_by_themselves_only_where_they_must_be_on_this_machine() {
    let proxies = |text: &str| loaded(text, &[("KEYWARD_KEYS__MASTER_KEY", KEY)]).config.trusted_proxies();
    assert!(proxies("").is_empty(), "plain HTTP has no proxy");
    let https = "[server]\npublic_url = 'https://auth.example.com'\n";
    assert_eq!(proxies(https).len(), 2);
    assert!(proxies(&format!("{https}listen = '0.0.0.0:80'")).is_empty());
    assert!(proxies(&format!("{https}trusted_proxies = []")).is_empty());
    assert_eq!(proxies("[server]\ntrusted_proxies = ['10.0.0.7']"), ["10.0.0.7/32".parse().expect("CIDR")]);
}

#[test]
fn all_problems_are_told_at_once_and_none_twice() {
    let text = "listen = '127.0.0.1:1'\n[tokens]\nacces_ttl = '1m'\nrefresh_ttl = 'long'\n[token]\nx = 1\n\
                [server]\nlisten = '0.0.0.0:80'\nmetrics_listen = '0.0.0.0:80'\npublic_url = 1\n";
    let variables = [("KEYWARD_LOG__LEVL", "info"), ("KEYWARD_SESSIONS__ABSOLUTE_TTL", "1s")];
    let problems = load(text, &variables).err().unwrap_or_default();
    let expected = [
        "listen (keyward.toml:1): every key stands in a section; did you mean server.listen?",
        "token (keyward.toml:5): no such section; did you mean [tokens]?",
        "tokens.acces_ttl (keyward.toml:3): no such key; did you mean tokens.access_ttl?",
        "KEYWARD_LOG__LEVL: no such setting; did you mean KEYWARD_LOG__LEVEL?",
        "server.public_url (keyward.toml:10): 1 is refused; ",
        "tokens.refresh_ttl (keyward.toml:4): \"long\" is refused; ",
        "server.metrics_listen (keyward.toml:9): 0.0.0.0:80 is taken by ",
        "server.listen (keyward.toml:8): keys.master_key must be set ",
        "sessions.absolute_ttl (KEYWARD_SESSIONS__ABSOLUTE_TTL): sessions.absolute_ttl (1s) must not ",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for start in expected {
        assert!(problems.iter().any(|problem| problem.starts_with(start)), "{start}\n{problems:#?}");
    }
}

#[test]
fn toml_that_is_none_is_told_by_line() {
    let said = refusal("[server]\nlisten = 127.0.0.1:8080\n", &[]);
    assert!(said.starts_with("keyward.toml:2: "), "{said}");
    let said = refusal("[log]\nlevel = 'info'\n\nlevel = 'warn'\n", &[]);
    assert!(said.starts_with("keyward.toml:4: "), "{said}");
    loaded("\u{feff}[log]\r\nlevel = 'warn'\r\n", &[]);
}

#[test]
fn a_file_that_is_named_must_be_there() {
    let folder = TempDir::new().expect("a folder");
    let problems = load_in(&folder, Some("other.toml"), &[]).expect_err("no such file");
    assert!(problems[0].starts_with("other.toml: can't be read: "), "{problems:?}");

    std::fs::write(folder.path().join("keyward.toml"), "[log]\nlevel = 'warn'\n").expect("written");
    std::fs::write(folder.path().join("other.toml"), "[log]\nformat = 'json'\n").expect("written");
    let config = load_in(&folder, Some("other.toml"), &[]).expect("allowed").config;
    assert_eq!((config.log.level, config.log.format), (LogLevel::Info, LogFormat::Json));
}

#[test]
fn what_is_shown_can_be_loaded_again() {
    let text = "[server]\nallowed_origins = ['https://app.example.com']\ntrusted_proxies = ['10.1.2.3/8']\n\
                [email]\nfrom = 'Ada <ada@example.com>'\n[rate_limits]\nlogin = 'off'\n";
    let first = loaded(text, &[("KEYWARD_TOKENS__CLAIMS", "roles,email")]);
    let shown = first.show(false);
    let again = loaded(&shown, &[]);
    assert_eq!(format!("{:?}", again.config), format!("{:?}", first.config), "{shown}");
    assert!(shown.contains("claims = [\"roles\",\"email\"]  # KEYWARD_TOKENS__CLAIMS"), "{shown}");
    assert!(shown.contains("issuer = \"\"  # default; http://127.0.0.1:8080"), "{shown}");

    let json: Value = serde_json::from_str(&first.show(true)).expect("JSON");
    assert_eq!(json["server"]["trusted_proxies"]["value"], json!(["10.0.0.0/8"]));
    assert_eq!(json["server"]["trusted_proxies"]["source"], json!("keyward.toml:3"));
    assert_eq!(json["tokens"]["issuer"]["in_force"], json!("http://127.0.0.1:8080"));
}

#[test]
fn an_origin_that_nobody_chose_follows_the_address() {
    let origin = |text: &str| {
        let loaded = loaded(text, &[("KEYWARD_KEYS__MASTER_KEY", KEY)]);
        loaded.config.server.public_url.to_string()
    };
    assert_eq!(origin("[server]\nlisten = '127.0.0.1:9000'"), "http://127.0.0.1:9000");
    assert_eq!(origin("[server]\nlisten = '0.0.0.0:9000'"), "http://127.0.0.1:9000");
    assert_eq!(origin("[server]\nlisten = '127.0.0.1:0'"), "http://127.0.0.1:8080");
    let chosen = "[server]\nlisten = '127.0.0.1:9000'\npublic_url = 'http://localhost:3000'";
    assert_eq!(origin(chosen), "http://localhost:3000");
    let shown = loaded("[server]\nlisten = '127.0.0.1:9000'", &[]).show(false);
    assert!(
        shown.contains("public_url = \"http://127.0.0.1:8080\"  # default; http://127.0.0.1:9000\n"),
        "{shown}"
    );
}

#[test]
fn what_stands_in_front_of_the_store_goes_with_it() {
    let database = "[database]\nurl = 'postgres://localhost/keyward'\n";
    let config = loaded(&format!("{database}direct_url = 'postgres://db:5433/keyward'\n"), &[]).config;
    assert_eq!((config.database_file(), config.data_folder()), (None, "keyward-data".into()));
    assert_eq!(config.data(), "postgres://localhost/keyward");
    let cluster = format!("{database}[redis]\nurls = ['redis://a', 'redis://b:6380', 'redis://a:6380']\n");
    assert_eq!(loaded(&cluster, &[]).config.redis.urls.len(), 3);
    assert_eq!(
        loaded(&format!("{database}[redis]\nurls = ['redis://a/3']\n"), &[]).config.redis.urls.len(),
        1
    );
    for (urls, why) in [
        ("['redis://a', 'redis://a']", "names a node twice"),
        ("['redis://a', 'rediss://b']", "mixes redis:// and rediss://"),
        ("['redis://a', 'redis://b/1']", "several addresses are a Redis Cluster"),
    ] {
        let said = refusal(&format!("{database}[redis]\nurls = {urls}\n"), &[]);
        assert!(said.starts_with("redis.urls (keyward.toml:4): ") && said.contains(why), "{said}");
    }
    let said = refusal("[database]\nurl = 'postgres://db/keyward'\n", &[]);
    assert!(said.contains("every node needs the same one"), "{said}");
    loaded("[database]\nurl = 'postgres://db/keyward'\n", &[("KEYWARD_KEYS__MASTER_KEY", KEY)]);
}
