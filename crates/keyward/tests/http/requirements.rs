//! Is every test there that the tables of requirements in `docs/` name?

use std::collections::HashSet;
use std::fs;
use std::path::Path;

#[test]
fn every_test_that_the_tables_name_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = HashSet::new();
    collect(&root.join("crates"), &mut tests);
    let reasoned = ["Decided otherwise", "Not in this release", "There are none", "deny.toml"];
    for (file, columns, shown, least) in
        [("security-requirements.md", 3, 2, 100), ("browser-requirements.md", 5, 3, 46)]
    {
        let table = fs::read_to_string(root.join("docs").join(file)).expect("the table");
        let mut ids = HashSet::new();
        for row in table.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| id ")) {
            let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
            assert_eq!(cells.len(), columns, "{row}");
            let (id, shown) = (cells[0], cells[shown]);
            assert!(ids.insert(id.to_owned()), "{id} is there once");
            // A test is named by words; what else stands in backquotes has other characters, or is one word.
            let names: Vec<&str> =
                shown.split('`').skip(1).step_by(2).filter(|name| is_a_test(name)).collect();
            for name in &names {
                assert!(tests.contains(*name), "{id} names {name}");
            }
            assert!(
                !names.is_empty() || reasoned.iter().any(|reason| shown.contains(reason)),
                "{id}: {shown}"
            );
        }
        assert!(ids.len() >= least, "{file}: {}", ids.len());
    }
}

fn is_a_test(name: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    name.bytes().all(word) && name.contains('_')
}

/// The names of all tests below a folder.
fn collect(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a file");
            names.extend(marked(&text));
            if path.ends_with("store/contract.rs") {
                names.extend(cases(&text));
            }
        }
    }
}

/// The functions that are marked as tests.
fn marked(text: &str) -> Vec<String> {
    let (mut names, mut is_marked) = (Vec::new(), false);
    for line in text.lines().map(str::trim_start) {
        if line == "#[test]" || line.starts_with("#[tokio::test") {
            is_marked = true;
        } else if !line.starts_with("#[") && !line.starts_with("//") {
            let name = line.trim_start_matches("async ").strip_prefix("fn ").filter(|_| is_marked);
            names.extend(name.and_then(|rest| Some(rest.split_once('(')?.0.to_owned())));
            is_marked = false;
        }
    }
    names
}

/// The cases of the contract of stores, of each of which a macro makes a test: lines of nothing but names.
fn cases(text: &str) -> Vec<String> {
    let lists = text.lines().filter_map(|line| line.trim().strip_suffix(','));
    let names = lists.map(|list| list.split(", ")).filter(|names| names.clone().all(is_a_test));
    names.flatten().map(str::to_owned).collect()
}

#[test]
fn a_function_that_is_no_test_shows_nothing() {
    let text = "
        fn helps_a_test() {}
        #[test]
        // Why it is so.
        #[should_panic]
        fn is_one() {}
        async fn helps_too() {}
        #[tokio::test(start_paused = true)]
        async fn is_another() {}
        #[derive(Debug)]
        fn is_none() {}";
    assert_eq!(marked(text), ["is_one", "is_another"]);
    let text = "
            races: {
                one_of_two, one_of_many,
                an_end_wins,
            }
        let of_none = (a_name, 7),
        names_of(of_none),";
    assert_eq!(cases(text), ["one_of_two", "one_of_many", "an_end_wins"]);
}
