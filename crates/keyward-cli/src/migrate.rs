//! `keyward migrate`: brings the database up to date, as every start does; with `--to` it moves all
//! of an SQLite database into a Postgres, with `--take-back` it makes the file good again, and with
//! `--leave-redis` it does without Redis from then on.

use std::path::Path;

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use keyward::clock::Clock;
use keyward::{MoveError, Moved, PostgresError, PostgresOptions, move_to_postgres, take_back};

use crate::config::{MASTER_KEY, ServerUrl};
use crate::failure::Failure;
use crate::open::{self, Missing};
use crate::{password, print};

/// What is brought where.
#[derive(Args)]
pub(crate) struct Migrate {
    /// Move everything of the SQLite database into the Postgres at this address,
    /// postgres://user@host/database, where Keyward has nothing yet; nobody is signed out
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Read the password of the user of that Postgres from standard input
    #[arg(long, requires = "to")]
    password_stdin: bool,
    /// Let sessions that moved in Redis until now move in Postgres from now on. Nodes that run with Redis
    /// answer 503 until they are restarted; nobody is signed out
    #[arg(long, conflicts_with = "to")]
    leave_redis: bool,
    /// Make an SQLite database that was moved good again, as it was then
    #[arg(long, conflicts_with_all = ["to", "leave_redis"])]
    take_back: bool,
}

impl Migrate {
    /// Migrates the database; one that is not there is made.
    pub(crate) async fn run(&self, file: Option<&Path>) -> Result<(), Failure> {
        match &self.to {
            Some(to) => self.move_to(to, file).await,
            None if self.leave_redis => {
                let config = open::to_leave_redis(file).await?;
                print::line(&format!(
                    "Sessions move in {} from now on: restart every node that runs with redis.urls, without it.",
                    config.data()
                ))
            }
            None if self.take_back => back(file),
            None => {
                let (_, config) = open::beside(file, Missing::Make).await?;
                print::line(&format!("{} is up to date.", config.data()))
            }
        }
    }

    async fn move_to(&self, to: &str, file: Option<&Path>) -> Result<(), Failure> {
        let mut to = ServerUrl::postgres(to).map_err(|said| Failure::usage(format!("--to: {said}")))?;
        if self.password_stdin {
            let password = password::piped()?;
            to = to.with_password(password.as_str()).ok_or_else(|| {
                Failure::usage("--to names no user whose password that is: postgres://user@host/database")
            })?;
        }
        let loaded = open::configuration(file)?;
        let config = &loaded.config;
        let Some(database) = config.database_file() else {
            return Err(Failure::usage("database.url is Postgres already: --to moves what is in SQLite"));
        };
        if !database.exists() {
            return Err(Failure::new(format!(
                "there is no database at {}: there is nothing to move",
                config.data()
            )));
        }
        // As a server holds it, so that none serves it meanwhile; and with its master key.
        let keyward = open::to_move(&loaded).await?;
        let bar = Bar::new();
        let options = PostgresOptions::new(to.expose());
        let moved = move_to_postgres(database, &options, &Clock::system(), |table, done, all| {
            bar.tell(table, done, all);
        })
        .await;
        bar.end();
        // It held the file, and has nothing to write.
        drop(keyward);
        let moved = moved.map_err(|e| match &e {
            MoveError::Target(PostgresError::Refused { .. }) if !to.has_password() => {
                Failure::new(format!("{e}: hand it in with --password-stdin"))
            }
            _ => Failure::new(e.to_string()),
        })?;
        let rows: Vec<[String; 2]> =
            moved.iter().map(|Moved { table, rows }| [(*table).to_owned(), rows.to_string()]).collect();
        print::table(["TABLE", "ROWS"], &rows)?;
        let key = match &config.keys.master_key {
            Some(_) => "keys.master_key stays as it is".to_owned(),
            None => format!(
                "set keys.master_key to what is in {}",
                config.data_folder().join(MASTER_KEY).display()
            ),
        };
        print::text(&format!(
            "\nEverything is in {to}, and every row was counted. Now set database.url to that, {key}, and \
             start; nobody has to sign in anew.\n`keyward event verify` says whether the audit trail is whole. \
             {} says that it was moved, so that nothing serves it any more: destroy it when you need it no \
             more. `keyward migrate --take-back` makes it good again, as it is now.\n",
            database.display()
        ))
    }
}

/// Makes the file that was moved good again.
fn back(file: Option<&Path>) -> Result<(), Failure> {
    let loaded = open::configuration(file)?;
    let Some(database) = loaded.config.database_file() else {
        return Err(Failure::usage(
            "database.url is Postgres: set it to the SQLite database that is to be taken back",
        ));
    };
    take_back(database).map_err(|e| Failure::new(e.to_string()))?;
    print::text(&format!(
        "{} is good again, as it was when it was moved. What happened in Postgres since is not in it: whoever was \
         signed out there is signed in here, so run `keyward session revoke --all` before you serve it.\n",
        database.display()
    ))
}

/// What a terminal is shown meanwhile.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{msg:<12} {wide_bar} {pos} of {len}") {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn tell(&self, table: &'static str, done: u64, all: u64) {
        self.0.set_message(table);
        self.0.set_length(all);
        self.0.set_position(done);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}
