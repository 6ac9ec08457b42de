//! How long does it take to bring in the accounts of another system?

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use crate::report::Report;

const LINES: u32 = 100_000;

/// Imports that many accounts of Django by the binary, then the same again.
pub(crate) async fn import(binary: &Path, report: &mut Report) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut lines = String::new();
    for n in 0..LINES {
        let hash = format!("pbkdf2_sha256$1000000$salt{n:018}$sWRm+x1z499Wjr/y4bWIWwjFG2kTZZI7EFSixAnuLnc=");
        writeln!(
            lines,
            r#"{{"email":"user{n}@example.com","phone_number":"+49151{n:07}","password_hash":"{hash}"}}"#
        )
        .expect("a String grows");
    }
    std::fs::write(folder.path().join("users.jsonl"), lines).expect("written");
    for (what, most) in [("import of 100,000 lines", 60.0), ("the same again, all there already", 60.0)] {
        let begun = Instant::now();
        let status = tokio::process::Command::new(binary)
            .args(["user", "import", "users.jsonl"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .status()
            .await
            .expect("it runs");
        assert!(status.success());
        report.at_most(what, begun.elapsed().as_secs_f64(), most, "s");
    }
}
