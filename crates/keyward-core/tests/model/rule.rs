//! Which rule is searched? The real one, or one that leaves something of it out.

use keyward_core::policy::Policy;
use keyward_core::session::{Generation, MadeBy, Presented, Progress, Session, Verdict};
use keyward_core::time::Timestamp;

use crate::state::Invariant::{self, CopyWorthNothing, NoFork, NobodySignedOut, OverIsOver};
use Scene::{
    Owner, OwnerPlain, OwnerWiped, OwnerWipedOverRest, Thief, ThiefRestored, ThiefRestoredOverRest,
    ThiefWiped, ThiefWipedOverRest,
};

/// The words for a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Refuse,
    Rotate,
    Keep,
    KeepParent,
    Wait,
    Forgive,
    Adopt,
    Theft,
}

impl Kind {
    pub(crate) const ALL: [Self; 8] = [
        Self::Refuse,
        Self::Rotate,
        Self::Keep,
        Self::KeepParent,
        Self::Wait,
        Self::Forgive,
        Self::Adopt,
        Self::Theft,
    ];
}

/// What a handler does about a verdict: what it writes, and what it puts into the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Decision {
    pub(crate) kind: Kind,
    pub(crate) after: Option<Progress>,
    pub(crate) on_seen: bool,
    pub(crate) dead: Option<Generation>,
    pub(crate) refresh: Option<Generation>,
    pub(crate) access: Option<Generation>,
    pub(crate) ends: bool,
}

impl Decision {
    fn of(kind: Kind) -> Self {
        Self { kind, after: None, on_seen: false, dead: None, refresh: None, access: None, ends: false }
    }

    fn theft() -> Self {
        Self { ends: true, ..Self::of(Kind::Theft) }
    }

    fn keep(names: Generation) -> Self {
        Self { access: Some(names), ..Self::of(Kind::Keep) }
    }

    fn handing_out(kind: Kind, after: Progress) -> Self {
        Self { after: Some(after), refresh: Some(after.newest), access: Some(after.newest), ..Self::of(kind) }
    }

    fn forgiving(after: Progress, dead: Generation) -> Self {
        Self { dead: Some(dead), on_seen: true, ..Self::handing_out(Kind::Forgive, after) }
    }
}

pub(crate) type Decide = fn(&Session, Presented, Timestamp, &Policy) -> Decision;

/// A rule, and what the flow around it does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) decide: Decide,
    pub(crate) condition: Condition,
    pub(crate) noted: fn(Progress, Generation) -> Progress,
    /// Whether a generation given up for lost enters the revocation set.
    pub(crate) buries: bool,
    /// Whether an access token of a dead generation ends the session.
    pub(crate) dead_access_ends: bool,
}

/// On what a write is conditional.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Condition {
    pub(crate) newest: bool,
    pub(crate) ended: bool,
    pub(crate) seen: bool,
}

/// The rule of Keyward.
pub(crate) const REAL: Rule = Rule {
    decide: real,
    condition: Condition { newest: true, ended: true, seen: true },
    noted: |progress, seen| progress.noted(Some(seen), None),
    buries: true,
    dead_access_ends: true,
};

pub(crate) fn real(session: &Session, token: Presented, now: Timestamp, policy: &Policy) -> Decision {
    match session.present(token, true, now, policy) {
        Verdict::Refuse(_) => Decision::of(Kind::Refuse),
        Verdict::Rotate { after } => Decision::handing_out(Kind::Rotate, after),
        Verdict::Keep { names } => {
            let parent = session.progress.is_some_and(|p| token.generation != p.newest);
            Decision { kind: if parent { Kind::KeepParent } else { Kind::Keep }, ..Decision::keep(names) }
        }
        Verdict::Wait { .. } => Decision::of(Kind::Wait),
        Verdict::Forgive { after, dead } => Decision::forgiving(after, dead),
        Verdict::Adopt { after } => {
            Decision { after: Some(after), access: Some(after.newest), ..Decision::of(Kind::Adopt) }
        }
        Verdict::Theft => Decision::theft(),
    }
}

