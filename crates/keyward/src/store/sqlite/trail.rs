//! How is the audit trail read from the file?

use std::time::Duration;

use keyward_core::chain::Seal;
use keyward_core::event::Recorded;
use keyward_core::id::EventId;
use keyward_core::time::Timestamp;

use super::{Sqlite, each, first};
use crate::store::sql::trail as sql;
use crate::store::sql::{Row as _, Value, id, number, time};
use crate::store::trail::{EventPage, EventQuery, Sealed, Suspects, Suspicion, Trail};
use crate::store::{Answer, Fault, StoredChainKey};

impl Trail for Sqlite {
    fn events(&self, query: EventQuery) -> Answer<'_, EventPage> {
        Box::pin(async move {
            let Some(horizon) = sql::event_horizon(&query) else {
                let list = sql::event_list(&query, None);
                let events = self.all(&list.sql, &list.params, |row| sql::recorded(row))?;
                return Ok(page(events, query.limit, None));
            };
            self.search(move |connection| {
                let down_to = match first(connection, &horizon.sql, &horizon.params, event_id)? {
                    Ok(down_to) => down_to,
                    Err(fault) => return Ok(Err(fault)),
                };
                let list = sql::event_list(&query, down_to);
                let events = each(connection, &list.sql, &list.params, |row| sql::recorded(row))?;
                Ok(events.map(|events| page(events, query.limit, down_to)))
            })
            .await
        })
    }

    fn suspicious(&self, ask: Suspicion) -> Answer<'_, Suspects> {
        Box::pin(self.search(move |connection| {
            let mut from = sql::first_of(ask.since);
            let mut since = ask.since;
            let most = [id(from), Value::Int(i64::from(ask.examined))];
            match first(connection, sql::suspicion_horizon(ask.kind), &most, event_id)? {
                Ok(None) => {}
                // It is not looked at any more, and of its very moment not all may be.
                Ok(Some(last)) => {
                    since = last.made_at().after(Duration::from_millis(1));
                    from = sql::first_of(since);
                }
                Err(fault) => return Ok(Err(fault)),
            }
            let params = [id(from), number(ask.threshold), Value::Int(ask.limit.into())];
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

fn event_id(row: &rusqlite::Row<'_>) -> Result<EventId, Fault> {
    let id = row.bytes(0)?.try_into().map_err(|_| Fault::Corrupt("event.id".to_owned()))?;
    Ok(EventId::from_bytes(id))
}

/// The page that these events make: where it is full it goes on after its last one, and where the
/// search went no further than `down_to`, after that.
fn page(events: Vec<Recorded>, limit: u32, down_to: Option<EventId>) -> EventPage {
    let full = events.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
    let last = events.last().map(|row| row.event.id).filter(|_| full);
    EventPage { next: last.or(down_to), events }
}
