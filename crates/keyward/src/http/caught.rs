//! What if a handler panics? Its caller is told so, and nobody else notices.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;

use keyward_core::denial::Denial;

use super::Answer;

/// The handler's answer, or that the server made a mistake. What a use case holds is written whole
/// or not at all, so nothing is left half-done.
pub(super) async fn caught(mut handler: Pin<Box<dyn Future<Output = Answer> + Send>>) -> Answer {
    poll_fn(|context| {
        let poll = AssertUnwindSafe(|| handler.as_mut().poll(context));
        catch_unwind(poll).unwrap_or_else(|_| {
            // What it panicked with may hold what it was working on: the log has the place alone.
            tracing::error!("a handler panicked");
            Poll::Ready(Err(Denial::Internal.into()))
        })
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_a_refusal_without_a_word_of_what_it_was() {
        let panics = Box::pin(async {
            tokio::task::yield_now().await;
            panic!("secret");
        });
        let error = caught(panics).await.expect_err("a refusal");
        assert_eq!((error.code(), error.denied().denial().status()), ("internal_error", 500));
        assert!(!error.to_string().contains("secret"));
        let fine = caught(Box::pin(async { Ok(crate::http::no_content()) })).await;
        assert_eq!(fine.expect("an answer").status(), 204);
    }
}
