//! Who gets at the files, can they be written, and is there room?

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access, statvfs};

use crate::config::{Config, Loaded, MASTER_KEY, Source, sections};
use keyward::diagnosis::Finding;

/// What is too little to go on with.
const FULL: u64 = 100 << 20;
/// What is little.
const TIGHT: u64 = 1 << 30;

pub(super) fn look(loaded: &Loaded) -> Vec<Finding> {
    let config = &loaded.config;
    let mut findings = configuration(loaded);
    findings.push(master_key(config));
    if let Some(database) = config.database_file() {
        findings.extend(data(database, &config.data_folder()));
        findings.push(space(&config.data_folder()));
    }
    findings
}

/// The configuration file and the files of secrets.
fn configuration(loaded: &Loaded) -> Vec<Finding> {
    let mut findings = Vec::new();
    let secret: Vec<String> = sections()
        .into_iter()
        .flat_map(|section| section.keys)
        // The file of an SQLite database is no secret.
        .filter(|key| key.secret && (key.path != "database.url" || loaded.config.database_file().is_none()))
        .map(|key| key.path)
        .collect();
    let mut files: Vec<(&Path, bool)> = Vec::new();
    for setting in &loaded.settings {
        let Source::File(path, _) = &setting.source else { continue };
        let holds =
            secret.iter().any(|key| key == setting.key) && setting.value != "" && setting.value != "[]";
        match files.iter_mut().find(|(known, _)| *known == path) {
            Some((_, secrets)) => *secrets |= holds,
            None => files.push((path, holds)),
        }
    }
    for (path, secrets) in files {
        let shown = path.display();
        findings.push(match mode(path) {
            Some(mode) if mode & 0o022 != 0 => Finding::error(
                shown.to_string(),
                format!("others can change the configuration (mode {mode:04o})"),
                format!("chmod go-w {shown}"),
            ),
            Some(mode) if secrets && mode & 0o077 != 0 => Finding::error(
                shown.to_string(),
                format!("others can read the secrets in it (mode {mode:04o})"),
                format!("chmod 600 {shown}, or put each secret into a file of its own (…_file)"),
            ),
            _ => Finding::ok(shown.to_string(), "its owner's alone to change"),
        });
    }
    for setting in &loaded.settings {
        let Source::Secret(path, _) = &setting.source else { continue };
        let shown = path.display();
        // That others can read it is refused before.
        findings.push(match mode(path) {
            Some(mode) if mode & 0o022 != 0 => Finding::warning(
                shown.to_string(),
                format!("others can change {} (mode {mode:04o})", setting.key),
                format!("chmod go-w {shown}"),
            ),
            _ => Finding::ok(shown.to_string(), format!("holds {}", setting.key)),
        });
    }
    findings
}

fn master_key(config: &Config) -> Finding {
    const KEY: &str = "keys.master_key";
    if config.keys.master_key.is_some() {
        return Finding::ok(KEY, "is configured");
    }
    let path = config.data_folder().join(MASTER_KEY);
    let shown = path.display();
    // Without it nobody knows of a database elsewhere whether one was ever there: the start does.
    match (mode(&path), config.database_file().is_some_and(Path::exists)) {
        (Some(mode), _) if mode & 0o077 != 0 => Finding::error(
            KEY,
            format!("others can read {shown} (mode {mode:04o})"),
            format!("chmod 600 {shown}, and if somebody may have read it, `keyward session revoke --all`"),
        ),
        (Some(_), _) => Finding::warning(
            KEY,
            format!("{shown} lies beside the data that it protects: a copy of the folder holds both"),
            "set keys.master_key to what is in that file, keep it elsewhere, and remove the file",
        ),
        (None, true) => Finding::error(
            KEY,
            format!("{shown} is not there, though the database is"),
            "restore it from a backup, or set keys.master_key to what it held",
        ),
        (None, false) => Finding::ok(KEY, format!("made in {shown} at the first start")),
    }
}

/// The data folder, and the database with what stands beside it.
fn data(database: &Path, folder: &Path) -> Vec<Finding> {
    let shown = folder.display();
    let Some(found) = mode(folder) else {
        return vec![Finding::ok(shown.to_string(), "made at the first start")];
    };
    let mut findings = vec![match found {
        mode if mode & 0o022 != 0 => Finding::error(
            shown.to_string(),
            format!("others can replace the files in it (mode {mode:04o})"),
            format!("chmod 700 {shown}"),
        ),
        mode if mode & 0o077 != 0 => Finding::warning(
            shown.to_string(),
            format!("others can look into it (mode {mode:04o})"),
            format!("chmod 700 {shown}"),
        ),
        _ => Finding::ok(shown.to_string(), "its owner's alone"),
    }];
    if !database.exists() {
        return findings;
    }
    let beside = |suffix: &str| {
        let mut name = database.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    for path in ["", "-wal", "-shm", ".lock"].map(beside) {
        let shown = path.display();
        match mode(&path) {
            Some(mode) if mode & 0o077 != 0 => findings.push(Finding::error(
                shown.to_string(),
                format!("others can get at it (mode {mode:04o})"),
                format!("chmod 600 {shown}"),
            )),
            Some(_) if path == database => {
                findings.push(Finding::ok(shown.to_string(), "its owner's alone"));
            }
            _ => {}
        }
    }
    let writable = |path: &Path| access(path, Access::WRITE_OK).is_ok();
    if writable(database) && writable(folder) {
        findings.push(Finding::ok("database", "can be written"));
    } else {
        findings.push(Finding::error(
            "database",
            format!("{} and its folder can't be written by this user", database.display()),
            "run this as the user that serves; if that is this one, make it their owner with chown",
        ));
    }
    findings
}

fn space(folder: &Path) -> Finding {
    // The nearest that is there: the folder is made at the first start.
    let there = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    match statvfs(there) {
        Ok(disk) => enough(disk.f_bavail.saturating_mul(disk.f_frsize)),
        Err(error) => Finding::warning(
            "disk",
            format!("how much room there is can't be asked: {error}"),
            "see that there is a gigabyte or more",
        ),
    }
}

fn enough(free: u64) -> Finding {
    let found = format!("{} MiB are free", free >> 20);
    let next = "make room, or set database.url to another disk; without any, nobody can sign in";
    match free {
        ..FULL => Finding::error("disk", found, next),
        FULL..TIGHT => Finding::warning("disk", found, next),
        _ => Finding::ok("disk", found),
    }
}

/// Who may do what with the file; `None` where it is not there.
fn mode(path: &Path) -> Option<u32> {
    Some(fs::metadata(path).ok()?.permissions().mode() & 0o7777)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keyward::diagnosis::Level;

    #[test]
    fn a_disk_that_fills_up_is_told_in_time() {
        for (free, level) in [
            (0, Level::Error),
            (FULL - 1, Level::Error),
            (FULL, Level::Warning),
            (TIGHT - 1, Level::Warning),
            (TIGHT, Level::Ok),
            (u64::MAX, Level::Ok),
        ] {
            assert_eq!(enough(free).level, level, "{free}");
        }
    }
}
