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

/// The names of all functions below a folder.
fn collect(folder: &Path, names: &mut HashSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, names);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).expect("a file");
            names.extend(text.split("fn ").skip(1).filter_map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
                Some(rest[..end].to_owned())
            }));
        }
    }
}
