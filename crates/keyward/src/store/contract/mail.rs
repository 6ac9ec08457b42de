//! Links and mails: what is used up once, and what waits to be sent.

use std::sync::Arc;

use keyward_core::account::Account;
use keyward_core::change::{Change, Conflict, Write};
use keyward_core::id::MailId;
use keyward_core::mail::{Link, Mail, Purpose, SecretHash};

use super::sweep::sweep;
use super::{World, account, at, bytes, commit, password, user_id};
use crate::store::Sweep;

pub(super) fn hash(n: u8) -> SecretHash {
    SecretHash::from_bytes([n; 32])
}

pub(super) fn purpose(n: u8) -> Purpose {
    Purpose::ALL[usize::from(n) % 3]
}

pub(super) fn mail_id(n: u8) -> MailId {
    MailId::from_bytes(bytes(n))
}

/// The link of this secret, for that account, good until 5000.
pub(super) fn link(secret: u8, user: u8, purpose: Purpose) -> Link {
    let email = format!("user{user}@example.com").parse().expect("an address");
    Link { user: user_id(user), purpose, hash: hash(secret), email, until: at(5_000) }
}

pub(super) fn mail(n: u8) -> Mail {
    Mail {
        id: mail_id(n),
        kind: "reset".into(),
        sealed: vec![0, n, 255],
        made_at: at(100 + i64::from(n)),
        until: at(9_000),
        due_at: Some(at(1_000 + i64::from(n))),
        attempts: 0,
        failure: None,
    }
}

fn issue(link: Link) -> Write {
    Write::IssueLink(Box::new(link))
}

fn spend(secret: u8, moment: i64) -> Write {
    Write::SpendLink { hash: hash(secret), at: at(moment) }
}

fn queue(n: u8) -> Write {
    Write::QueueMail(Box::new(mail(n)))
}

fn claim(n: u8, attempts: u32) -> Write {
    Write::ClaimMail { id: mail_id(n), attempts, until: at(2_000) }
}

fn postpone(n: u8, attempts: u32, due_at: Option<i64>) -> Write {
    Write::PostponeMail { id: mail_id(n), attempts, due_at: due_at.map(at), failure: "451 busy".into() }
}

impl World {
    async fn links(&self) -> Vec<Link> {
        self.place.mail().await.0
    }

    async fn mails(&self) -> Vec<Mail> {
        self.place.mail().await.1
    }

    async fn due(&self, now: i64, limit: u32) -> Vec<MailId> {
        let due = self.store.due_mails(at(now), limit).await.expect("readable");
        due.into_iter().map(|mail| mail.id).collect()
    }

    async fn link_of(&self, secret: u8) -> Option<(Link, Account)> {
        self.store.link(hash(secret)).await.expect("readable")
    }
}

pub(crate) async fn a_newer_link_takes_the_place_of_the_older(world: World) {
    world.signed_up(1, 0).await;
    world.signed_up(9, 0).await;
    let others = [link(2, 1, Purpose::Verification), link(3, 9, Purpose::Reset)];
    world.write(others.clone().map(issue)).await;
    world.write([issue(link(1, 1, Purpose::Reset))]).await;
    let newer =
        Link { until: at(6_000), email: "new@example.com".parse().unwrap(), ..link(4, 1, Purpose::Reset) };
    world.write([issue(newer.clone())]).await;
    let mut left = vec![newer, others[0].clone(), others[1].clone()];
    left.sort_by_key(|link| (link.user, link.purpose.as_str()));
    assert_eq!(world.links().await, left, "that of its own purpose and account alone");
    assert_eq!(world.link_of(1).await, None);
    world.refuses(issue(link(2, 9, Purpose::Invitation)), Conflict::Changed).await;
}

