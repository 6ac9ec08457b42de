//! Is the right password told from every other, of every scheme?

use super::*;

fn password(text: &str) -> Password {
    Password::try_from(text.to_owned()).expect("short enough")
}

fn cost(memory_kib: u32, iterations: u32, parallelism: u32) -> Cost {
    Cost::new(memory_kib, iterations, parallelism).expect("in range")
}

/// Strings of the reference implementation (phc-winner-argon2, `src/test.c`).
#[test]
fn it_agrees_with_the_reference() {
    let mut memory = Memory::default();
    for text in [
        "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc",
        "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
        "$argon2i$v=16$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
        "$argon2i$m=256,t=2,p=1$c29tZXNhbHQ$/U3YPXYsSb3q9XxHvc0MLxur+GP960kN9j7emXX8zwY",
    ] {
        let kept: PasswordHash = text.parse().expect(text);
        assert_eq!(kept.as_str(), text);
        assert!(verify(&password("password"), &kept, &mut memory), "{text}");
        assert!(!verify(&password("Password"), &kept, &mut memory), "{text}");
        let newest = text.starts_with("$argon2id$v=19$m=256,t=2,p=1$");
        assert_eq!(StoredHash::from(kept.clone()).needs_rehash(&cost(256, 2, 1)), !newest, "{text}");
    }
}

