//! Does each proxy hold each probe, and does `docs/proxies.md` say what came?

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::kind::{KINDS, Kind};
use crate::probe::PROBES;
use crate::stand::Stand;

const BEGIN: &str = "<!-- made by the tests: begin -->\n";
const END: &str = "<!-- made by the tests: end -->\n";

/// What came of each probe behind this proxy, or what went wrong.
fn column(kind: Kind) -> Vec<Result<String, String>> {
    let stand = Stand::new(kind);
    let outcome = |(name, probe): &(&str, fn(&Stand) -> String)| {
        // What a failed one left behind is not the next one's.
        stand.application.got();
        catch_unwind(AssertUnwindSafe(|| probe(&stand))).map_err(|cause| {
            format!("{} does not hold \u{201c}{name}\u{201d}: {}", kind.name(), said(&*cause))
        })
    };
    PROBES.iter().map(outcome).collect()
}

fn said(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<String>().cloned();
    text.or_else(|| cause.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

#[test]
fn each_proxy_holds_each_probe_and_the_table_says_so() {
    let only = std::env::var("PROXY").ok();
    let kinds = KINDS.into_iter().filter(|kind| only.as_ref().is_none_or(|only| only == kind.name()));
    let columns: Vec<_> = std::thread::scope(|threads| {
        let running: Vec<_> = kinds.map(|kind| threads.spawn(move || column(kind))).collect();
        running.into_iter().map(|column| column.join().expect("a column")).collect()
    });
    let failures: Vec<&str> =
        columns.iter().flatten().filter_map(|cell| cell.as_ref().err()).map(String::as_str).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    if only.is_some() {
        return;
    }
    let mut table = format!("| |{}\n", KINDS.map(|kind| format!(" {} |", kind.name())).concat());
    table.push_str(&format!("|---|{}\n", "---|".repeat(KINDS.len())));
    for (row, (name, _)) in PROBES.iter().enumerate() {
        let cells: Vec<&str> =
            columns.iter().map(|column| column[row].as_ref().map_or("", String::as_str)).collect();
        table.push_str(&format!("| {name} | {} |\n", cells.join(" | ")));
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/proxies.md");
    let text = std::fs::read_to_string(&path).expect("docs/proxies.md");
    let (before, rest) = text.split_once(BEGIN).expect("where it begins");
    let (now, after) = rest.split_once(END).expect("where it ends");
    if std::env::var_os("KEYWARD_REGENERATE").is_some() {
        let versions = KINDS.map(|kind| format!("{} {}", kind.name(), kind.version())).join(", ");
        let text = format!("{before}{BEGIN}\nRun with {versions}.\n\n{table}{END}{after}");
        std::fs::write(&path, text).expect("written");
    } else {
        assert!(now.contains(&table), "KEYWARD_REGENERATE=1 writes it anew:\n{table}");
    }
}
