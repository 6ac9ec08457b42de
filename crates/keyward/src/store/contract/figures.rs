//! What was counted over time.

use std::time::Duration;

use keyward_core::change::Write;
use keyward_core::figure::{Figure, SPAN};

use super::sweep::sweep;
use super::{World, at};
use crate::store::Sweep;

fn count(figure: Figure, second: i64, count: u64) -> Write {
    Write::Count { figure, at: at(second), count }
}

impl World {
    /// What was counted from one second to before the other, in spans of so many seconds.
    async fn figures(&self, from: i64, to: i64, step: u64) -> Vec<(&'static str, i64, u64)> {
        let figures = self.store.figures(at(from), at(to), Duration::from_secs(step)).await;
        let told = |c: &crate::store::Counted| (c.figure.as_str(), c.at.seconds(), c.count);
        figures.expect("readable").iter().map(told).collect()
    }
}

pub(crate) async fn figures_add_up_in_their_spans(world: World) {
    let (logins, refreshes) = (Figure::Logins, Figure::Refreshes);
    world.write([count(logins, 900, 2), count(refreshes, 900, 5)]).await;
    world.write([count(logins, 900, 3), count(logins, 1_800, 7), count(logins, 4_500, 1)]).await;
    let every = [("logins", 900, 5), ("refreshes", 900, 5), ("logins", 1_800, 7), ("logins", 4_500, 1)];
    assert_eq!(world.figures(0, 9_000, 900).await, every);
    let hourly = [("logins", 0, 12), ("refreshes", 0, 5), ("logins", 3_600, 1)];
    assert_eq!(world.figures(0, 9_000, 3_600).await, hourly);
    assert_eq!(world.figures(1_800, 4_500, 900).await, [("logins", 1_800, 7)], "from, and before");
    for figure in Figure::ALL {
        world.write([count(figure, 90_000, 1)]).await;
    }
    assert_eq!(world.figures(90_000, 90_001, 900).await.len(), Figure::ALL.len());
}

pub(crate) async fn figures_go_when_they_are_past(world: World) {
    let second = |n: i64| n * i64::try_from(SPAN.as_secs()).expect("small");
    world.write((0..10).map(|n| count(Figure::Logins, second(n), 1))).await;
    world.swept(Sweep { figures_before: at(second(0)), ..sweep(0) }).await;
    assert_eq!(world.figures(0, second(10), 900).await.len(), 10, "nothing is past");
    world.swept(Sweep { figures_before: at(second(6)), limit: 4, ..sweep(0) }).await;
    assert_eq!(world.figures(0, second(10), 900).await.len(), 6, "in small batches");
    world.swept(Sweep { figures_before: at(second(6)), ..sweep(0) }).await;
    let left: Vec<i64> = world.figures(0, second(10), 900).await.iter().map(|(_, at, _)| *at).collect();
    assert_eq!(left, [6, 7, 8, 9].map(second));
}
