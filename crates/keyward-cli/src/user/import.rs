//! `keyward user import`: how do the accounts of another system come in, line by line?
//!
//! The file is read as a stream, however long it is, and written in batches, each whole or not at
//! all: broken off, the same command goes on where it was.

use std::collections::HashSet;
use std::fs::File;
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keyward::{Client, FieldError, Imported, ImportedUser, Keyward};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::print;

/// How many lines are written at once.
const BATCH: usize = 500;
/// How long a line may be, in bytes.
const LONGEST: usize = 64 << 10;
/// How many refusals the JSON of the outcome holds; standard error has them all.
const REFUSALS: usize = 1_000;

/// What an import is asked for with.
#[derive(Args)]
pub(crate) struct Import {
    /// The file, one JSON object a line; - reads standard input
    file: PathBuf,
    /// Import nothing where a line is refused
    #[arg(long)]
    strict: bool,
    /// Print the outcome as JSON
    #[arg(long)]
    json: bool,
}

impl Import {
    pub(crate) async fn run(self, config: Option<&Path>) -> Result<(), Failure> {
        // Before the data is touched.
        let mut input = Input::open(&self.file)?;
        if self.strict {
            input.rewind()?;
        }
        let (keyward, _) = open::beside(config, Missing::Make).await?;
        let mut outcome = Outcome::default();
        if self.strict {
            let mut check = Check { keyward: &keyward, seen: HashSet::new(), hasher: RandomState::new() };
            check.all(&mut input, &mut outcome).await?;
            input.rewind()?;
        }
        if !(self.strict && outcome.refused > 0) {
            outcome = Outcome::default();
            import(&keyward, &mut input, &mut outcome).await?;
        }
        input.bar.finish_and_clear();
        outcome.tell(self.strict, self.json)
    }
}

/// What became of the lines so far.
#[derive(Debug, Default)]
struct Outcome {
    imported: u64,
    already_there: u64,
    refused: u64,
    refusals: Vec<Value>,
}

impl Outcome {
    fn take(&mut self, line: u64, became: &Imported, input: &Input) {
        match became {
            Imported::Made => self.imported += 1,
            Imported::AlreadyThere => self.already_there += 1,
            Imported::Refused(wrong) => self.refuse(line, wrong, input),
        }
    }

    fn refuse(&mut self, line: u64, wrong: &[FieldError], input: &Input) {
        let said = |wrong: &FieldError| match wrong.field.as_str() {
            "" => wrong.message.clone(),
            field => format!("{field}: {}", wrong.message),
        };
        let message = wrong.iter().map(said).collect::<Vec<_>>().join("; ");
        self.refused += 1;
        let told = format!("{}:{line}: {message}", input.name).replace(['\n', '\r'], " ");
        // There is nowhere left to say that this can't be said.
        input.bar.suspend(|| drop(writeln!(io::stderr().lock(), "{told}")));
        if self.refusals.len() < REFUSALS {
            self.refusals.push(json!({ "line": line, "message": message }));
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// Where a line was refused.
    fn tell(&self, strict: bool, as_json: bool) -> Result<(), Failure> {
        let Self { imported, already_there, refused, refusals } = self;
        let lines = imported + already_there + refused;
        let nothing = strict && *refused > 0;
        let imported = if nothing { &0 } else { imported };
        if as_json {
            print::json(&json!({
                "lines": lines, "imported": imported, "already_there": already_there, "refused": refused,
                "refusals": refusals,
            }))?;
        } else {
            print::line(&format!(
                "Of {lines} lines {imported} were imported, {already_there} were there already, {refused} refused."
            ))?;
        }
        match (refused, nothing) {
            (0, _) => Ok(()),
            (_, true) => Err(Failure::new(format!(
                "nothing was imported, as {refused} of {lines} lines were refused; mend them and run this again"
            ))),
            (_, false) => Err(Failure::new(format!(
                "{refused} of {lines} lines were refused; mend them and run this again, what was imported is passed over"
            ))),
        }
    }
}

/// Imports every line.
async fn import(keyward: &Keyward, input: &mut Input, outcome: &mut Outcome) -> Result<(), Failure> {
    loop {
        let (numbers, users) = input.batch(outcome)?;
        if users.is_empty() {
            return Ok(());
        }
        let became = keyward.import(&users, &Client::operator()).await.map_err(|error| {
            Failure::new(format!(
                "{error}; {} lines were imported before that, run this again to go on",
                outcome.imported
            ))
        })?;
        numbers.iter().zip(&became).for_each(|(line, became)| outcome.take(*line, became, input));
    }
}

/// Looks at every line before the first is written.
struct Check<'a> {
    keyward: &'a Keyward,
    /// A hash of every name so far: a few bytes a line, however long that is.
    seen: HashSet<u64>,
    hasher: RandomState,
}

impl Check<'_> {
    async fn all(&mut self, input: &mut Input, outcome: &mut Outcome) -> Result<(), Failure> {
        loop {
            let (numbers, users) = input.batch(outcome)?;
            if users.is_empty() {
                return Ok(());
            }
            let became = self.keyward.check_import(&users).await?;
            for ((line, user), became) in numbers.iter().zip(&users).zip(became) {
                let became = if self.is_repeated(user) && became == Imported::Made {
                    let message = "an earlier line has the same e-mail address or phone number";
                    Imported::Refused(vec![FieldError::new("", message)])
                } else {
                    became
                };
                outcome.take(*line, &became, input);
            }
        }
    }