/// The real rule, and then something else made of what it says.
macro_rules! but {
    ($name:ident, |$session:ident, $token:ident, $now:ident, $policy:ident, $decision:ident| $body:expr) => {
        fn $name($session: &Session, $token: Presented, $now: Timestamp, $policy: &Policy) -> Decision {
            let $decision = real($session, $token, $now, $policy);
            $body
        }
    };
}

fn made(parent: Generation, newest: Generation, made_by: MadeBy, now: Timestamp) -> Progress {
    Progress { newest, parent: Some(parent), made_by, made_at: now, seen: false, last_active_at: now }
}

fn made_by(session: &Session) -> Option<MadeBy> {
    session.progress.map(|p| p.made_by)
}

but!(tolerate_one_back, |session, token, now, _policy, decision| match session.progress {
    Some(_) if decision.kind == Kind::Refuse => decision,
    Some(p) if token.generation == p.newest => {
        Decision::handing_out(Kind::Rotate, made(p.newest, p.newest + 1, MadeBy::Rotation, now))
    }
    Some(p) if p.parent == Some(token.generation) => Decision::keep(token.generation),
    _ => Decision::theft(),
});

but!(remember_a_burst, |session, token, now, policy, decision| match session.progress {
    Some(_) if decision.kind == Kind::Refuse => decision,
    Some(p) if token.generation == p.newest => {
        Decision::handing_out(Kind::Rotate, made(p.newest, p.newest + 1, MadeBy::Rotation, now))
    }
    Some(p) if !p.settled(now, policy) => Decision::keep(token.generation),
    _ => decision,
});

but!(rotate_unsettled, |session, token, now, _policy, decision| match session.progress {
    Some(p) if decision.kind == Kind::Keep => {
        Decision::handing_out(Kind::Rotate, made(token.generation, p.newest + 1, MadeBy::Rotation, now))
    }
    _ => decision,
});

but!(same_successor_again, |session, _token, _now, _policy, decision| match session.progress {
    Some(p) if decision.kind == Kind::KeepParent => {
        Decision { refresh: Some(p.newest), access: Some(p.newest), ..decision }
    }
    _ => decision,
});

but!(forgive_under_way, |session, token, now, _policy, decision| match session.progress {
    Some(p) if decision.kind == Kind::KeepParent && !p.seen => {
        let after = made(token.generation, p.newest + 1, MadeBy::Forgiveness, now);
        Decision::forgiving(after, p.newest)
    }
    _ => decision,
});

but!(keep_instead_of_wait, |session, token, _now, _policy, decision| {
    if decision.kind == Kind::Wait && made_by(session) == Some(MadeBy::Forgiveness) {
        Decision::keep(token.generation)
    } else {
        decision
    }
});

but!(no_wait_after_forgiveness, |session, _token, _now, _policy, decision| {
    if decision.kind == Kind::Wait && made_by(session) == Some(MadeBy::Forgiveness) {
        Decision::theft()
    } else {
        decision
    }
});

but!(no_wait_after_adoption, |session, _token, _now, _policy, decision| {
    if decision.kind == Kind::Wait && made_by(session) == Some(MadeBy::Adoption) {
        Decision::theft()
    } else {
        decision
    }
});

but!(no_keep_of_the_parent, |_session, _token, _now, _policy, decision| {
    if decision.kind == Kind::KeepParent { Decision::theft() } else { decision }
});

but!(keep_names_the_newest, |session, _token, _now, _policy, decision| {
    if decision.kind == Kind::KeepParent {
        Decision { access: session.progress.map(|p| p.newest), ..decision }
    } else {
        decision
    }
});

but!(never_forgive, |_session, _token, _now, _policy, decision| {
    if decision.kind == Kind::Forgive { Decision::theft() } else { decision }
});

but!(forgive_onto_the_dead, |_session, _token, _now, _policy, decision| {
    let after = decision.after.map(|after| Progress { parent: decision.dead.or(after.parent), ..after });
    Decision { after, ..decision }
});

but!(theft_ends_nothing, |_session, _token, _now, _policy, decision| Decision { ends: false, ..decision });

but!(rotate_what_is_ahead, |_session, token, now, _policy, decision| {
    if decision.kind == Kind::Adopt {
        let after = made(token.generation, token.generation + 1, MadeBy::Rotation, now);
        Decision::handing_out(Kind::Rotate, after)
    } else {
        decision
    }
});

