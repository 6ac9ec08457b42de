//! `keyward serve`: serves until it is told to stop.
//!
//! The address is taken before the data is touched, and both are there before anything is printed.
//! The first signal (SIGTERM, SIGINT) lets what runs finish, a second one ends at once.

use std::fmt::Write as _;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use keyward::Keyward;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use crate::config::{Config, Loaded, MASTER_KEY};
use crate::failure::Failure;
use crate::{browser, log, open, print};

/// Serves, as the configuration says.
pub(crate) fn run(file: Option<&Path>) -> Result<(), Failure> {
    let loaded = open::configuration(file)?;
    let logging =
        log::begin(&loaded.config.log).map_err(|e| Failure::new(format!("no thread for the log: {e}")))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::new(format!("the system gives no event loop: {e}")))?;
    let done = runtime.block_on(serve(loaded, file, logging.drops()));
    // What a second signal cut off must not keep the process.
    runtime.shutdown_background();
    done
}

async fn serve(mut loaded: Loaded, file: Option<&Path>, log_drops: Arc<AtomicU64>) -> Result<(), Failure> {
    let signals = signals().map_err(|e| Failure::new(format!("signals can't be listened for: {e}")))?;
    let (listener, address) = listen(&loaded, "server.listen", loaded.config.server.listen).await?;
    let monitored = match loaded.config.server.metrics_listen {
        Some(address) => Some(listen(&loaded, "server.metrics_listen", address).await?),
        None => None,
    };
    loaded.listens_on(address);
    let config = &loaded.config;
    let keyward = open::to_serve(&loaded, log_drops).await?;
    if !config.server.public_url.is_https() {
        tracing::warn!(
            "plain HTTP at {}: cookies lack Secure and their prefixes; for development on this machine alone",
            config.server.public_url
        );
    }
    if let Some(folder) = keyward.mail_folder().filter(|_| !config.is_local()) {
        tracing::warn!(
            "no server takes mails (email.smtp_url): nobody gets any; they are written to {}",
            folder.display()
        );
    }
    // Whoever reads it may have gone; serving goes on.
    let metrics = monitored.as_ref().map(|(_, address)| *address);
    let setup_token = keyward.setup_token().await?;
    let _ = print::text(&greeting(config, address, metrics, setup_token.as_deref(), file));
    if let Some(token) = setup_token.filter(|_| config.is_local()) {
        browser::show(&setup_link(config, &token));
    }
    let monitor = Monitor::begin(&keyward, monitored.map(|(listener, _)| listener));

    let first = told(&signals, 1);
    let second = told(&signals, 2);
    tokio::select! {
        done = until(&keyward, listener, first, config) => {
            monitor.stop().await;
            done
        }
        () = second => Err(Failure::new("a second signal ended this at once; what was under way is lost")),
    }
}

/// The listener for monitors. It outlives the public one: a stop can be watched, too.
struct Monitor(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl Monitor {
    fn begin(keyward: &Keyward, listener: Option<TcpListener>) -> Self {
        Self(listener.map(|listener| {
            let (stop, stopped) = oneshot::channel();
            let stopped = async { drop(stopped.await) };
            let (keyward, router) = (keyward.clone(), keyward.monitor());
            let serve = async move { keyward.serve(listener, router, stopped, Duration::from_secs(1)).await };
            (stop, tokio::spawn(serve))
        }))
    }

    async fn stop(self) {
        if let Some((stop, task)) = self.0 {
            drop(stop);
            // That it ended by itself is just as well.
            let _ = task.await;
        }
    }
}

/// Serves until `stop`, finishes what runs, and writes what is noted.
async fn until(
    keyward: &Keyward,
    listener: TcpListener,
    stop: impl Future<Output = ()>,
    config: &Config,
) -> Result<(), Failure> {
    let stop = async {
        stop.await;
        tracing::info!("stopping: what is under way is finished first; a second signal ends it at once");
    };
    keyward.serve(listener, keyward.app(), stop, config.server.shutdown_grace).await;
    Ok(keyward.close().await?)
}

/// Takes the address that this key names; gives the one that was really taken, as port 0 takes a
/// free one.
async fn listen(
    loaded: &Loaded,
    key: &str,
    address: SocketAddr,
) -> Result<(TcpListener, SocketAddr), Failure> {
    let listener = TcpListener::bind(address).await;
    let bound = listener.and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (taken, listener) = bound.map_err(|error| {
        let source = loaded.source(key);
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "is in use by another program: stop that one, or choose another port",
            io::ErrorKind::AddrNotAvailable => "is no address of this machine: choose one that is",
            io::ErrorKind::PermissionDenied => "is not for this user: choose a port above 1023",
            _ => return Failure::new(format!("{key} ({source}): {address} can't be used: {error}")),
        };
        Failure::new(format!("{key} ({source}): {address} {why}"))
    })?;
    Ok((listener, taken))
}

/// The link by which the first administrator is made.
fn setup_link(config: &Config, token: &str) -> String {
    format!("{}/setup?token={token}", config.server.public_url)
}

/// What is printed at the start.
fn greeting(
    config: &Config,
    address: SocketAddr,
    metrics: Option<SocketAddr>,
    setup_token: Option<&str>,
    file: Option<&Path>,
) -> String {
    let url = &config.server.public_url;
    let mut text = format!("Keyward {}\n\n", env!("CARGO_PKG_VERSION"));
    let mut say = |name: &str, value: &dyn std::fmt::Display| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "  {name:<12}{value}");
    };
    say("URL", url);
    say("Listens on", &address);
    if let Some(metrics) = metrics {
        say("Metrics", &format_args!("http://{metrics}/metrics"));
    }
    say("Data", &config.data());
    if let [first, others @ ..] = config.redis.urls.as_slice() {
        say(
            "Sessions",
            &format_args!("{first}{}", if others.is_empty() { "" } else { " and others of its cluster" }),
        );
    }
    if config.keys.master_key.is_none() {
        say("Master key", &config.data_folder().join(MASTER_KEY).display());
    }
    if config.email.smtp_url.is_none() && config.is_local() {
        say("Mails", &format_args!("{url}/dev/mailbox"));
    }
    if let Some(token) = setup_token {
        let file = file.map(|file| format!("--config {} ", file.display())).unwrap_or_default();
        // As above.
        let _ = write!(
            text,
            "\nThere is no administrator yet. Make the first one here:\n\n  {}\n\n\
             Or without a browser:\n\n  keyward {file}admin upsert you@example.com\n",
            setup_link(config, token)
        );
    }
    text.push('\n');
    text
}

/// How many signals to stop have come so far.
fn signals() -> io::Result<watch::Receiver<usize>> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (count, counted) = watch::channel(0);
    tokio::spawn(async move {
        while either(&mut term, &mut int).await.is_some() {
            count.send_modify(|count| *count += 1);
        }
    });
    Ok(counted)
}

async fn either(a: &mut Signal, b: &mut Signal) -> Option<()> {
    tokio::select! {
        signal = a.recv() => signal,
        signal = b.recv() => signal,
    }
}

/// When this many signals have come.
fn told(signals: &watch::Receiver<usize>, count: usize) -> impl Future<Output = ()> + use<> {
    let mut signals = signals.clone();
    async move {
        // Without a sender there is no runtime any more, either.
        let _ = signals.wait_for(|come| *come >= count).await;
    }
}