    fn is_repeated(&mut self, user: &ImportedUser) -> bool {
        let mut repeated = false;
        for name in user.names() {
            repeated |= !self.seen.insert(self.hasher.hash_one(name));
        }
        repeated
    }
}

/// The lines, one after the other.
struct Input {
    name: String,
    reader: BufReader<Box<dyn Source>>,
    line: u64,
    bar: ProgressBar,
}

trait Source: io::Read + Send {
    /// Goes back to the beginning.
    fn rewind(&mut self) -> io::Result<()>;
}

impl Source for File {
    fn rewind(&mut self) -> io::Result<()> {
        io::Seek::rewind(self)
    }
}

impl Source for io::Stdin {
    fn rewind(&mut self) -> io::Result<()> {
        Err(io::Error::from(io::ErrorKind::NotSeekable))
    }
}

impl Input {
    fn open(path: &Path) -> Result<Self, Failure> {
        let (source, length): (Box<dyn Source>, _) = if path == Path::new("-") {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(path).map_err(|e| unreadable(path, &e))?;
            let metadata = file.metadata().map_err(|e| unreadable(path, &e))?;
            if metadata.is_dir() {
                return Err(Failure::new(format!("{} is a folder; name a file", path.display())));
            }
            (Box::new(file), metadata.is_file().then_some(metadata.len()))
        };
        // Where standard error is no terminal it draws nothing.
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
        let style = "{wide_bar} {percent:>3} %  line {msg}  {eta} left";
        if let Some(style) = length.and_then(|_| ProgressStyle::with_template(style).ok()) {
            bar.set_style(style);
        }
        let name =
            if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() };
        Ok(Self { name, reader: BufReader::with_capacity(1 << 20, source), line: 0, bar })
    }

    /// Goes back to the first line.
    fn rewind(&mut self) -> Result<(), Failure> {
        let rewound = self.reader.get_mut().rewind();
        rewound.map_err(|_| {
            Failure::usage("--strict reads everything twice, which this can't be; save it to a file first")
        })?;
        self.reader.consume(self.reader.buffer().len());
        self.line = 0;
        self.bar.reset();
        Ok(())
    }

    /// The next lines that can be read, with their numbers; what can't be is refused. Nothing comes
    /// at the end alone.
    fn batch(&mut self, outcome: &mut Outcome) -> Result<(Vec<u64>, Vec<ImportedUser>), Failure> {
        let (mut numbers, mut users) = (Vec::new(), Vec::new());
        let mut line = Vec::new();
        while users.len() < BATCH
            && self.next(&mut line).map_err(|e| unreadable(Path::new(&self.name), &e))?
        {
            let text = line.strip_prefix(b"\xef\xbb\xbf").filter(|_| self.line == 1).unwrap_or(&line);
            let text = text.trim_ascii();
            let read = match text {
                _ if line.len() > LONGEST => {
                    Err(vec![FieldError::new("", format!("this is longer than {LONGEST} bytes"))])
                }
                [] => continue,
                text => ImportedUser::from_json(text),
            };
            match read {
                Ok(user) => {
                    numbers.push(self.line);
                    users.push(user);
                }
                Err(wrong) => outcome.refuse(self.line, &wrong, self),
            }
        }
        self.bar.set_message(self.line.to_string());
        Ok((numbers, users))
    }

    /// Reads a line, of one that is too long its beginning; says whether there was one.
    fn next(&mut self, line: &mut Vec<u8>) -> io::Result<bool> {
        line.clear();
        let most = u64::try_from(LONGEST + 1).unwrap_or(u64::MAX);
        let mut read = self.reader.by_ref().take(most).read_until(b'\n', line)?;
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() > LONGEST {
            read += self.reader.skip_until(b'\n')?;
        }
        self.bar.inc(u64::try_from(read).unwrap_or_default());
        self.line += u64::from(read > 0);
        Ok(read > 0)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} can't be read: {error}; name another file", path.display()))
}
