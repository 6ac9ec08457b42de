//! Do all say the same of the same tokens, and what do they do when Keyward falls silent?

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::played::{Played, SERVICE_KEY};
use crate::service::{Language, Service, languages};
use crate::support::{PATIENCE, text, until};

fn vectors() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/conformance/vectors.json");
    serde_json::from_str(&std::fs::read_to_string(path).expect("the file")).expect("JSON")
}

/// Does this for each language, side by side.
fn each(what: impl Fn(&'static Language) + Sync) {
    std::thread::scope(|scope| {
        for language in languages() {
            let what = &what;
            scope.spawn(move || what(language));
        }
    });
}

fn token(vectors: &Value, name: &str) -> String {
    let all = vectors["vectors"].as_array().expect("a list");
    let found = all.iter().find(|vector| vector["name"] == name).expect("a vector of that name");
    text(&found["token"])
}

#[test]
fn every_language_gives_the_verdicts_of_the_vectors() {
    let vectors = vectors();
    let good = token(&vectors, "valid");
    let issuer = text(&vectors["issuer"]);
    each(|language| {
        // One of its own, which would refuse whatever it were asked about: the feed alone decides.
        let played = Played::start(&vectors);
        let service = Service::start(language, &issuer, &played.url(), SERVICE_KEY);
        until(PATIENCE, "the feed to be heard", || service.verdict(&good) == "ok");
        let mut wrong = Vec::new();
        for vector in vectors["vectors"].as_array().expect("a list") {
            let (name, expected) = (text(&vector["name"]), text(&vector["verdict"]));
            let said = service.verdict(&text(&vector["token"]));
            if said != expected {
                wrong.push(format!("{name}: {said}, not {expected}"));
            }
        }
        assert!(wrong.is_empty(), "{}: {wrong:#?}", language.name);

        let none = service.get("/me", None);
        assert_eq!(
            (none.status, text(&none.json()["code"])),
            (401, "missing_token".into()),
            "{}",
            language.name
        );

        // Anybody can name a key that nobody has; Keyward is asked for it once in half a minute.
        let (_, rest) = good.split_once('.').expect("segments");
        for n in 0..200 {
            let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": format!("nobody-{n}")}).to_string();
            let named = format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
            assert_eq!(service.verdict(&named), "invalid_token", "{}", language.name);
        }
        assert!(played.keys_asked() <= 3, "{}: {}", language.name, played.keys_asked());
    });
}

#[test]
fn every_language_asks_when_the_feed_falls_silent_and_refuses_when_nobody_answers() {
    let vectors = vectors();
    let (good, revoked) = (token(&vectors, "valid"), token(&vectors, "revoked_session"));
    let issuer = text(&vectors["issuer"]);
    each(|language| {
        let played = Played::start(&vectors);
        let service = Service::start(language, &issuer, &played.url(), SERVICE_KEY);
        until(PATIENCE, "the feed to be heard", || service.verdict(&good) == "ok");

        // As behind a proxy that keeps the stream to itself: it is open, and nothing comes.
        played.beats(false);
        until(PATIENCE, "503", || service.verdict(&good) == "store_unavailable");
        played.says(Some(true));
        let before = played.introspected();
        assert_eq!(service.verdict(&good), "ok", "{}", language.name);
        assert_eq!(played.introspected(), before + 1, "{}", language.name);
        // What is known to be revoked stays so, and a forged token is nobody's business.
        assert_eq!(service.verdict(&revoked), "session_revoked", "{}", language.name);
        assert_eq!(service.verdict("abc"), "invalid_token", "{}", language.name);
        assert_eq!(played.introspected(), before + 1, "{}", language.name);
        played.says(Some(false));
        assert_eq!(service.verdict(&good), "invalid_token", "{}", language.name);

        played.says(None);
        played.beats(true);
        until(PATIENCE, "the feed to be heard again", || service.verdict(&good) == "ok");
    });
}
