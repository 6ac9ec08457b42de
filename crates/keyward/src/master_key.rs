//! Where does the master key come from? From the configuration, or from a file beside the data.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use keyward_core::seal::MasterKey;
use zeroize::Zeroizing;

use crate::clock;

/// Why a file gives no master key. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {message}")]
pub struct MasterKeyError {
    path: PathBuf,
    message: String,
}

/// What the file beside a database is called.
pub const FILE: &str = "master.key";

/// The master key beside a database, which is made where neither of the two is there. In this
/// order: a key is always there before the database that is sealed under it.
///
/// # Errors
/// As [`load_or_make`]; and where the database is there and the key is not: another one would open
/// nothing of it.
pub fn beside(database: &Path) -> Result<MasterKey, MasterKeyError> {
    let path = database.with_file_name(FILE);
    if fs::metadata(database).is_ok_and(|file| file.len() > 0) && !path.exists() {
        return Err(MasterKeyError {
            path: database.to_owned(),
            message: format!(
                "the database is there, but its master key is not; give the one it was made with \
                 (keys.master_key), or restore {} from a backup",
                path.display()
            ),
        });
    }
    load_or_make(&path)
}

/// The master key in the file, which is made (mode 0600) where it is not there. Of several
/// processes that do so at once all end up with the same one.
///
/// # Errors
/// Where the file can't be read or made, can be read by others, or holds no key.
pub fn load_or_make(path: &Path) -> Result<MasterKey, MasterKeyError> {
    match load(path)? {
        Some(key) => Ok(key),
        None => {
            let error = |e: std::io::Error| MasterKeyError { path: path.to_owned(), message: e.to_string() };
            make(path).map_err(error)?;
            File::open(path).map_err(error).and_then(|file| read(file, path))
        }
    }
}

/// The master key in the file; `None` where it is not there.
///
/// # Errors
/// Where the file can't be read, can be read by others, or holds no key.
pub fn load(path: &Path) -> Result<Option<MasterKey>, MasterKeyError> {
    match File::open(path) {
        Ok(file) => read(file, path).map(Some),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(MasterKeyError { path: path.to_owned(), message: e.to_string() }),
    }
}

fn read(file: File, path: &Path) -> Result<MasterKey, MasterKeyError> {
    let error = |message: String| MasterKeyError { path: path.to_owned(), message };
    let mode = file.metadata().map_err(|e| error(e.to_string()))?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(error(format!(
            "others can read the master key (mode {:o}); run: chmod 600 {}",
            mode & 0o777,
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(1_024).read_to_string(&mut text).map_err(|e| error(e.to_string()))?;
    MasterKey::from_base64(text.trim_end()).map_err(|e| error(format!("{e}; restore the file from a backup")))
}

/// Written aside and linked into place, so that nobody ever reads half a key, and who comes second
/// replaces nothing.
fn make(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // One that is there may be anybody's: only a new one is made private.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let aside = path.with_extension(format!("{:016x}", u64::from_be_bytes(clock::random())));
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside)?;
    let made = fill(file).and_then(|()| match fs::hard_link(&aside, path) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    // On a full disk, too: nothing secret, and no half of it, stays aside.
    let removed = fs::remove_file(&aside);
    made.and(removed)?;
    // Before anything is sealed under it: a power cut must not leave the data and take the key.
    File::open(folder)?.sync_all()
}

/// Writes a new key, durable before it is anybody's.
fn fill(mut file: File) -> std::io::Result<()> {
    let secret = Zeroizing::new(clock::random::<32>());
    let text = Zeroizing::new(format!("{}\n", STANDARD.encode(&secret[..])));
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("data/master.key");
        let made: Vec<_> = std::thread::scope(|scope| {
            let makers: Vec<_> =
                (0..8).map(|_| scope.spawn(|| load_or_make(&path).expect("a key"))).collect();
            makers.into_iter().map(|m| m.join().expect("made").fingerprint()).collect()
        });
        assert!(made.iter().all(|fingerprint| *fingerprint == made[0]));
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(
            fs::read_dir(folder.path().join("data")).expect("a folder").count(),
            1,
            "nothing is left aside"
        );
    }

    #[test]
    fn a_folder_of_others_stays_as_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| fs::metadata(path).expect("a folder").permissions().mode() & 0o777;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("set");
        load_or_make(&folder.path().join("data/master.key")).expect("a key");
        load_or_make(&folder.path().join("master.key")).expect("a key");
        assert_eq!((mode(folder.path()), mode(&folder.path().join("data"))), (0o755, 0o700));
    }

    #[test]
    fn a_damaged_or_public_file_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("master.key");
        for (text, mode) in [("", 0o600), ("short", 0o600), ("\u{e9}", 0o600), ("AAAA", 0o600)] {
            fs::write(&path, text).expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            assert!(load_or_make(&path).is_err(), "{text}");
            assert_eq!(fs::read_to_string(&path).expect("read"), text);
        }
        fs::write(&path, STANDARD.encode([1; 32])).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).expect("set");
        assert!(load_or_make(&path).expect_err("others can read it").to_string().contains("chmod 600"));
    }
}