pub(crate) async fn a_link_is_spent_once_and_in_time(world: World) {
    world.write([issue(link(1, 1, Purpose::Reset)), issue(link(2, 1, Purpose::Verification))]).await;
    world.refuses(spend(1, 5_000), Conflict::Changed).await;
    world.refuses(spend(3, 4_000), Conflict::Changed).await;
    world.write([spend(1, 4_999)]).await;
    assert_eq!(world.links().await, [link(2, 1, Purpose::Verification)]);
    world.refuses(spend(1, 4_999), Conflict::Changed).await;
}

pub(crate) async fn a_link_comes_with_its_account(world: World) {
    world.signed_up(1, 0).await;
    world.write([issue(link(1, 1, Purpose::Invitation)), issue(link(2, 7, Purpose::Reset))]).await;
    assert_eq!(world.link_of(1).await, Some((link(1, 1, Purpose::Invitation), account(1))));
    assert_eq!(world.link_of(2).await, None, "one for nobody lets nobody in");
    assert_eq!(world.link_of(3).await, None);
}

pub(crate) async fn what_takes_an_account_over_ends_every_link_of_it(world: World) {
    world.signed_up(1, 0).await;
    world.signed_up(9, 0).await;
    for (n, purpose) in (1..).zip(Purpose::ALL) {
        world.write([issue(link(n, 1, purpose)), issue(link(n + 10, 9, purpose))]).await;
    }
    let set = |version| Write::SetPassword { user: user_id(1), version, password: password(1) };
    world.refuses(set(7), Conflict::Changed).await;
    world.write([set(0)]).await;
    assert!(world.links().await.iter().all(|link| link.user == user_id(9)));
    assert_eq!(world.links().await.len(), 3);
    // The same password hashed anew is no new password.
    world.write([issue(link(1, 1, Purpose::Reset))]).await;
    world.write([Write::Rehash { user: user_id(1), version: 1, password: password(2) }]).await;
    assert_eq!(world.links().await.len(), 4);
    // A new address; what is sent to it in the same change is good.
    let email = "new@example.com".parse().expect("an address");
    let renew = Write::SetEmail { user: user_id(1), version: 1, email };
    world.write([renew, issue(link(2, 1, Purpose::Verification))]).await;
    assert_eq!(world.links().await[0], link(2, 1, Purpose::Verification));
    world.write([Write::DeleteAccount { user: user_id(1), version: 2 }]).await;
    assert!(world.links().await.iter().all(|link| link.user == user_id(9)));
}

pub(crate) async fn an_address_is_confirmed_as_long_as_it_is_the_same(world: World) {
    world.signed_up(1, 0).await;
    world.signed_up(9, 0).await;
    let confirm = |user, email: &str| Write::ConfirmEmail {
        user: user_id(user),
        email: email.parse().expect("an address"),
    };
    world.refuses(confirm(1, "user9@example.com"), Conflict::Changed).await;
    world.refuses(confirm(3, "user1@example.com"), Conflict::Changed).await;
    world.write([confirm(1, "user1@example.com")]).await;
    assert_eq!(world.account(1).await, Account { email_verified: true, ..account(1) }, "the version stays");
    assert_eq!(world.account(9).await, account(9));
    world.write([confirm(1, "user1@example.com")]).await;
}

pub(crate) async fn mails_come_as_they_are_due(world: World) {
    for n in [3, 1, 4, 2] {
        world.write([queue(n)]).await;
    }
    world.refuses(queue(1), Conflict::Changed).await;
    assert_eq!(world.due(1_003, 10).await, [1, 2, 3].map(mail_id), "that of this very moment, too");
    assert_eq!(world.due(9_999, 2).await, [1, 2].map(mail_id));
    assert_eq!(world.due(1_000, 10).await, []);
    let due = world.store.due_mails(at(1_001), 10).await.expect("readable");
    assert_eq!(due, [mail(1)]);
}

