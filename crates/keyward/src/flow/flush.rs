//! What of that which is noted and counted in memory is written, and what if some of it can't be?

use keyward_core::change::{Change, Write};
use keyward_core::time::Timestamp;

use crate::engine::Engine;
use crate::error::Error;

impl Engine {
    /// Writes what is noted and counted in memory; with `all`, also what could wait. What one part is
    /// kept from does not keep the others; the notes come last, as they alone may need a Redis.
    pub(crate) async fn flush(&self, all: bool) -> Result<(), Error> {
        let now = self.clock.now();
        let thefts = self.end_noticed_thefts().await;
        let used = self.flush_service_keys(now, all).await;
        let figures = self.flush_figures(now, all).await;
        let tallies = self.flush_tallies(now).await;
        let notes = self.flush_notes(now, all).await;
        thefts.and(used).and(figures).and(tallies).and(notes)
    }

    async fn flush_service_keys(&self, now: Timestamp, all: bool) -> Result<(), Error> {
        let used = self.service_keys.due(now, all);
        if !used.is_empty() {
            self.commit(Change::of(used.iter().cloned())).await?;
            self.service_keys.written(&used);
        }
        Ok(())
    }

    async fn flush_figures(&self, now: Timestamp, all: bool) -> Result<(), Error> {
        let counted = self.figures.take(self.metrics.figures(), now, all);
        if !counted.is_empty()
            && let Err(error) = self.commit(Change::of(counted.clone())).await
        {
            self.figures.give_back(&counted);
            return Err(error.into());
        }
        Ok(())
    }

    async fn flush_tallies(&self, now: Timestamp) -> Result<(), Error> {
        let events = self.tallies.take(now);
        if !events.is_empty()
            && let Err(error) = self.commit(Change { writes: Vec::new(), events: events.clone() }).await
        {
            // What was counted stays counted.
            self.tallies.give_back(events);
            return Err(error.into());
        }
        Ok(())
    }

    async fn flush_notes(&self, now: Timestamp, all: bool) -> Result<(), Error> {
        // What rests does so in one place: where some of it does not get there, more would not.
        let mut written = Ok(());
        for batch in self.notes.due_to_rest(now, all) {
            written = self.write_notes(&batch, now).await;
            if written.is_err() {
                break;
            }
        }
        for batch in self.notes.due(now, all) {
            written = written.and(self.write_notes(&batch, now).await);
        }
        written
    }

    async fn write_notes(&self, batch: &[Write], now: Timestamp) -> Result<(), Error> {
        self.commit(Change::of(batch.iter().cloned())).await?;
        self.notes.written(batch, now);
        Ok(())
    }
}
