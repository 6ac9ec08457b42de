//! What is in force for a key: what was written for it, or its default?

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::raw::Raw;
use super::rule::Rule;
use super::source::{Problem, Setting, Source, Written};

/// A secret longer than this is none.
const SECRET_LIMIT: u64 = 64 * 1024;

/// Reads one key after the other and notes what was found on the way.
pub(super) struct Reader {
    /// The settings in force, in the order of reading.
    pub(super) settings: Vec<Setting>,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    written: Written,
    folder: PathBuf,
}

impl Reader {
    /// A reader of what was written. Paths in it are relative to `folder`.
    pub(super) fn new(written: Written, folder: &Path, problems: Vec<Problem>) -> Self {
        Self { settings: Vec::new(), problems, written, folder: folder.to_owned() }
    }

    /// The value of this key. Where what was written is refused, a problem is noted and the
    /// default read, so that the other keys can be; `None` where the default is refused, too.
    pub(super) fn read<T: 'static>(
        &mut self,
        key: &'static str,
        default: &'static str,
        rule: Rule<T>,
    ) -> Option<T> {
        let default = Raw::literal(default);
        let written = self.written(key, rule.secret, &default).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        });
        let (raw, source) = written.unwrap_or_else(|| (default.clone(), Source::Default));
        let value = match rule.read(&raw) {
            Ok(value) => value,
            Err(message) => {
                self.problems.push(Problem::new(key, source.clone(), message));
                rule.read(&default).ok()?
            }
        };
        self.settings.push(Setting { key, value: rule.show(&value), source });
        Some(value)
    }

    /// What was written for this key, or for its `_file` twin.
    fn written(&mut self, key: &str, secret: bool, default: &Raw) -> Result<Option<(Raw, Source)>, Problem> {
        let own = self.written.remove(key);
        let twin = format!("{key}_file");
        let file = if secret { self.written.remove(&twin) } else { None };
        let Some((file, named_by)) = file.filter(|(raw, _)| !raw.is_empty()) else {
            return Ok(own);
        };
        // A copy of the default file writes every default, and so says nothing by it.
        let says_something = |raw: &Raw| !raw.is_empty() && raw.json() != default.json();
        if let Some((_, source)) = own.filter(|(raw, _)| says_something(raw)) {
            let message = format!("{twin} ({named_by}) is set, too; allowed: one of both");
            return Err(Problem::new(key, source, message));
        }
        let Some(path) = file.text() else {
            return Err(Problem::new(twin, named_by, "allowed: the path of a file, in quotes"));
        };
        match secret_in(&self.folder.join(path)) {
            Ok(secret) => {
                Ok(Some((Raw::Word(secret), Source::Secret(PathBuf::from(path), Box::new(named_by)))))
            }
            Err(problem) => Err(Problem::new(twin, named_by, problem)),
        }
    }
}

/// What the file holds, without a line break at its end.
fn secret_in(path: &Path) -> Result<String, String> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| match error.kind() {
        // Not even the path: where there is no such file, it may be the secret itself.
        ErrorKind::NotFound => "there is no such file; allowed: the path of a file".to_owned(),
        ErrorKind::PermissionDenied => {
            format!("{shown} is not for this user to read; allowed: a file of the user that Keyward runs as")
        }
        _ => format!("{shown} can't be read: {error}"),
    };
    let file = File::open(path).map_err(unreadable)?;
    // Asked of the open file: the one at the path may be another by then.
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(format!("{shown} is a folder; allowed: a file that holds the secret alone"));
    }
    let mode = metadata.permissions().mode() & 0o7777;
    if open_to_others(mode) && !is_handed_in(path) {
        return Err(format!("others can read {shown} (mode {mode:04o}); do `chmod o= {shown}`"));
    }
    let mut text = String::new();
    file.take(SECRET_LIMIT + 1).read_to_string(&mut text).map_err(unreadable)?;
    if text.len() as u64 > SECRET_LIMIT {
        return Err(format!("{shown} is longer than 64 KiB; allowed: a file that holds the secret alone"));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    match text.strip_suffix('\r').unwrap_or(text) {
        "" => Err(format!("{shown} is empty; allowed: a file that holds the secret alone")),
        secret => Ok(secret.to_owned()),
    }
}

/// Whether anybody but the file's owner and group gets at it. A group is fine: it is how
/// Kubernetes hands a secret to a process that is not root (`fsGroup`).
fn open_to_others(mode: u32) -> bool {
    mode & 0o006 != 0
}

/// Whether the file lies where Docker and systemd-style runtimes put secrets: that folder is the
/// container's own, whatever the mode of the files says.
fn is_handed_in(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|path| path.starts_with("/run/secrets"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_its_owner_and_group() {
        for (mode, open) in [
            (0o600, false),
            (0o400, false),
            (0o640, false),
            (0o440, false),
            (0o604, true),
            (0o644, true),
            (0o602, true),
        ] {
            assert_eq!(open_to_others(mode), open, "{mode:o}");
        }
    }

    #[test]
    fn only_the_folder_for_secrets_is_believed() {
        assert!(!is_handed_in(Path::new("/run/secrets/../../etc/hostname")));
        assert!(!is_handed_in(Path::new("/etc/hostname")));
    }
}
