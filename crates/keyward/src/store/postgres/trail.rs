//! How is the audit trail read from Postgres?

use keyward_core::chain::Seal;
use keyward_core::event::Recorded;
use keyward_core::id::EventId;
use keyward_core::time::Timestamp;

use super::Postgres;
use crate::store::sql::trail as sql;
use crate::store::sql::{Value, id, number, time};
use crate::store::trail::{EventPage, EventQuery, Sealed, Suspects, Suspicion, Trail};
use crate::store::{Answer, StoredChainKey};

impl Trail for Postgres {
    fn events(&self, query: EventQuery) -> Answer<'_, EventPage> {
        Box::pin(async move {
            let down_to = match sql::event_horizon(&query) {
                Some(horizon) => self.search(&horizon.sql, &horizon.params, sql::event_id).await?.pop(),
                None => None,
            };
            let list = sql::event_list(&query, down_to);
            let events = self.search(&list.sql, &list.params, sql::recorded).await?;
            Ok(sql::paged(events, query.limit, down_to))
        })
    }

    fn suspicious(&self, ask: Suspicion) -> Answer<'_, Suspects> {
        Box::pin(async move {
            let most = [id(sql::first_of(ask.since)), Value::Int(i64::from(ask.examined))];
            let horizon = sql::suspicion_horizon(ask.kind);
            let horizon = self.search(horizon, &most, sql::event_id).await?.pop();
            let since = sql::looked_at_since(&ask, horizon);
            let params = [id(sql::first_of(since)), number(ask.threshold), Value::Int(ask.limit.into())];
            let found = self.search(sql::suspicious(ask.kind), &params, |row| sql::suspect(row, ask.kind));
            Ok(Suspects { found: found.await?, since })
        })
    }

    fn chain_key(&self) -> Answer<'_, Option<StoredChainKey>> {
        Box::pin(self.one(sql::CHAIN_KEY, vec![], sql::chain_key))
    }

    fn last_seal(&self) -> Answer<'_, Option<Seal>> {
        Box::pin(self.one(sql::LAST_SEAL, vec![], sql::seal))
    }

    fn sealed_after(&self, after: u64) -> Answer<'_, Option<Sealed>> {
        Box::pin(async move {
            loop {
                let seal = self.one(sql::SEAL_AFTER, vec![number(after)], sql::seal);
                let Some(seal) = seal.await? else { return Ok(None) };
                let batch = [number(seal.number)];
                let rows = self.search(sql::BATCH, &batch, sql::recorded).await?;
                // A batch may be on its way out: as long as its seal is what it was before its rows
                // were read, they belong together.
                let again = self.one(sql::SEAL_AFTER, vec![number(after)], sql::seal);
                if again.await?.as_ref() == Some(&seal) {
                    return Ok(Some(Sealed { seal, rows }));
                }
            }
        })
    }

    fn past_seal(&self, before: Timestamp) -> Answer<'_, Option<Seal>> {
        Box::pin(self.one(sql::PAST_SEAL, vec![time(before)], sql::seal))
    }

    fn unsealed(&self, after: EventId, before: EventId, limit: u32) -> Answer<'_, Vec<Recorded>> {
        let params = [id(after), id(before), Value::Int(limit.into())];
        Box::pin(async move { self.search(sql::UNSEALED, &params, sql::recorded).await })
    }

    fn strays(&self, limit: u32) -> Answer<'_, Vec<(i64, EventId)>> {
        Box::pin(async move { self.search(sql::STRAYS, &[Value::Int(limit.into())], sql::stray).await })
    }
}
