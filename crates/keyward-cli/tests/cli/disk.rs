//! What keeps it from starting where the disk is full, or nothing may be written, and is the data then as it was?

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use crate::support::{EMAIL, Home, Ran, Server, is_root};

/// Set in the process of a test that may mount.
const APART: &str = "KEYWARD_TEST_APART";
/// What is said where there is no room, by whoever meets it.
const FULL: [&str; 3] = ["No space left on device", "the disk is full", "the disk fails, or is full"];

/// Runs this test again in a process that may mount, and whose mounts end with it; `false` in there.
fn ran_apart(test: &str) -> bool {
    if std::env::var_os(APART).is_some() {
        return false;
    }
    let mut apart = Command::new("unshare");
    apart.args(["--mount", "--propagation", "private"]);
    if !is_root() {
        apart.args(["--user", "--map-root-user"]);
    }
    let this = std::env::current_exe().expect("a path");
    apart.arg(this).args(["--exact", test, "--nocapture"]).env(APART, "yes");
    let ran = apart.output().expect("apt-get install util-linux");
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(
        ran.status.success() && out.contains(" 1 passed"),
        "{out}{err}\nA disk of its own takes the right to mount: root's, or a user namespace."
    );
    true
}

/// A disk of 2 MiB, mounted at the folder of a home.
struct Disk(PathBuf);

impl Disk {
    fn at(home: &Home) -> Self {
        let folder = home.path("");
        let options = ["-t", "tmpfs", "-o", "size=2m,mode=700", "keyward-test"];
        let mounted = Command::new("mount").args(options).arg(&folder).output().expect("mount");
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Self(folder)
    }

    /// Fills it, but for so many KiB.
    fn leave(&self, kib: u64) {
        let mut filling = File::create(self.0.join("filling")).expect("made");
        let full = loop {
            if let Err(error) = filling.write_all(&[1; 4_096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
        let filled = filling.metadata().expect("there").len();
        filling.set_len(filled - kib * 1_024).expect("cut");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Left mounted it would end with this process all the same.
        let _ = Command::new("umount").arg(&self.0).output();
    }
}

/// It failed with one line that says that there is no room.
#[track_caller]
fn finds_no_room(ran: &Ran, kib: u64) {
    let said = ran.refused(1);
    assert!(FULL.iter().any(|part| said.contains(part)), "{kib} KiB: {said}");
}

#[test]
fn a_first_start_without_room_leaves_nothing_that_is_in_the_way() {
    if ran_apart("disk::a_first_start_without_room_leaves_nothing_that_is_in_the_way") {
        return;
    }
    let home = Home::new();
    let disk = Disk::at(&home);
    let data = home.path("keyward-data");
    let mut met_by = BTreeSet::new();
    for kib in (0..48).step_by(4).chain((48..).step_by(32)) {
        disk.leave(kib);
        let ran = home.run(&["migrate"]);
        if ran.code == 0 {
            break;
        }
        finds_no_room(&ran, kib);
        met_by.insert(FULL.iter().position(|part| ran.err.contains(part)));
        for file in fs::read_dir(&data).expect("made") {
            let name = file.expect("a file").file_name().into_string().expect("UTF-8");
            assert!(name == "master.key" || name.starts_with("keyward.db"), "{kib} KiB: {name}");
        }
        if kib == 0 {
            finds_no_room(&home.run(&["serve"]), kib);
        }
        // With room it goes on from there.
        disk.leave(1_024);
        home.user(EMAIL);
        fs::remove_dir_all(&data).expect("removed");
    }
    assert_eq!(met_by.len(), FULL.len(), "each step finds out by itself");
    disk.leave(1_024);
    home.user(EMAIL);
    Server::start(&home).login(EMAIL);
}

/// All that is there, but for what SQLite works with beside the database: an index of a journal in
/// which nothing is.
fn data(home: &Home) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut all = home.snapshot();
    all.retain(|path, (_, bytes)| {
        let name = path.to_string_lossy();
        !(name.ends_with("-shm") || name.ends_with("-wal") && bytes.is_empty())
    });
    all
}

#[test]
fn a_start_without_room_changes_nothing() {
    if ran_apart("disk::a_start_without_room_changes_nothing") {
        return;
    }
    let home = Home::new();
    let disk = Disk::at(&home);
    home.user(EMAIL);
    Server::start(&home).stop();
    for kib in (0..).step_by(4) {
        disk.leave(kib);
        let before = data(&home);
        if home.run(&["migrate"]).code == 0 {
            assert!(kib > 0);
            break;
        }
        for arguments in [&["serve"][..], &["migrate"], &["user", "list"], &["key", "rotate"]] {
            finds_no_room(&home.run(arguments), kib);
            assert!(data(&home) == before, "{arguments:?} with {kib} KiB changed something");
        }
        // With room it goes on, and leaves nothing of that behind.
        disk.leave(1_024);
        home.done(&["migrate"]);
        let files = fs::read_dir(home.path("keyward-data")).expect("there");
        let mut names: Vec<_> = files.map(|file| file.expect("a file").file_name()).collect();
        names.sort();
        // A server that was ready for a moment may have come as far as making it.
        names.retain(|name| name != "outbox");
        assert_eq!(names, ["keyward.db", "keyward.db.lock", "master.key"], "{kib} KiB");
    }
    disk.leave(1_024);
    Server::start(&home).login(EMAIL);
}

#[test]
fn where_nothing_may_be_written_nothing_is_changed() {
    const SAID: &str =
        "keyward-data/keyward.db: the file, or its folder, can't be written; nothing was changed";
    let home = Home::new().held_by_modes();
    let mode = |name: &str, mode: u32| {
        fs::set_permissions(home.path(name), Permissions::from_mode(mode)).expect("set");
    };
    let refused = |arguments: &[&str], part: &str| {
        let before = home.snapshot();
        let ran = home.run(arguments);
        assert!(ran.refused(1).contains(part), "{ran:?}");
        assert!(home.snapshot() == before, "{arguments:?} changed something: {ran:?}");
    };
    let commands = [&["serve"][..], &["migrate"], &["user", "list"], &["key", "rotate"]];
    // A folder of somebody else's, in which only root can start it.
    if is_root() {
        mode("", 0o000);
        let ran = home.run(&["serve"]);
        assert!(ran.refused(2).contains(": this folder can't be entered: Permission denied"), "{ran:?}");
    }
    // Before there is anything.
    mode("", 0o500);
    refused(&["serve"], "keyward-data/master.key: Permission denied");
    mode("", 0o700);
    fs::create_dir(home.path("keyward-data")).expect("made");
    mode("keyward-data", 0o500);
    refused(&["serve"], "keyward-data/master.key: Permission denied");
    mode("keyward-data", 0o700);
    home.user(EMAIL);
    Server::start(&home).stop();

    mode("keyward-data", 0o500);
    commands.iter().for_each(|arguments| refused(arguments, SAID));
    let files = ["keyward.db", "keyward.db.lock", "master.key"].map(|name| format!("keyward-data/{name}"));
    files.iter().for_each(|name| mode(name, 0o400));
    commands.iter().for_each(|arguments| refused(arguments, SAID));
    mode("keyward-data", 0o700);
    commands.iter().for_each(|arguments| refused(arguments, SAID));
    files.iter().for_each(|name| mode(name, 0o600));
    Server::start(&home).login(EMAIL);
}
