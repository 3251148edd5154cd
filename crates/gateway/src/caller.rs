//! Who asks, and what they may do. No I/O.

use crate::{
    acl::{AccountAcl, ContainerAcl, Level},
    path::{Account, Prefix},
    signature::Grant,
};
use client::{Role, UserName};
use http::Method;

/// The group that a service token adds, which lets its holder into service accounts.
const SERVICE: &str = "service";

/// Who sends a request.
#[derive(Debug, Clone, Default)]
pub enum Caller {
    /// Somebody without a token.
    #[default]
    Anonymous,
    /// A user who showed a token.
    User(KnownUser),
    /// Somebody with a signature of the owner's.
    Signed(Grant),
}

/// A user who showed a token.
#[derive(Debug, Clone)]
pub struct KnownUser {
    /// Its name.
    pub name: UserName,
    /// Its role.
    pub role: Role,
    /// Whether a service vouches for the request with a token of its own.
    pub with_service: bool,
}

impl KnownUser {
    /// The groups that lists of containers and accounts name.
    fn groups(&self) -> Vec<String> {
        let mut groups = Vec::new();
        if let Some(account) = self.name.account() {
            groups.push(account.to_string());
        }
        groups.push(self.name.to_string());
        if self.role == Role::Service || self.with_service {
            groups.push(SERVICE.to_owned());
        }
        groups
    }

    /// Whether it may do everything in all accounts.
    pub fn is_reseller(&self) -> bool {
        matches!(self.role, Role::Operator | Role::Reseller)
    }

    /// How far it may go in an account because of what it is.
    fn level(&self, account: &Account) -> Option<Level> {
        let of_account = self.name.account().is_some_and(|own| own.as_str() == account.owner);
        if !of_account {
            return None;
        }
        match self.role {
            Role::Admin => Some(Level::Admin),
            Role::Writer => Some(Level::ReadWrite),
            Role::Reader => Some(Level::ReadOnly),
            _ => None,
        }
    }
}

/// What is asked for, as far as rights go.
#[derive(Debug)]
pub struct Question<'a> {
    /// What is to be done.
    pub method: &'a Method,
    /// In which account.
    pub account: &'a Account,
    /// Whether it is about a container or an object.
    pub in_container: bool,
    /// Whether it is about an object.
    pub in_object: bool,
    /// The container's list that matters, if there is one.
    pub container: Option<&'a ContainerAcl>,
    /// The account's list.
    pub grants: Option<&'a AccountAcl>,
    /// The page the request comes from.
    pub referrer: Option<&'a str>,
}

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Yes, and settings that are the owner's business may be seen and changed.
    Owner,
    /// Yes.
    Granted,
    /// No.
    Denied,
}

impl Caller {
    /// Whether it may do what is asked.
    pub fn may(&self, question: &Question<'_>) -> Decision {
        let user = match self {
            Self::User(user) => Some(user),
            Self::Anonymous | Self::Signed(_) => None,
        };
        let groups = user.map(KnownUser::groups).unwrap_or_default();
        if let Some(user) = user {
            if user.is_reseller() {
                return Decision::Owner;
            }
            let let_in = question.account.prefix != Prefix::Service
                || groups.iter().any(|group| group == SERVICE);
            if let Some(level) = user.level(question.account).filter(|_| let_in) {
                match of_level(level, question) {
                    Decision::Denied => {}
                    decision => return decision,
                }
            }
        }
        if question.method == Method::OPTIONS {
            return Decision::Granted;
        }
        if let Some(acl) = question.container {
            if acl.admits_referrer(question.referrer) && (question.in_object || acl.lists()) {
                return Decision::Granted;
            }
            if acl.admits(&groups) {
                return Decision::Granted;
            }
        }
        match question.grants.and_then(|grants| grants.level(&groups)) {
            Some(level) => of_level(level, question),
            None => Decision::Denied,
        }
    }
}