pub(crate) async fn a_mail_is_claimed_once(world: World) {
    world.write([queue(1)]).await;
    world.write([claim(1, 0)]).await;
    let claimed = Mail { attempts: 1, due_at: Some(at(2_000)), ..mail(1) };
    assert_eq!(world.mails().await, [claimed]);
    world.refuses(claim(1, 0), Conflict::Changed).await;
    assert_eq!(world.due(1_999, 10).await, []);
    assert_eq!(world.due(2_000, 10).await, [mail_id(1)], "who took it may have stopped");
    world.write([claim(1, 1)]).await;
    world.refuses(claim(2, 0), Conflict::Changed).await;
}

pub(crate) async fn what_failed_waits_and_what_is_given_up_rests(world: World) {
    world.write([queue(1)]).await;
    world.write([claim(1, 0)]).await;
    world.refuses(postpone(1, 0, Some(1_100)), Conflict::Changed).await;
    world.refuses(postpone(2, 1, Some(1_100)), Conflict::Changed).await;
    world.write([postpone(1, 1, Some(1_100))]).await;
    let waits = Mail { attempts: 1, due_at: Some(at(1_100)), failure: Some("451 busy".into()), ..mail(1) };
    assert_eq!(world.mails().await, std::slice::from_ref(&waits));
    world.write([claim(1, 1), postpone(1, 2, None)]).await;
    assert_eq!(world.mails().await, [Mail { attempts: 2, due_at: None, ..waits }]);
    assert_eq!(world.due(9_999, 10).await, []);
    world.refuses(claim(1, 2), Conflict::Changed).await;
}

pub(crate) async fn a_mail_is_forgotten_whatever_became_of_it(world: World) {
    world.write([queue(1), queue(2), queue(3)]).await;
    world.write([claim(1, 0), claim(2, 0), postpone(2, 1, None)]).await;
    world.write([1, 2, 9].map(|n| Write::ForgetMail { id: mail_id(n) })).await;
    assert_eq!(world.mails().await, [mail(3)]);
}

pub(crate) async fn of_many_that_spend_a_link_one_does(world: World) {
    world.signed_up(1, 0).await;
    world.write([issue(link(1, 1, Purpose::Reset))]).await;
    let stores = [Arc::clone(&world.store), world.another().await];
    let tries: Vec<_> = (0..20)
        .map(|n| {
            let store = Arc::clone(&stores[n % 2]);
            tokio::spawn(
                async move { commit(&*store, Change::of([spend(1, 1_000), queue(n as u8 + 1)])).await },
            )
        })
        .collect();
    let mut spent = 0;
    for one in tries {
        match one.await.expect("no panic") {
            Ok(_) => spent += 1,
            Err(conflict) => assert_eq!(conflict, Conflict::Changed),
        }
    }
    assert_eq!((spent, world.mails().await.len()), (1, 1));
}

pub(crate) async fn links_and_mails_go_when_they_are_past(world: World) {
    for n in 1..=6 {
        let past = Link { until: at(n.into()), ..link(n, n, Purpose::Reset) };
        world.write([issue(past), queue(n), claim(n, 0)]).await;
    }
    world.write([1, 2, 3, 5].map(|n| postpone(n, 1, None))).await;
    world.swept(Sweep { limit: 2, ..sweep(4) }).await;
    assert_eq!(world.links().await.len(), 4, "in small batches");
    world.swept(sweep(4)).await;
    let left: Vec<_> = world.links().await.iter().map(|link| link.until).collect();
    assert_eq!(left, [at(5), at(6)], "at its end a link is good for nothing");
    assert_eq!(world.mails().await.len(), 6);
    // Those made before 103 that were given up: what still waits is nobody's to take away.
    let old = Sweep { mails_before: at(103), ..sweep(4) };
    world.swept(Sweep { limit: 1, ..old }).await;
    assert_eq!(world.mails().await.len(), 5);
    world.swept(old).await;
    world.swept(old).await;
    let left: Vec<_> = world.mails().await.iter().map(|mail| mail.id).collect();
    assert_eq!(left, [3, 4, 5, 6].map(mail_id));
}
