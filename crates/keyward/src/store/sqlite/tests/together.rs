//! For whom does the writer wait before it writes?

use std::thread;
use std::time::Duration;

use keyward_core::time::Timestamp;
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::Folder;
use crate::store::sqlite::writer::{ENOUGH, Job, Written, run};
use crate::store::sqlite::{file, queue::queue};

const SOON: Duration = Duration::from_secs(20);
const NEVER: Duration = Duration::from_secs(3_600);

#[tokio::test]
async fn for_as_many_as_came_together_the_last_time_and_for_no_more_than_is_enough() {
    for (first, then) in [(1, 1), (3, 3), (2 * ENOUGH, ENOUGH)] {
        let folder = Folder::new();
        let opened = file::open(&folder.file(), false, Timestamp::default(), 1, SOON);
        let mut writer = opened.expect("it opens").writer;
        let (jobs, waiting) = queue(1_000);
        let send = |count: usize| -> Vec<oneshot::Receiver<Written>> {
            let send = |_| {
                let (answer, answered) = oneshot::channel();
                assert!(jobs.send(Job { statements: Vec::new(), answer }).is_ok());
                answered
            };
            (0..count).map(send).collect()
        };
        let are_written = async |answers: Vec<oneshot::Receiver<Written>>| {
            for answered in answers {
                let written = timeout(SOON, answered).await.expect("nobody else is waited for");
                written.expect("told").expect("written");
            }
        };
        let together = send(first);
        let thread = thread::spawn(move || run(&mut writer, &waiting, NEVER, None));
        are_written(together).await;
        let mut some = send(then - 1);
        let waits = async {
            while jobs.wanted() != Some(then) {
                tokio::task::yield_now().await;
            }
        };
        timeout(SOON, waits).await.expect("the others are waited for");
        assert!(some.iter_mut().all(|answered| answered.try_recv().is_err()), "not written one by one");
        some.extend(send(1));
        are_written(some).await;
        drop(jobs);
        thread.join().expect("it ends");
    }
}
