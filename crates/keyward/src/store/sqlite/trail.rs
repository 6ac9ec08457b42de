//! How is the audit trail read from the file?

use keyward_core::chain::Seal;
use keyward_core::event::Recorded;
use keyward_core::id::EventId;
use keyward_core::time::Timestamp;

use super::{Sqlite, each, first};
use crate::store::sql::trail as sql;
use crate::store::sql::{Value, id, number, time};
use crate::store::trail::{EventPage, EventQuery, Sealed, Suspects, Suspicion, Trail};
use crate::store::{Answer, StoredChainKey};

impl Trail for Sqlite {
    fn events(&self, query: EventQuery) -> Answer<'_, EventPage> {
        Box::pin(async move {
            let Some(horizon) = sql::event_horizon(&query) else {
                let list = sql::event_list(&query, None);
                let events = self.all(&list.sql, &list.params, |row| sql::recorded(row))?;
                return Ok(sql::paged(events, query.limit, None));
            };
            self.search(move |connection| {
                let down_to =
                    match first(connection, &horizon.sql, &horizon.params, |row| sql::event_id(row))? {
                        Ok(down_to) => down_to,
                        Err(fault) => return Ok(Err(fault)),
                    };
                let list = sql::event_list(&query, down_to);
                let events = each(connection, &list.sql, &list.params, |row| sql::recorded(row))?;
                Ok(events.map(|events| sql::paged(events, query.limit, down_to)))
            })
            .await
        })
    }

    fn suspicious(&self, ask: Suspicion) -> Answer<'_, Suspects> {
        Box::pin(self.search(move |connection| {
            let most = [id(sql::first_of(ask.since)), Value::Int(i64::from(ask.examined))];
            let horizon =
                first(connection, sql::suspicion_horizon(ask.kind), &most, |row| sql::event_id(row))?;
            let since = match horizon {
                Ok(horizon) => sql::looked_at_since(&ask, horizon),
                Err(fault) => return Ok(Err(fault)),
            };
            let params = [id(sql::first_of(since)), number(ask.threshold), Value::Int(ask.limit.into())];
            let suspect = |row: &rusqlite::Row<'_>| sql::suspect(row, ask.kind);
            let found = each(connection, sql::suspicious(ask.kind), &params, suspect)?;
            Ok(found.map(|found| Suspects { found, since }))
        }))
    }

    fn chain_key(&self) -> Answer<'_, Option<StoredChainKey>> {
        Box::pin(async move { self.one(sql::CHAIN_KEY, &[], |row| sql::chain_key(row)) })
    }

    fn last_seal(&self) -> Answer<'_, Option<Seal>> {
        Box::pin(async move { self.one(sql::LAST_SEAL, &[], |row| sql::seal(row)) })
    }

    fn sealed_after(&self, after: u64) -> Answer<'_, Option<Sealed>> {
        Box::pin(self.search(move |connection| {
            // One moment for both: a batch may be on its way out.
            let moment = connection.unchecked_transaction()?;
            let seal = match first(&moment, sql::SEAL_AFTER, &[number(after)], |row| sql::seal(row))? {
                Ok(Some(seal)) => seal,
                Ok(None) => return Ok(Ok(None)),
                Err(fault) => return Ok(Err(fault)),
            };
            let rows = each(&moment, sql::BATCH, &[number(seal.number)], |row| sql::recorded(row))?;
            Ok(rows.map(|rows| Some(Sealed { seal, rows })))
        }))
    }

    fn past_seal(&self, before: Timestamp) -> Answer<'_, Option<Seal>> {
        Box::pin(async move { self.one(sql::PAST_SEAL, &[time(before)], |row| sql::seal(row)) })
    }

    fn unsealed(&self, after: EventId, before: EventId, limit: u32) -> Answer<'_, Vec<Recorded>> {
        let params = [id(after), id(before), Value::Int(limit.into())];
        Box::pin(
            self.search(move |connection| each(connection, sql::UNSEALED, &params, |row| sql::recorded(row))),
        )
    }

    fn strays(&self, limit: u32) -> Answer<'_, Vec<(i64, EventId)>> {
        let params = [Value::Int(limit.into())];
        Box::pin(self.search(move |connection| each(connection, sql::STRAYS, &params, |row| sql::stray(row))))
    }
}