but!(adopt_as_settled, |session, _token, _now, _policy, decision| {
    if decision.kind == Kind::Adopt {
        let after = decision.after.map(|after| Progress { made_at: session.opened_at, ..after });
        Decision { after, ..decision }
    } else {
        decision
    }
});

but!(no_leap, |session, token, now, _policy, decision| {
    if decision.kind == Kind::Rotate && made_by(session) == Some(MadeBy::Adoption) {
        Decision::handing_out(
            Kind::Rotate,
            made(token.generation, token.generation + 1, MadeBy::Rotation, now),
        )
    } else {
        decision
    }
});

/// The real rule, asked about something else.
macro_rules! asked {
    ($name:ident, |$session:ident, $token:ident, $now:ident, $policy:ident| $body:block) => {
        fn $name(session: &Session, token: Presented, $now: Timestamp, $policy: &Policy) -> Decision {
            #[allow(unused_mut, reason = "some ask about another session, some about another token")]
            let (mut $session, mut $token) = (session.clone(), token);
            $body
            real(&$session, $token, $now, $policy)
        }
    };
}

asked!(adopt_the_dead, |session, token, _now, _policy| {
    token.dead = false;
});

asked!(dead_only_ahead, |session, token, _now, _policy| {
    token.dead &= session.progress.is_none_or(|p| token.generation > p.newest);
});

asked!(end_not_asked, |session, token, _now, _policy| {
    session.ended = None;
});

asked!(zero_is_settled, |session, token, _now, _policy| {
    if let Some(p) = session.progress.as_mut().filter(|p| p.newest == 0) {
        p.made_at = session.opened_at;
    }
});

asked!(rest_is_nothing, |session, token, _now, _policy| {
    session.resting = None;
});

asked!(rest_is_nothing_beside_a_record, |session, token, _now, _policy| {
    if session.progress.is_some() {
        session.resting = None;
    }
});

but!(no_adoption_of_the_parent, |session, token, _now, _policy, decision| {
    let is_parent = session.resting.is_some_and(|resting| resting.parent == Some(token.generation));
    if decision.kind == Kind::Adopt && session.progress.is_none() && is_parent {
        Decision::theft()
    } else {
        decision
    }
});

fn seen_is_nothing(session: &Session, token: Presented, now: Timestamp, policy: &Policy) -> Decision {
    let mut session = session.clone();
    if let Some(p) = &mut session.progress {
        p.seen = false;
    }
    Decision { on_seen: false, ..real(&session, token, now, policy) }
}

/// The opening is like any other making: it takes `W` to settle.
fn opening_unsettled(session: &Session, token: Presented, now: Timestamp, policy: &Policy) -> Decision {
    let decision = real(session, token, now, policy);
    match session.progress {
        Some(p) if p.made_by == MadeBy::Opening && decision.kind == Kind::Rotate => {
            let settled = now >= p.made_at.after(policy.rotation_window);
            if settled { decision } else { Decision::keep(token.generation) }
        }
        _ => decision,
    }
}

/// Where a mutant is to be caught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    Owner,
    /// As before, but nothing is left out of a state because of what the real rule says.
    OwnerPlain,
    Thief,
    OwnerWiped,
    ThiefWiped,
    ThiefRestored,
    OwnerWipedOverRest,
    ThiefWipedOverRest,
    ThiefRestoredOverRest,
}

/// A rule that leaves something out, and the invariant that it breaks.
pub(crate) struct Mutant {
    pub(crate) name: &'static str,
    pub(crate) rule: Rule,
    pub(crate) scene: Scene,
    pub(crate) breaks: Invariant,
}

asked!(dead_numbers_again, |session, token, _now, _policy| {
    token.last_dead = None;
});

const fn deciding(decide: Decide) -> Rule {
    Rule { decide, ..REAL }
}

const fn mutant(name: &'static str, rule: Rule, scene: Scene, breaks: Invariant) -> Mutant {
    Mutant { name, rule, scene, breaks }
}

/// Not a matter of safety: what makes the first refresh after a login rotate without delay.
pub(crate) const OPENING_UNSETTLED: Rule = deciding(opening_unsettled);