/// What a level in an account allows.
fn of_level(level: Level, question: &Question<'_>) -> Decision {
    let reads = matches!(*question.method, Method::GET | Method::HEAD | Method::OPTIONS);
    // The account as a whole is made and removed by resellers alone.
    let removes = matches!(*question.method, Method::PUT | Method::DELETE);
    match level {
        Level::Admin if question.in_container || !removes => Decision::Owner,
        Level::ReadWrite if question.in_container || reads => Decision::Granted,
        Level::ReadOnly if reads => Decision::Granted,
        _ => Decision::Denied,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str, role: Role, with_service: bool) -> Caller {
        Caller::User(KnownUser { name: name.parse().unwrap(), role, with_service })
    }

    fn ask(
        caller: &Caller,
        method: Method,
        account: &str,
        depth: u8,
        acl: Option<&str>,
        grants: Option<&str>,
    ) -> Decision {
        let acl = acl.map(ContainerAcl::parse);
        let grants = grants.map(|text| AccountAcl::parse(text).unwrap());
        caller.may(&Question {
            method: &method,
            account: &Account::parse(account).unwrap(),
            in_container: depth > 0,
            in_object: depth > 1,
            container: acl.as_ref(),
            grants: grants.as_ref(),
            referrer: None,
        })
    }

    #[test]
    fn rights_are_those_of_tempauth() {
        use Decision::{Denied, Granted, Owner};
        let (get, put, delete) = (Method::GET, Method::PUT, Method::DELETE);
        let admin = user("a:x", Role::Admin, false);
        let member = user("a:m", Role::Member, false);
        let reseller = user("r", Role::Reseller, false);
        let nobody = Caller::Anonymous;
        type Case<'a> =
            (&'a Caller, &'a Method, &'a str, u8, Option<&'a str>, Option<&'a str>, Decision);
        let table: [Case<'_>; 22] = [
            (&admin, &get, "AUTH_a", 0, None, None, Owner),
            (&admin, &put, "AUTH_a", 0, None, None, Denied),
            (&admin, &delete, "AUTH_a", 0, None, None, Denied),
            (&admin, &put, "AUTH_a", 1, None, None, Owner),
            (&admin, &get, "AUTH_b", 0, None, None, Denied),
            (&admin, &get, "SERVICE_a", 0, None, None, Denied),
            (&reseller, &delete, "AUTH_b", 0, None, None, Owner),
            (&member, &get, "AUTH_a", 2, None, None, Denied),
            (&member, &get, "AUTH_a", 2, Some("a:m"), None, Granted),
            (&member, &get, "AUTH_a", 2, Some("a"), None, Granted),
            (&member, &get, "AUTH_a", 2, Some("a:n"), None, Denied),
            (&member, &get, "AUTH_a", 1, Some(".r:*"), None, Denied),
            (&member, &get, "AUTH_a", 1, Some(".r:*,.rlistings"), None, Granted),
            (&member, &put, "AUTH_b", 1, None, Some(r#"{"read-write":["a"]}"#), Granted),
            (&member, &Method::POST, "AUTH_b", 0, None, Some(r#"{"read-write":["a"]}"#), Denied),
            (&member, &put, "AUTH_b", 1, None, Some(r#"{"read-only":["a"]}"#), Denied),
            (&member, &get, "AUTH_b", 2, None, Some(r#"{"read-only":["a:m"]}"#), Granted),
            (&member, &put, "AUTH_b", 1, None, Some(r#"{"admin":["a:m"]}"#), Owner),
            (&nobody, &get, "AUTH_a", 2, Some(".r:*"), None, Granted),
            (&nobody, &get, "AUTH_a", 1, Some(".r:*"), None, Denied),
            (&nobody, &get, "AUTH_a", 2, None, None, Denied),
            (&nobody, &Method::OPTIONS, "AUTH_a", 2, None, None, Granted),
        ];
        for (caller, method, account, depth, acl, grants, expected) in table {
            let decision = ask(caller, method.clone(), account, depth, acl, grants);
            assert_eq!(
                decision, expected,
                "{caller:?} {method} {account} {depth} {acl:?} {grants:?}"
            );
        }
        let vouched = user("a:x", Role::Admin, true);
        assert_eq!(ask(&vouched, put.clone(), "SERVICE_a", 1, None, None), Owner);
        let service = user("s:t", Role::Service, false);
        assert_eq!(ask(&service, get, "SERVICE_a", 1, None, None), Denied);
        for (role, expected) in [(Role::Writer, Granted), (Role::Reader, Denied)] {
            assert_eq!(
                ask(&user("a:w", role, false), put.clone(), "AUTH_a", 2, None, None),
                expected
            );
        }
    }
}
