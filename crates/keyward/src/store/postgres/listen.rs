//! How does a node hear of what others revoked sooner than it asks?
//!
//! By a connection of its own that listens. What it tells is never more than "ask now": where it is
//! gone, nodes hear as late as they ask.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tokio_postgres::AsyncMessage;

use super::error::{PostgresError, told};
use super::options::{Endpoint, READY};

/// How long after a connection was lost, or not had, another one is tried.
const AGAIN: Duration = Duration::from_secs(1);

/// Listens for as long as it is not aborted.
pub(super) async fn listen(endpoint: Endpoint, news: Arc<Notify>) {
    let mut failing = false;
    loop {
        let ended = until_lost(&endpoint, &news, &mut failing).await;
        if !std::mem::replace(&mut failing, true) {
            tracing::warn!("changes of other nodes are heard of a little later: {ended}");
        }
        sleep(AGAIN).await;
    }
}

/// Why it ended.
async fn until_lost(endpoint: &Endpoint, news: &Notify, failing: &mut bool) -> String {
    let (client, mut connection) = match endpoint.connect().await {
        Ok(connected) => connected,
        Err(error) => return error.to_string(),
    };
    let mut messages = pin!(poll_fn(|cx| {
        loop {
            match ready!(connection.poll_message(cx)) {
                Some(Ok(AsyncMessage::Notification(_))) => news.notify_one(),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Poll::Ready(told(&error)),
                None => return Poll::Ready("the connection was closed".to_owned()),
            }
        }
    }));
    let listening = timeout(READY, client.batch_execute("LISTEN keyward"));
    tokio::select! {
        ended = &mut messages => return ended,
        listening = listening => match listening {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return told(&error),
            Err(_) => return PostgresError::Unreachable {
                at: endpoint.name.clone(),
                message: format!("no answer within {READY:?}"),
            }.to_string(),
        },
    }
    if std::mem::take(failing) {
        tracing::info!("changes of other nodes are heard of at once again");
    }
    // What happened before it listened.
    news.notify_one();
    messages.await
}
