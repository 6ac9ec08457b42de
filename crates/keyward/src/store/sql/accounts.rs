//! What is written of accounts, and of the roles that they have?

use keyward_core::account::Account;
use keyward_core::change::Conflict;
use keyward_core::email::Email;
use keyward_core::id::UserId;
use keyward_core::role;

use super::{Expect, Plan, Statement, Value, id, number, text, time};

impl Plan {
    pub(super) fn create_account(&mut self, account: Account) {
        let roles = account.roles.clone();
        self.push(
            "INSERT INTO account (id, email, email_verified, phone_number, phone_number_verified, password, \
             roles, is_active, roles_version, version, created_at, last_login_at, cost_class) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
            Expect::OneRow(Conflict::Changed),
            [
                id(account.id),
                text(account.email.as_str()),
                Value::Bool(account.email_verified),
                account.phone_number.map_or(Value::Null, |p| text(p.as_str())),
                Value::Bool(account.phone_number_verified),
                text(account.password.as_str()),
                text(account.roles.join(",")),
                Value::Bool(account.is_active),
                number(account.roles_version),
                number(account.version),
                time(account.created_at),
                account.last_login_at.map_or(Value::Null, time),
                text(account.password.read().map(|hash| hash.cost_class()).unwrap_or_default()),
            ],
        );
        self.give_roles(account.id, roles);
    }

    pub(super) fn set_email(&mut self, user: UserId, version: u64, email: &Email) {
        self.push(
            "UPDATE account SET email = ?3, email_verified = FALSE, roles_version = roles_version + 1, \
             version = version + 1 WHERE id = ?1 AND version = ?2",
            Expect::OneRow(Conflict::Changed),
            [id(user), number(version), text(email.as_str())],
        );
    }

    pub(super) fn set_active(&mut self, user: UserId, version: u64, is_active: bool) {
        if !is_active {
            self.leave_an_administrator(user);
        }
        self.push(
            "UPDATE account SET is_active = ?3, version = version + 1 WHERE id = ?1 AND version = ?2",
            Expect::OneRow(Conflict::Changed),
            [id(user), number(version), Value::Bool(is_active)],
        );
    }

    pub(super) fn delete_account(&mut self, user: UserId, version: u64) {
        self.leave_an_administrator(user);
        self.push(
            "DELETE FROM account WHERE id = ?1 AND version = ?2",
            Expect::OneRow(Conflict::Changed),
            [id(user), number(version)],
        );
    }

    pub(super) fn set_role(&mut self, version: u64, name: String, permissions: &[String]) {
        self.raise_roles_version(version);
        self.push(
            "INSERT INTO role (name, permissions) SELECT ?1, ?2 \
             WHERE EXISTS (SELECT 1 FROM role WHERE name = ?1) \
             OR NOT EXISTS (SELECT 1 FROM account_role WHERE role = ?1) \
             ON CONFLICT (name) DO UPDATE SET permissions = excluded.permissions",
            Expect::OneRow(Conflict::Changed),
            [text(name), text(permissions.join(","))],
        );
    }

    pub(super) fn delete_role(&mut self, version: u64, name: String) {
        self.raise_roles_version(version);
        self.push("DELETE FROM role WHERE name = ?1", Expect::OneRow(Conflict::Changed), [text(name)]);
    }

    pub(super) fn set_roles(&mut self, user: UserId, version: u64, roles: Vec<String>) {
        if !roles.iter().any(|role| role == role::ADMIN) {
            self.leave_an_administrator(user);
        }
        self.push(
            "UPDATE account SET roles = ?3, roles_version = roles_version + 1, version = version + 1 \
             WHERE id = ?1 AND version = ?2",
            Expect::OneRow(Conflict::Changed),
            [id(user), number(version), text(roles.join(","))],
        );
        self.push("DELETE FROM account_role WHERE user_id = ?1", Expect::Anything, [id(user)]);
        self.give_roles(user, roles);
    }

    /// One that there is not, be it that it was deleted meanwhile, is a conflict. On an engine with
    /// several writers a role that can be deleted is locked until somebody has it: whoever takes it
    /// from all finds all.
    fn give_roles(&mut self, user: UserId, roles: Vec<String>) {
        for role in roles {
            if !role::is_built_in(&role) {
                let sql = "UPDATE role SET permissions = permissions WHERE name = ?1";
                let lock = Statement { sql, params: vec![text(&role)], expect: Expect::Anything };
                self.locks.push(lock);
            }
            self.push(
                "INSERT INTO account_role (user_id, role) SELECT ?1, name FROM role WHERE name = ?2",
                Expect::OneRow(Conflict::Changed),
                [id(user), text(role)],
            );
        }
    }

    /// The condition that nobody administers.
    pub(super) fn nobody_administers(&mut self) {
        self.lock_administrators();
        self.push(
            "UPDATE counter SET value = value WHERE name = 'administrators' \
             AND NOT EXISTS (SELECT 1 FROM account_role r JOIN account a ON a.id = r.user_id \
             WHERE r.role = ?1 AND a.is_active = TRUE)",
            Expect::OneRow(Conflict::Changed),
            [text(role::ADMIN)],
        );
    }

    /// A statement before the condition itself: on an engine with several writers only one that
    /// begins when the lock is held sees what the others did.
    fn lock_administrators(&mut self) {
        let sql = "UPDATE counter SET value = value + 1 WHERE name = 'administrators'";
        let lock = Statement { sql, params: Vec::new(), expect: Expect::OneRow(Conflict::Changed) };
        self.locks.insert(0, lock);
    }

    /// The condition that somebody administers after this user no longer does.
    fn leave_an_administrator(&mut self, user: UserId) {
        self.lock_administrators();
        self.push(
            "UPDATE counter SET value = value WHERE name = 'administrators' \
             AND (EXISTS (SELECT 1 FROM account_role r JOIN account a ON a.id = r.user_id \
             WHERE r.role = ?2 AND r.user_id <> ?1 AND a.is_active = TRUE) \
             OR NOT EXISTS (SELECT 1 FROM account_role r JOIN account a ON a.id = r.user_id \
             WHERE r.role = ?2 AND r.user_id = ?1 AND a.is_active = TRUE))",
            Expect::OneRow(Conflict::LastAdmin),
            [id(user), text(role::ADMIN)],
        );
    }

    fn raise_roles_version(&mut self, version: u64) {
        self.push(
            "UPDATE counter SET value = value + 1 WHERE name = 'roles_version' AND value = ?1",
            Expect::OneRow(Conflict::Changed),
            [number(version)],
        );
    }

    /// Both statements choose the same accounts.
    pub(super) fn take_role(&mut self, name: &str, limit: u32) {
        for sql in [
            "UPDATE account SET roles = trim(replace(',' || roles || ',', ',' || ?1 || ',', ','), ',') \
             WHERE id IN (SELECT user_id FROM account_role WHERE role = ?1 \
             AND NOT EXISTS (SELECT 1 FROM role WHERE name = ?1) ORDER BY user_id LIMIT ?2)",
            "DELETE FROM account_role WHERE role = ?1 AND user_id IN (SELECT user_id FROM account_role \
             WHERE role = ?1 AND NOT EXISTS (SELECT 1 FROM role WHERE name = ?1) ORDER BY user_id LIMIT ?2)",
        ] {
            self.push(sql, Expect::Anything, [text(name), Value::Int(limit.into())]);
        }
    }
}
