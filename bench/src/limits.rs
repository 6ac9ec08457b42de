//! What can't be passed? The bare conditional write, and the bare signature.

mod servers;

use std::path::Path;
use std::sync::Barrier;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use tokio::sync::oneshot;

pub(crate) use self::servers::connect;
use crate::place::Place;

const ROWS: i64 = 50_000;

type Job = (i64, i64, oneshot::Sender<bool>);

/// What a refresh can't do without where it rests, bare, by so many callers: what that is, and how
/// often a second.
pub(crate) async fn commit(place: &Place, callers: usize, run: Duration) -> (&'static str, f64) {
    match (&place.database, &place.redis) {
        (None, _) => ("bare conditional update", sqlite(place.folder.path(), callers, run).await),
        (Some(database), None) => {
            ("bare read by key and conditional update", servers::postgres(database, callers, run).await)
        }
        (Some(database), Some(redis)) => (
            "bare read by key in Postgres and compare-and-set in Redis",
            servers::redis(database, redis, callers, run).await,
        ),
    }
}

/// How often a second so many callers get this done, after a sixth of the time to get warm: what it is
/// for the row of that number, as it is in that generation.
async fn each<F>(callers: usize, run: Duration, once: impl Fn(i64, i64) -> F + Clone + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    let from = Instant::now() + run / 6;
    let until = from + run;
    let tasks: Vec<_> = (0..callers)
        .map(|i| {
            let once = once.clone();
            tokio::spawn(async move {
                let (mut id, mut generation, mut done) = (i as i64, 0, 0u64);
                loop {
                    let begun = Instant::now();
                    if begun >= until {
                        break;
                    }
                    once(id, generation).await;
                    done += u64::from(begun >= from);
                    id += callers as i64;
                    if id >= ROWS {
                        id = i as i64;
                        generation += 1;
                    }
                }
                done
            })
        })
        .collect();
    let mut done = 0;
    for task in tasks {
        done += task.await.expect("a caller");
    }
    done as f64 / run.as_secs_f64()
}

/// Through one writer that commits all that waits at once, flushed to disk.
async fn sqlite(folder: &Path, callers: usize, run: Duration) -> f64 {
    let path = folder.join("bare.db");
    let connection = rusqlite::Connection::open(&path).expect("a database");
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
             CREATE TABLE s (id INTEGER PRIMARY KEY, gen INTEGER NOT NULL, hash BLOB NOT NULL, used_at INTEGER NOT NULL); \
             BEGIN;",
        )
        .expect("a table");
    for id in 0..ROWS {
        connection.execute("INSERT INTO s VALUES (?1, 0, zeroblob(32), 0)", [id]).expect("a row");
    }
    connection.execute_batch("COMMIT").expect("committed");
    let (jobs, waiting) = channel::<Job>();
    let writer = std::thread::spawn(move || write(connection, &waiting));
    let rate = each(callers, run, move |id, generation| {
        let jobs = jobs.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            jobs.send((id, generation, answer)).expect("a writer");
            assert!(answered.await.expect("an answer"), "nobody else writes this row");
        }
    });
    let rate = rate.await;
    writer.join().expect("the writer");
    std::fs::remove_file(path).expect("removed");
    rate
}

fn write(mut connection: rusqlite::Connection, waiting: &Receiver<Job>) {
    while let Ok(first) = waiting.recv() {
        let transaction = connection.transaction().expect("a transaction");
        let mut answers = Vec::new();
        for (id, generation, answer) in std::iter::once(first).chain(waiting.try_iter().take(511)) {
            let changed = transaction
                .prepare_cached(
                    "UPDATE s SET gen = gen + 1, hash = ?3, used_at = ?4 WHERE id = ?1 AND gen = ?2",
                )
                .and_then(|mut update| update.execute((id, generation, [7u8; 32], id)))
                .expect("an update");
            answers.push((answer, changed == 1));
        }
        transaction.commit().expect("committed");
        for (answer, changed) in answers {
            let _ = answer.send(changed);
        }
    }
}

/// How many signatures a second all cores make.
pub(crate) fn signatures(algorithm: &str, run: Duration) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ready = &Barrier::new(cores);
    let counts: Vec<u64> = std::thread::scope(|scope| {
        let one = || signatures_of_one(algorithm, run, ready);
        let signers: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        signers.into_iter().map(|signer| signer.join().expect("a signer")).collect()
    });
    counts.iter().sum::<u64>() as f64 / run.as_secs_f64()
}

fn signatures_of_one(algorithm: &str, run: Duration, ready: &Barrier) -> u64 {
    let random = SystemRandom::new();
    let message = [7u8; 600];
    let sign: Box<dyn Fn()> = if algorithm == "RS256" {
        let key = KeyPair::generate(KeySize::Rsa2048).expect("a key");
        Box::new(move || {
            let mut signature = vec![0; key.public_modulus_len()];
            key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).expect("signed");
        })
    } else {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        Box::new(move || {
            std::hint::black_box(key.sign(&random, &message).expect("signed"));
        })
    };
    ready.wait();
    let until = Instant::now() + run;
    let mut count = 0;
    while Instant::now() < until {
        sign();
        count += 1;
    }
    count
}