/// The next number is one more, whatever the revocation set knows of higher ones.
pub(crate) const REUSING_NUMBERS: Rule = deciding(dead_numbers_again);

const ON: Condition = REAL.condition;

pub(crate) const MUTANTS: &[Mutant] = &[
    // Those that the design names.
    mutant("rotate at once, tolerate one back", deciding(tolerate_one_back), Owner, NobodySignedOut),
    mutant("remember a burst", deciding(remember_a_burst), Owner, NobodySignedOut),
    mutant("same successor again", deciding(same_successor_again), Thief, CopyWorthNothing),
    mutant("same successor again", deciding(same_successor_again), Owner, NoFork),
    mutant("forgive under way", deciding(forgive_under_way), Owner, NobodySignedOut),
    mutant("keep instead of wait", deciding(keep_instead_of_wait), Thief, CopyWorthNothing),
    mutant("rotate what is ahead", deciding(rotate_what_is_ahead), OwnerWiped, NobodySignedOut),
    mutant("no leap after an adoption", deciding(no_leap), OwnerWiped, NobodySignedOut),
    // The rows of the table.
    mutant("rotate before it settles", deciding(rotate_unsettled), Owner, NobodySignedOut),
    mutant("no keep of the parent", deciding(no_keep_of_the_parent), Owner, NobodySignedOut),
    mutant("no wait after a forgiveness", deciding(no_wait_after_forgiveness), Owner, NobodySignedOut),
    mutant("no wait after an adoption", deciding(no_wait_after_adoption), OwnerWiped, NobodySignedOut),
    mutant("never forgive", deciding(never_forgive), Owner, NobodySignedOut),
    mutant("the dead one becomes the parent", deciding(forgive_onto_the_dead), Owner, NobodySignedOut),
    mutant("forgive what was seen", deciding(seen_is_nothing), Thief, CopyWorthNothing),
    mutant("an adopted one is settled", deciding(adopt_as_settled), OwnerWiped, NobodySignedOut),
    mutant("generation 0 is settled", deciding(zero_is_settled), OwnerWiped, NobodySignedOut),
    mutant("adopt a dead one", deciding(adopt_the_dead), ThiefWiped, CopyWorthNothing),
    mutant("a dead one that came back rotates", deciding(dead_only_ahead), ThiefRestored, CopyWorthNothing),
    mutant("adopt what is past", deciding(rest_is_nothing), ThiefWipedOverRest, CopyWorthNothing),
    mutant(
        "believe what is behind",
        deciding(rest_is_nothing_beside_a_record),
        ThiefRestoredOverRest,
        CopyWorthNothing,
    ),
    mutant("its parent is past", deciding(no_adoption_of_the_parent), OwnerWipedOverRest, NobodySignedOut),
    mutant("theft ends nothing", deciding(theft_ends_nothing), Thief, CopyWorthNothing),
    mutant("keep names the newest", deciding(keep_names_the_newest), Thief, CopyWorthNothing),
    mutant("the end is not asked first", deciding(end_not_asked), Thief, OverIsOver),
    // What the flow does about a verdict.
    mutant("the dead are forgotten", Rule { buries: false, ..REAL }, Thief, CopyWorthNothing),
    mutant(
        "a dead access token ends nothing",
        Rule { dead_access_ends: false, ..REAL },
        Thief,
        CopyWorthNothing,
    ),
    mutant(
        "a note of any generation counts",
        Rule { noted: |progress, _| Progress { seen: true, ..progress }, ..REAL },
        OwnerPlain,
        NobodySignedOut,
    ),
    mutant(
        "written whatever the newest",
        Rule { condition: Condition { newest: false, ..ON }, ..REAL },
        Owner,
        NoFork,
    ),
    mutant(
        "written whatever the newest",
        Rule { condition: Condition { newest: false, ..ON }, ..REAL },
        Thief,
        CopyWorthNothing,
    ),
    mutant(
        "written though it ended",
        Rule { condition: Condition { ended: false, ..ON }, ..REAL },
        Thief,
        OverIsOver,
    ),
    mutant(
        "forgiven though it was seen since",
        Rule { condition: Condition { seen: false, ..ON }, ..REAL },
        Thief,
        CopyWorthNothing,
    ),
];