#[test]
fn what_is_made_can_be_kept_as_text() {
    let mut memory = Memory::default();
    let made = hash(&password("hunter2"), [7; 16], &Cost::default(), &mut memory);
    assert!(made.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$"));
    assert_eq!(made.as_str().parse(), Ok(made.clone()));
    assert!(verify(&password("hunter2"), &made, &mut memory));
    let salted = hash(&password("hunter2"), [8; 16], &Cost::default(), &mut memory);
    assert_ne!(salted.as_str().rsplit('$').next(), made.as_str().rsplit('$').next());
}

#[test]
fn the_whole_password_counts() {
    let mut memory = Memory::default();
    let long = "x".repeat(72);
    for (right, wrong) in [
        (format!("{long}a"), format!("{long}b")),
        (format!("{long}a"), long.clone()),
        ("a\0b".to_owned(), "a\0c".to_owned()),
        ("a".to_owned(), "a\0".to_owned()),
        (" a".to_owned(), "a".to_owned()),
        ("a ".to_owned(), "a".to_owned()),
        ("a\n".to_owned(), "a".to_owned()),
        ("A".to_owned(), "a".to_owned()),
        ("\u{e9}".to_owned(), "e\u{301}".to_owned()),
        ("\u{fb01}".to_owned(), "fi".to_owned()),
        ("a".to_owned(), String::new()),
        ("x".repeat(4096), "x".repeat(4095)),
    ] {
        let kept = hash(&password(&right), [1; 16], &cost(8, 1, 1), &mut memory);
        assert!(verify(&password(&right), &kept, &mut memory), "{right:?}");
        assert!(!verify(&password(&wrong), &kept, &mut memory), "{right:?} {wrong:?}");
        let other_way = hash(&password(&wrong), [1; 16], &cost(8, 1, 1), &mut memory);
        assert!(!verify(&password(&right), &other_way, &mut memory), "{wrong:?} {right:?}");
    }
}

#[test]
fn what_is_no_hash_or_too_much_work_is_refused() {
    const END: &str = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    for beginning in [
        "",
        "$argon2id$v=19$m=256,t=2$",
        "$argon2id$v=19$m=256,t=2,p=1,keyid=8PDw8A$",
        "$argon2id$v=19$m=256,t=2,p=1,data=8PDw8A$",
        "$argon2id$v=19$m=256,t=2,m=256$",
        "$argon2id$v=19$m=256,t=2,p=1,p=1$",
        "$argon2id$v=19$m=-1,t=2,p=1$",
        "$argon2id$v=18$m=256,t=2,p=1$",
        "$argon2id$v=19$",
        "$argon2id$v=19$m=1048577,t=1,p=1$",
        "$argon2id$v=19$m=4294967295,t=1,p=1$",
        "$argon2id$v=19$m=4294967296,t=1,p=1$",
        "$argon2id$v=19$m=8,t=4294967295,p=1$",
        "$argon2id$v=19$m=1048576,t=5,p=1$",
        "$argon2id$v=19$m=256,t=0,p=1$",
        "$argon2id$v=19$m=256,t=2,p=0$",
        "$argon2id$v=19$m=256,t=2,p=33$",
        "$argon2id$v=19$m=1048576,t=1,p=65$",
        "$argon2id$v=19$m=1048576,t=1,p=4294967295$",
        "$argon2x$v=19$m=256,t=2,p=1$",
        "$2b$12$",
    ] {
        assert!(format!("{beginning}{END}").parse::<PasswordHash>().is_err(), "{beginning}");
    }
    for end in [
        "",
        "c29tZXNhbHQ",
        "c29tZXNhbHQ$",
        "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4r",
        "c29tZQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
        "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4=",
        "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4$",
        "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4\n",
    ] {
        let text = format!("$argon2id$v=19$m=256,t=2,p=1${end}");
        assert!(matches!(text.parse::<PasswordHash>(), Err(InvalidHash::Malformed(_))), "{end}");
    }
}

#[test]
fn a_hash_of_any_other_cost_is_made_anew() {
    let kept = hash(&password("a"), [1; 16], &cost(64, 2, 2), &mut Memory::default());
    for (today, needed) in [
        (cost(64, 2, 2), false),
        (cost(65, 2, 2), true),
        (cost(64, 3, 2), true),
        (cost(64, 2, 3), true),
        (cost(64, 2, 1), true),
        (cost(32, 1, 1), true),
    ] {
        assert_eq!(StoredHash::from(kept.clone()).needs_rehash(&today), needed, "{today:?}");
    }
    let of_twenty = kept.as_str().replace("m=64,t=2,p=2", "m=160,t=2,p=20");
    assert!(StoredHash::new(of_twenty.to_string()).needs_rehash(&cost(160, 2, 2)));
    for other in [
        kept.as_str().replace("v=19", "v=16"),
        kept.as_str().replace("argon2id", "argon2i"),
        format!("argon2{}", kept.as_str()),
    ] {
        assert!(StoredHash::new(other.to_string()).needs_rehash(&cost(64, 2, 2)), "{other}");
    }
}

#[test]
fn the_dummy_costs_the_same_and_is_nobodys() {
    let mut memory = Memory::default();
    let dummy = PasswordHash::dummy(&cost(16, 3, 2));
    assert_eq!(dummy.as_str().parse(), Ok(dummy.clone()));
    let real = hash(&password("a"), [1; 16], &cost(16, 3, 2), &mut memory);
    assert_eq!((dummy.cost_class(), dummy.as_str().len()), (real.cost_class(), real.as_str().len()));
    assert!(!verify(&password(""), &dummy, &mut memory));
    assert!(!verify(&password("a"), &dummy, &mut memory));
}

#[test]
fn one_memory_serves_every_cost() {
    let mut memory = Memory::default();
    let costs = [cost(64, 1, 1), cost(8, 2, 1), cost(100, 2, 3), cost(64, 1, 1), cost(8, 1, 1)];
    for cost in costs {
        let reused = hash(&password("a"), [1; 16], &cost, &mut memory);
        let fresh = hash(&password("a"), [1; 16], &cost, &mut Memory::default());
        assert_eq!(reused, fresh);
        assert!(memory.0.iter().all(|block| block.as_ref().iter().all(|word| *word == 0)));
    }
    assert_eq!(memory.size_kib(), 96, "whole segments of three lanes");
    let place = memory.0.as_ptr();
    hash(&password("a"), [1; 16], &cost(96, 1, 1), &mut memory);
    assert_eq!(memory.0.as_ptr(), place, "not allocated anew");
    hash(&password("a"), [1; 16], &cost(65_540, 1, 1), &mut memory);
    assert_eq!(memory.size_kib(), 0, "given back");
}

#[test]
fn nothing_secret_is_shown() {
    let mut memory = Memory::default();
    let kept = hash(&password("a"), [1; 16], &cost(8, 1, 1), &mut memory);
    assert_eq!(format!("{kept:?} {memory:?}"), "PasswordHash Memory { kib: 8 }");
}

proptest::proptest! {
    #[test]
    fn no_text_makes_reading_panic(
        text in r"(argon2)?\$argon2(id|i|d)?(\$v=\d{1,3})?\$[mtpx=,0-9]{0,40}(\$[A-Za-z0-9+/]{0,70}){0,3}|\
            (bcrypt(_sha256)?\$)?\$2[abxy]?\$[0-9+]{0,3}\$[./A-Za-z0-9]{50,54}|\
            \$scrypt\$(ln|r|p)=[0-9]{0,11},r=[0-9]{0,11},p=[0-9]{0,11}(\$[A-Za-z0-9+/]{0,70}){0,3}|\
            scrypt\$[0-9]{0,11}\$[a-z]{0,9}\$[0-9]{0,11}\$[0-9]{0,11}\$[A-Za-z0-9+/]{0,86}={0,2}|\
            pbkdf2_sha(1|256)\$[0-9+-]{0,11}\$.{0,9}\$[A-Za-z0-9+/]{26,44}={0,2}|\
            (argon2|bcrypt|bcrypt_sha256|scrypt|pbkdf2_sha256)|.{0,200}"
    ) {
        if let Ok(kept) = text.parse::<PasswordHash>() {
            proptest::prop_assert_eq!(kept.as_str(), text);
        }
    }
}

/// Made by Django 5.2, and by Python's `hashlib` and `bcrypt`, of this password.
const RIGHT: &str = "S3cret-P\u{e4}sswort";
const FOREIGN: [&str; 8] = [
    "pbkdf2_sha256$1000$2XVURgIv6g1PbItMH9bV3R$sWRm+x1z499Wjr/y4bWIWwjFG2kTZZI7EFSixAnuLnc=",
    "pbkdf2_sha1$1000$NXpGSDmntJJAAmRc9RRTzN$ToD511eb+y9UmSwq8Cj0guodP9E=",
    "argon2$argon2id$v=19$m=64,t=2,p=8$VXY5MmNPM3ZqcjY2c25WRFZEM3RMcg$\
     lWmasFm/qmGAEPAgoOBxhXzEZf7HIBXrrEYY8kHF/PM",
    "bcrypt_sha256$$2b$04$fvBWpyABeoSizP.tiaS29e.P3gJFT441v9uh/v/K5o35bS7AgXxI2",
    "bcrypt$$2b$04$bpPkOHNBdjPL4VAWWscf1.Bo03DSlXgX.lXMsRxVRP4gmr3bF9iJi",
    "$2b$04$bpPkOHNBdjPL4VAWWscf1.Bo03DSlXgX.lXMsRxVRP4gmr3bF9iJi",
    "scrypt$16$xS5bqbNbu9WcUQmWFaf3Mr$8$5$R6eIb1uy5JJr8Yp4goX2YjfC4sh4YQoii0X5sgYyfBK6yE8jJWZZc4HWo37Pf9Oe\
     o2xMy5AasmPSMuiGYM86iA==",
    "$scrypt$ln=4,r=8,p=5$c2l4dGVlbiBieXRlcyBvaw$jbmNA1ZrtvhYQP/l7iA3TJJ49YdRjwH0oimspppD92U",
];

#[test]
fn hashes_from_elsewhere_are_good_until_the_next_login() {
    let mut memory = Memory::default();
    for text in FOREIGN {
        let kept: PasswordHash = text.parse().expect(text);
        assert_eq!(kept.as_str(), text);
        assert!(verify(&password(RIGHT), &kept, &mut memory), "{text}");
        for wrong in
            ["", "S3cret-P\u{e4}sswor", "s3cret-P\u{e4}sswort", "S3cret-Passwort", "S3cret-Pa\u{308}sswort"]
        {
            assert!(!verify(&password(wrong), &kept, &mut memory), "{text} {wrong}");
        }
        assert!(StoredHash::from(kept.clone()).needs_rehash(&Cost::default()), "{text}");
        assert!(StoredHash::from(kept.clone()).needs_rehash(&cost(64, 2, 8)), "{text}");
    }
    // Of the reference (jBCrypt), of crypt_blowfish, and with the parameters in another order.
    for (text, right) in [
        ("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", ""),
        ("$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe", "a"),
        ("$2y$05$/OK.fbVrR/bpIqNJ5ianF.CE5elHaaO4EbggVDjb8P19RukzXSM3e", "\u{ff}\u{ff}\u{a3}"),
        ("$argon2id$v=19$p=1,t=2,m=256$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "password"),
        ("$scrypt$p=5,r=8,ln=4$c2l4dGVlbiBieXRlcyBvaw$jbmNA1ZrtvhYQP/l7iA3TJJ49YdRjwH0oimspppD92U", RIGHT),
    ] {
        let kept: PasswordHash = text.parse().expect(text);
        // The third is a hash of bytes that are no UTF-8: it can be read, and nobody can type it.
        assert_eq!(verify(&password(right), &kept, &mut memory), !text.starts_with("$2y$"), "{text}");
    }
}

#[test]
fn what_bcrypt_can_not_hold_opens_nothing_that_it_should_not() {
    const SALT: &str = "$2b$04$abcdefghijklmnopqrstuu";
    let mut memory = Memory::default();
    let mut opens = |output: &str, text: &str| {
        let kept: PasswordHash = format!("{SALT}{output}").parse().expect(output);
        verify(&password(text), &kept, &mut memory)
    };
    // A longer password counts by its first 72 bytes, as where it comes from.
    let of_72 = "bzadhGtS2zEF.gu0yd0opP6cVzb.e0i";
    assert!(opens(of_72, &"x".repeat(72)) && opens(of_72, &format!("{}y\0", "x".repeat(72))));
    assert!(!opens(of_72, &"x".repeat(71)) && !opens(of_72, &"x".repeat(36)));
    // The key repeats, with a NUL between: so a NUL in a password opens nothing.
    let of_a = "MFdJu9yVgmagVAIC24fOZkaFqd3s9JC";
    assert!(opens(of_a, "a"));
    for wrong in ["a\0", "a\0a", "a\0a\0a", "a\0b", "", "aa"] {
        assert!(!opens(of_a, wrong), "{wrong:?}");
    }
    let of_nothing = "byCG3zY1GIXMyxfivm.ClDiInHzxjiq";
    assert!(opens(of_nothing, "") && !opens(of_nothing, "\0") && !opens(of_nothing, "\0\0"));
    // Django's digest takes the whole of it.
    let long: PasswordHash =
        "bcrypt_sha256$$2b$04$RmCsw8.qZdY7iu00CKF6XOZJSK8ZK4kAjNzhoo3Zkmd4Le6vZGKhO".parse().expect("a hash");
    assert!(verify(&password(&"x".repeat(80)), &long, &mut memory));
    assert!(!verify(&password(&"x".repeat(79)), &long, &mut memory));
}

#[test]
fn a_hash_too_costly_to_verify_says_what_is_allowed() {
    const OUTPUT_32: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let dots = ".".repeat(53);
    for (allowed, too_costly, bound) in [
        (
            format!("pbkdf2_sha256$5000000$salt${OUTPUT_32}="),
            format!("pbkdf2_sha256$5000001$salt${OUTPUT_32}="),
            "allowed for pbkdf2_sha256: iterations from 1 to 5000000",
        ),
        (
            format!("pbkdf2_sha256$1$salt${OUTPUT_32}="),
            format!("pbkdf2_sha256$0$salt${OUTPUT_32}="),
            "allowed for pbkdf2_sha256: iterations from 1 to 5000000",
        ),
        (format!("$2b$14${dots}"), format!("$2b$15${dots}"), "allowed for bcrypt: a cost from 4 to 14"),
        (format!("$2b$04${dots}"), format!("$2b$03${dots}"), "allowed for bcrypt: a cost from 4 to 14"),
        (
            format!("$scrypt$ln=19,r=8,p=1$c2l4dGVlbiBieXRlcyBvaw${OUTPUT_32}"),
            format!("$scrypt$ln=20,r=8,p=1$c2l4dGVlbiBieXRlcyBvaw${OUTPUT_32}"),
            "allowed for scrypt: N (2^ln) from 2, r and p from 1, and N * r * p up to 4194304",
        ),
        (
            format!("$scrypt$ln=1,r=1,p=1$c2l4dGVlbiBieXRlcyBvaw${OUTPUT_32}"),
            format!("$scrypt$ln=300,r=4294967295,p=4294967295$c2l4dGVlbiBieXRlcyBvaw${OUTPUT_32}"),
            "allowed for scrypt: N (2^ln) from 2, r and p from 1, and N * r * p up to 4194304",
        ),
        (
            format!("scrypt$1048576$salt$4$1${OUTPUT_32}="),
            format!("scrypt$2097152$salt$4$1${OUTPUT_32}="),
            "allowed for scrypt: N (2^ln) from 2, r and p from 1, and N * r * p up to 4194304",
        ),
        (
            format!("$argon2id$v=19$m=1048576,t=4,p=1$c29tZXNhbHQ${OUTPUT_32}"),
            format!("$argon2id$v=19$m=1048576,t=5,p=1$c29tZXNhbHQ${OUTPUT_32}"),
            "allowed for argon2: p from 1 to 64, m from 8 * p to 1048576, t from 1, and t * m up to 4194304",
        ),
    ] {
        assert!(allowed.parse::<PasswordHash>().is_ok(), "{allowed}");
        let refused = too_costly.parse::<PasswordHash>().expect_err(&too_costly).to_string();
        assert!(refused.ends_with(bound) && refused.starts_with("of a cost that can't be"), "{refused}");
    }
}

#[test]
fn what_is_not_as_its_scheme_has_it_is_refused() {
    for text in FOREIGN {
        assert!(text.parse::<PasswordHash>().is_ok());
        // An output of sixteen bytes or more is one.
        for cut in 0..text.rfind('$').expect("parts") + 21 {
            let half = &text[..cut];
            assert!(half.parse::<PasswordHash>().is_err(), "{half}");
        }
        for more in [format!("{text}$"), format!("{text}\n"), format!(" {text}"), format!("{text}=")] {
            assert!(more.parse::<PasswordHash>().is_err(), "{more:?}");
        }
    }
    let dots = ".".repeat(53);
    for text in [
        format!("$2x$10${dots}"),
        format!("$2$10${dots}"),
        format!("$2b$+9${dots}"),
        format!("$2b$4${dots}"),
        format!("$2b$004${dots}"),
        format!("$2b$10${}+", ".".repeat(52)),
        format!("$2b$10${}\u{e9}", ".".repeat(51)),
        "pbkdf2_sha256$+1000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "pbkdf2_sha256$01000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "pbkdf2_sha256$99999999999$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "pbkdf2_sha256$1000$$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "pbkdf2_sha256$1000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "pbkdf2_sha512$1000$salt$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "scrypt$15$salt$8$1$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "scrypt$0$salt$8$1$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".to_owned(),
        "scrypt$16$salt$8$1$AAAA".to_owned(),
        "$scrypt$ln=4,r=8$c2l4dGVlbiBieXRlcyBvaw$jbmNA1ZrtvhYQP/l7iA3TJJ49YdRjwH0oimspppD92U".to_owned(),
        "$scrypt$v=1$ln=4,r=8,p=5$c2l4dGVlbiBieXRlcyBvaw$jbmNA1ZrtvhYQP/l7iA3TJJ49YdRjwH0oimspppD92U"
            .to_owned(),
    ] {
        assert!(text.parse::<PasswordHash>().is_err(), "{text}");
    }
    let why = |text: &str| text.parse::<PasswordHash>().expect_err(text).to_string();
    assert!(why("!CyIHTQdooYsI9ycT9IpVKd46zOGoTedixwUAuLAO").contains("an account without a password"));
    for unknown in ["", "md5$FlMJsl9H$691fbe2e0b82d3f1", "hunter2", "$1$abc$def", "$y$j9T$abc$def"] {
        assert!(why(unknown).starts_with("of no scheme that is known: argon2, bcrypt"), "{unknown}");
    }
    assert!(why("$2b$12$short").starts_with("not well-formed; it has to be $2b$"));
}

#[test]
fn a_class_says_what_the_work_depends_on_and_has_a_dummy() {
    for (text, (class, scheme, work)) in FOREIGN.into_iter().zip([
        ("pbkdf2_sha256$1000", "pbkdf2_sha256", 1_000),
        ("pbkdf2_sha1$1000", "pbkdf2_sha1", 1_000),
        ("$argon2id$v=19$m=64,t=2,p=8", "argon2", 128),
        ("$2b$04", "bcrypt", 16),
        ("$2b$04", "bcrypt", 16),
        ("$2b$04", "bcrypt", 16),
        ("$scrypt$ln=4,r=8,p=5", "scrypt", 640),
        ("$scrypt$ln=4,r=8,p=5", "scrypt", 640),
    ]) {
        let kept: PasswordHash = text.parse().expect(text);
        assert_eq!((kept.cost_class().as_str(), kept.work()), (class, (scheme, work)));
        let dummy = PasswordHash::dummy_of(class).expect(class);
        assert_eq!((dummy.cost_class().as_str(), dummy.work()), (class, (scheme, work)));
        assert!(!verify(&password(RIGHT), &dummy, &mut Memory::default()), "{class}");
    }
    for none in ["", "$2b$99", "$2b$", "pbkdf2_sha256", "pbkdf2_md5$1", "$scrypt$ln=4", "x"] {
        assert!(PasswordHash::dummy_of(none).is_err(), "{none}");
    }
}

#[test]
fn what_is_stored_is_read_where_it_is_needed() {
    let made = PasswordHash::dummy(&cost(64, 2, 1));
    let stored = StoredHash::from(made.clone());
    assert_eq!((stored.as_str(), stored.read()), (made.as_str(), Ok(made.clone())));
    assert_eq!(StoredHash::new("rubbish".to_owned()).read(), Err(InvalidHash::Unknown));
    assert_eq!(format!("{stored:?}"), "StoredHash", "it does not show itself");
}
