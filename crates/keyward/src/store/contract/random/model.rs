//! A store of nothing but maps: what each write does, in the plainest words.

use std::collections::{BTreeMap, BTreeSet};

use keyward_core::account::Account;
use keyward_core::change::{Change, Conflict, Sealed, Write};
use keyward_core::event::Event;
use keyward_core::figure::Figure;
use keyward_core::id::{EventId, MailId, ServiceKeyId, SessionId, UserId};
use keyward_core::key::KeyRecord;
use keyward_core::mail::{Link, Mail};
use keyward_core::phone::Phone;
use keyward_core::revocation::{Entry, Revocation};
use keyward_core::role::Roles;
use keyward_core::service_key::ServiceKey;
use keyward_core::session::{End, LEAP, Progress, Session};
use keyward_core::throttle::Network;
use keyward_core::time::Timestamp;

use crate::store::contract::{Dump, Row};
use crate::store::{Counted, Loaded, StoredMacKey, StoredServiceKeys};

#[derive(Debug, Clone)]
pub(super) struct Model {
    accounts: BTreeMap<UserId, Account>,
    imported: BTreeMap<UserId, [u8; 16]>,
    sessions: BTreeMap<SessionId, Session>,
    roles: BTreeMap<String, Vec<String>>,
    pub(super) roles_version: u64,
    pub(super) keys_version: u64,
    keys: Vec<KeyRecord>,
    mac_keys: BTreeMap<u16, StoredMacKey>,
    access_ttls: BTreeMap<u64, Timestamp>,
    /// By when their span began and their name.
    figures: BTreeMap<(Timestamp, &'static str), (Figure, u64)>,
    pub(super) service_keys_version: u64,
    service_keys: BTreeMap<ServiceKeyId, ServiceKey>,
    revocations: Vec<Entry>,
    trail: BTreeMap<EventId, Row>,
    /// By account and the name of their purpose.
    links: BTreeMap<(UserId, &'static str), Link>,
    mails: BTreeMap<MailId, Mail>,
}

impl Default for Model {
    fn default() -> Self {
        Self {
            accounts: BTreeMap::new(),
            imported: BTreeMap::new(),
            sessions: BTreeMap::new(),
            roles: ["admin", "user"].map(|role| (role.to_owned(), Vec::new())).into(),
            roles_version: 0,
            keys_version: 0,
            keys: Vec::new(),
            mac_keys: BTreeMap::new(),
            service_keys_version: 0,
            service_keys: BTreeMap::new(),
            access_ttls: BTreeMap::new(),
            figures: BTreeMap::new(),
            revocations: Vec::new(),
            trail: BTreeMap::new(),
            links: BTreeMap::new(),
            mails: BTreeMap::new(),
        }
    }
}

impl Model {
    pub(super) fn attempts(&self, mail: MailId) -> u32 {
        self.mails.get(&mail).map_or(0, |mail| mail.attempts)
    }

    pub(super) fn version(&self, user: UserId) -> u64 {
        self.accounts.get(&user).map_or(0, |account| account.version)
    }

    pub(super) fn newest(&self, session: SessionId) -> u64 {
        self.sessions.get(&session).and_then(|s| s.progress).map_or(0, |progress| progress.newest)
    }

    /// The revocations that the change brings, without their positions; or every conflict that the
    /// first write meets whose condition does not hold.
    pub(super) fn commit(&mut self, change: &Change) -> Result<Vec<Entry>, Vec<Conflict>> {
        let mut after = self.clone();
        for write in &change.writes {
            let conflicts = after.name_conflicts(write);
            if !conflicts.is_empty() {
                return Err(conflicts);
            }
            after.write(write.clone()).map_err(|conflict| vec![conflict])?;
        }
        for event in &change.events {
            after.event(event.clone());
        }
        let new = after.revocations[self.revocations.len()..].to_vec();
        *self = after;
        Ok(new)
    }

    pub(super) fn dump(self) -> Dump {
        let loaded = |session: &Session| Loaded {
            session: session.clone(),
            account: self.accounts[&session.user].clone(),
            role_table_version: self.roles_version,
        };
        Dump {
            sessions: self.sessions.values().map(loaded).collect(),
            open: self.sessions.values().filter(|s| s.ended.is_none()).cloned().collect(),
            accounts: self.accounts.values().cloned().collect(),
            of_role: self
                .accounts
                .values()
                .flat_map(|account| account.roles.iter().map(|role| (role.clone(), account.id)))
                .collect(),
            roles: Roles { version: self.roles_version, permissions: self.roles },
            cost_classes: self
                .accounts
                .values()
                .map(|account| account.password.read().expect("a hash").cost_class())
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
            imported: self.imported.into_iter().collect(),
            keys_version: self.keys_version,
            keys: self.keys,
            mac_keys: self.mac_keys.into_values().rev().collect(),
            access_ttls: self.access_ttls.into_iter().collect(),
            service_keys: StoredServiceKeys {
                version: self.service_keys_version,
                keys: self.service_keys.into_values().collect(),
            },
            figures: self
                .figures
                .into_iter()
                .map(|((at, _), (figure, count))| Counted { figure, at, count })
                .collect(),
            revocations: self.revocations,
            trail: self.trail.into_values().collect(),
            links: self.links.into_values().collect(),
            mails: self.mails.into_values().collect(),
        }
    }

    fn write(&mut self, write: Write) -> Result<(), Conflict> {
        match write {
            Write::CreateAccount(account) => {
                self.are_there(&account.roles)?;
                self.accounts.insert(account.id, *account);
            }
            Write::NoteImport { user, digest } => {
                if !self.accounts.contains_key(&user) || self.imported.contains_key(&user) {
                    return Err(Conflict::Changed);
                }
                self.imported.insert(user, digest);
            }
            Write::SetPassword { user, version, password } => {
                let account = self.account(user, version)?;
                account.password = password.into();
                account.version += 1;
                self.links.retain(|(holder, _), _| *holder != user);
            }
            Write::Rehash { user, version, password } => {
                self.account(user, version)?.password = password.into()
            }
            Write::SetPhone { user, version, phone_number } => {
                let account = self.account(user, version)?;
                account.phone_number = phone_number;
                account.phone_number_verified = false;
                account.version += 1;
            }
            Write::SetEmail { user, version, email } => {
                let account = self.account(user, version)?;
                account.email = email;
                account.email_verified = false;
                account.roles_version += 1;
                account.version += 1;
                self.links.retain(|(holder, _), _| *holder != user);
            }
            Write::SetRoles { user, version, roles } => {
                if !roles.iter().any(|role| role == "admin") {
                    self.leaves_an_administrator(user)?;
                }
                self.are_there(&roles)?;
                let account = self.account(user, version)?;
                account.roles = roles;
                account.roles_version += 1;
                account.version += 1;
            }
            Write::SetActive { user, version, is_active } => {
                if !is_active {
                    self.leaves_an_administrator(user)?;
                }
                let account = self.account(user, version)?;
                account.is_active = is_active;
                account.version += 1;
            }
            Write::DeleteAccount { user, version } => {
                self.leaves_an_administrator(user)?;
                self.account(user, version)?;
                self.accounts.remove(&user);
                self.imported.remove(&user);
                self.sessions.retain(|_, session| session.user != user);
                self.links.retain(|(holder, _), _| *holder != user);
            }
            Write::NobodyAdministers => {
                let administers = |a: &Account| a.is_active && a.roles.iter().any(|role| role == "admin");
                if self.accounts.values().any(administers) {
                    return Err(Conflict::Changed);
                }
            }
            Write::SetRole { version, name, permissions } => {
                let held = self.accounts.values().any(|account| account.roles.contains(&name));
                if version != self.roles_version || (held && !self.roles.contains_key(&name)) {
                    return Err(Conflict::Changed);
                }
                self.roles_version += 1;
                self.roles.insert(name, permissions);
            }
            Write::DeleteRole { version, name } => {
                if version != self.roles_version || self.roles.remove(&name).is_none() {
                    return Err(Conflict::Changed);
                }
                self.roles_version += 1;
            }
            Write::TakeRole { name, limit } => {
                let holders = self.accounts.values_mut().filter(|account| account.roles.contains(&name));
                if !self.roles.contains_key(&name) {
                    for account in holders.take(limit as usize) {
                        account.roles.retain(|role| *role != name);
                    }
                }
            }
            Write::OpenSession { session, account_version, limit } => {
                let open = |s: &&Session| s.user == session.user && s.ended.is_none();
                let count = self.sessions.values().filter(open).count();
                let there = self.sessions.contains_key(&session.id);
                let account = self.account(session.user, account_version)?;
                if !account.is_active || there || count >= limit as usize {
                    return Err(Conflict::Changed);
                }
                account.last_login_at = Some(session.opened_at);
                self.sessions.insert(session.id, *session);
            }
            Write::Advance { session, newest, unseen, after, .. } => {
                let progress = self.open(session)?.progress.as_mut().ok_or(Conflict::Changed)?;
                if Some(progress.newest) != newest || (unseen && progress.seen) {
                    return Err(Conflict::Changed);
                }
                let last_active_at = progress.last_active_at.max(after.last_active_at);
                *progress = Progress { last_active_at, ..after };
            }
            Write::Note { session, seen, active_at } => {
                if let Ok(session) = self.open(session) {
                    session.progress = session.progress.map(|progress| progress.noted(seen, active_at));
                }
            }
            Write::NoteAtRest { session, active_at } => {
                if let Ok(session) = self.open(session) {
                    session.progress = session.progress.map(|progress| progress.noted(None, Some(active_at)));
                }
            }
            Write::Reauthenticate { session, auth_time, amr } => {
                let session = self.open(session)?;
                session.auth_time = auth_time;
                session.amr = amr;
            }
            Write::EndSession { session, end, until } => {
                self.open(session)?.ended = Some(end);
                self.revoke(Revocation::Session(session), until);
            }
            Write::EndSessionsOf { user, except, end, until } => {
                let chosen = |s: &Session| s.user == user && Some(s.id) != except;
                for session in self.end_all(chosen, end) {
                    self.revoke(Revocation::Session(session), until);
                }
            }
            Write::EndSessionsBetween { after, to, end } => {
                self.end_all(|s| s.user > after && s.user <= to && s.opened_at <= end.at, end);
            }
            Write::CutEverybodyOff { until } => {
                self.roles_version += LEAP;
                self.revoke(Revocation::Roles(self.roles_version), until);
            }
            Write::Revoke { revocation, until } => self.revoke(revocation, until),
            Write::SetKeys { version, keys } => {
                if version != self.keys_version {
                    return Err(Conflict::Changed);
                }
                self.keys_version += 1;
                self.keys = keys;
            }
            Write::AddMacKey { id, sealed, created_at } => {
                if self.mac_keys.contains_key(&id) {
                    return Err(Conflict::Changed);
                }
                self.keys_version += 1;
                self.mac_keys.insert(id, StoredMacKey { id, created_at, sealed });
            }
            Write::ForgetMacKey { id } => {
                self.mac_keys.remove(&id).ok_or(Conflict::Changed)?;
                self.keys_version += 1;
            }
            Write::Reseal { secret: Sealed::ChainKey | Sealed::Mail(_), .. } => unreachable!("never drawn"),
            Write::Reseal { secret: Sealed::MacKey(id), former, sealed } => {
                let known = self.mac_keys.get_mut(&id).filter(|known| known.sealed == former);
                known.ok_or(Conflict::Changed)?.sealed = sealed;
            }
            Write::IssueLink(link) => {
                let key = (link.user, link.purpose.as_str());
                if self.links.iter().any(|(other, known)| *other != key && known.hash == link.hash) {
                    return Err(Conflict::Changed);
                }
                self.links.insert(key, *link);
            }
            Write::SpendLink { hash, at } => {
                let good = |link: &Link| link.hash == hash && at < link.until;
                let found = self.links.iter().find(|(_, link)| good(link)).map(|(key, _)| *key);
                self.links.remove(&found.ok_or(Conflict::Changed)?);
            }
            Write::ConfirmEmail { user, email } => {
                let account = self.accounts.get_mut(&user).filter(|account| account.email == email);
                account.ok_or(Conflict::Changed)?.email_verified = true;
            }
            Write::QueueMail(mail) => {
                if self.mails.contains_key(&mail.id) {
                    return Err(Conflict::Changed);
                }
                self.mails.insert(mail.id, *mail);
            }
            Write::ClaimMail { id, attempts, until } => {
                let mail = self.mail(id, attempts)?;
                if mail.due_at.is_none() {
                    return Err(Conflict::Changed);
                }
                mail.due_at = Some(until);
                mail.attempts += 1;
            }
            Write::ForgetMail { id } => drop(self.mails.remove(&id)),
            Write::PostponeMail { id, attempts, due_at, failure } => {
                let mail = self.mail(id, attempts)?;
                mail.due_at = due_at;
                mail.failure = Some(failure);
            }
            Write::AddChainKey { .. } | Write::SealEvents { .. } | Write::RemoveEvents { .. } => {
                unreachable!("never drawn: the cases of the chain are `contract::chain`")
            }
            Write::AddServiceKey { version, key } => {
                let alike = |known: &ServiceKey| {
                    (known.id == key.id) || (known.name == key.name) || (known.hash == key.hash)
                };
                if version != self.service_keys_version || self.service_keys.values().any(alike) {
                    return Err(Conflict::Changed);
                }
                self.service_keys_version += 1;
                self.service_keys.insert(key.id, *key);
            }
            Write::RemoveServiceKey { version, id } => {
                if version != self.service_keys_version || self.service_keys.remove(&id).is_none() {
                    return Err(Conflict::Changed);
                }
                self.service_keys_version += 1;
            }
            Write::NoteServiceKey { id, used_at } => {
                if let Some(key) = self.service_keys.get_mut(&id) {
                    key.last_used_at = key.last_used_at.max(Some(used_at));
                }
            }
            Write::Count { figure, at, count } => {
                self.figures.entry((at, figure.as_str())).or_insert((figure, 0)).1 += count;
            }
            Write::NoteAccessTtl { ttl, at } => {
                self.access_ttls.insert(ttl.as_secs(), at);
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event) {
        let alike = |row: &&mut Row| event.tally.is_some() && row.event.tally == event.tally;
        if let Some(row) = self.trail.values_mut().find(alike) {
            row.count += 1;
            return;
        }
        let network = event.ip.as_ref().map(|ip| Network::of(ip.parse().expect("an address")).to_string());
        self.trail.insert(event.id, Row { event, network, count: 1 });
    }

    fn account(&mut self, user: UserId, version: u64) -> Result<&mut Account, Conflict> {
        self.accounts.get_mut(&user).filter(|account| account.version == version).ok_or(Conflict::Changed)
    }

    fn mail(&mut self, id: MailId, attempts: u32) -> Result<&mut Mail, Conflict> {
        self.mails.get_mut(&id).filter(|mail| mail.attempts == attempts).ok_or(Conflict::Changed)
    }

    fn are_there(&self, roles: &[String]) -> Result<(), Conflict> {
        if roles.iter().all(|role| self.roles.contains_key(role)) { Ok(()) } else { Err(Conflict::Changed) }
    }

    /// Whether somebody administers after this user no longer does.
    fn leaves_an_administrator(&self, user: UserId) -> Result<(), Conflict> {
        let administers = |a: &&Account| a.is_active && a.roles.iter().any(|role| role == "admin");
        let mut all = self.accounts.values().filter(administers).map(|account| account.id);
        if all.clone().any(|id| id == user) && all.all(|id| id == user) {
            Err(Conflict::LastAdmin)
        } else {
            Ok(())
        }
    }

    fn open(&mut self, session: SessionId) -> Result<&mut Session, Conflict> {
        self.sessions.get_mut(&session).filter(|session| session.ended.is_none()).ok_or(Conflict::Changed)
    }

    /// What of a new account, or of a new number, is taken.
    fn name_conflicts(&self, write: &Write) -> Vec<Conflict> {
        let taken = |but: Option<UserId>, phone: &Option<Phone>| {
            let holds = |a: &Account| Some(a.id) != but && a.phone_number == *phone;
            phone.is_some() && self.accounts.values().any(holds)
        };
        let checks = match write {
            Write::CreateAccount(new) => vec![
                (self.accounts.contains_key(&new.id), Conflict::Changed),
                (self.accounts.values().any(|a| a.email == new.email), Conflict::EmailTaken),
                (taken(None, &new.phone_number), Conflict::PhoneTaken),
            ],
            Write::SetEmail { user, version, email } if self.version(*user) == *version => {
                let there = self.accounts.contains_key(user);
                let mut others = self.accounts.values().filter(|account| account.id != *user);
                vec![(there && others.any(|account| account.email == *email), Conflict::EmailTaken)]
            }
            Write::SetPhone { user, version, phone_number } if self.version(*user) == *version => {
                let there = self.accounts.contains_key(user);
                vec![(there && taken(Some(*user), phone_number), Conflict::PhoneTaken)]
            }
            _ => Vec::new(),
        };
        checks.into_iter().filter(|(taken, _)| *taken).map(|(_, conflict)| conflict).collect()
    }

    fn end_all(&mut self, chosen: impl Fn(&Session) -> bool, end: End) -> Vec<SessionId> {
        let open = self.sessions.values_mut().filter(|s| s.ended.is_none() && chosen(s));
        open.map(|session| {
            session.ended = Some(end);
            session.id
        })
        .collect()
    }

    fn revoke(&mut self, revocation: Revocation, until: Timestamp) {
        self.revocations.push(Entry { position: 0, revocation, until });
    }
}
