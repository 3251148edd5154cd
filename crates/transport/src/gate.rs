//! Who calls, and what they show.

use crate::{
    AccessKey, Keys,
    token::{Claims, TokenKey},
};
use http::{HeaderMap, HeaderValue, header};
use model::{AccountName, Error, ErrorKind, Right, Subject};
use parking_lot::RwLock;
use std::sync::Arc;
use tonic::metadata::{Ascii, MetadataValue};

/// Who calls, as far as what they showed proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// Nobody in particular.
    Nobody,
    /// A user who logged in.
    User(Arc<Claims>),
    /// A daemon of the cluster, or who holds its secret.
    Daemon,
}

impl Caller {
    /// Refuses a caller who lacks a right whatever a call is about. Rights of an account are
    /// checked again with the account, by [`Admitted::check`].
    fn check_reach(&self, right: Right) -> Result<(), Error> {
        match self {
            _ if right == Right::Anyone => Ok(()),
            Self::Daemon => Ok(()),
            Self::User(claims) if right <= claims.role.reach() => Ok(()),
            Self::User(_) => Err(denied()),
            Self::Nobody => Err(unauthenticated("a user must log in first")),
        }
    }

    fn is_of(&self, account: &AccountName) -> bool {
        match self {
            Self::Nobody => false,
            Self::User(claims) if claims.role.is_of_account() => {
                claims.user.account() == Some(account)
            }
            Self::User(_) | Self::Daemon => true,
        }
    }
}

/// A caller who was let in for a call, as handlers find it among the request's extensions.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// Who calls.
    pub caller: Caller,
    /// What the call needs.
    pub right: Right,
}

impl Admitted {
    /// Refuses a caller whose right does not cover the account; before anything is looked up,
    /// and in the same words whatever exists.
    pub fn check(&self, account: &AccountName) -> Result<(), Error> {
        match !self.right.is_of_account() || self.caller.is_of(account) {
            true => Ok(()),
            false => Err(denied()),
        }
    }

    /// Whether the caller's role goes as far as a right, whatever it is about.
    pub fn reaches(&self, right: Right) -> bool {
        self.caller.check_reach(right).is_ok()
    }

    /// Offers what the call is about the caller's account to be held to, if it has one, and says
    /// whether it was; a caller of all accounts is held to nothing where the call names none.
    pub fn confined(&self, confine: impl FnOnce(&AccountName) -> bool) -> bool {
        match &self.caller {
            Caller::User(claims) if claims.role.is_of_account() => {
                claims.user.account().is_some_and(confine)
            }
            _ => false,
        }
    }
}

/// The one refusal of a caller without rights: it says nothing of what exists.
pub fn denied() -> Error {
    Error::new(ErrorKind::Denied, Subject::Request, "the user may not do this")
}

fn unauthenticated(message: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, Subject::Request, message)
}

/// Seconds since 1970.
pub type Seconds = Arc<dyn Fn() -> u64 + Send + Sync>;

/// Tells callers apart by what they show.
#[derive(Clone)]
pub struct Gate {
    daemons: AccessKey,
    users: Option<(TokenKey, Seconds)>,
}

impl From<AccessKey> for Gate {
    /// A gate that knows daemons alone, as chunk servers need it.
    fn from(daemons: AccessKey) -> Self {
        Self { daemons, users: None }
    }
}

impl Gate {
    /// A gate that knows daemons by their key and users by their tokens; `now` gives the seconds
    /// since 1970.
    pub fn new(keys: &Keys, now: Seconds) -> Self {
        Self { daemons: keys.daemon.clone(), users: Some((keys.tokens.clone(), now)) }
    }

    /// Lets in the caller of a gRPC method, or refuses.
    pub(crate) fn admit_call(&self, path: &str, headers: &HeaderMap) -> Result<Admitted, Error> {
        let right = proto::right_of(path);
        // Who logs in may still show a token that has expired.
        let caller = match right {
            Some(Right::Anyone) => Caller::Nobody,
            _ => self.caller(headers)?,
        };
        let right = match (right, &caller) {
            (Some(right), _) => right,
            (None, Caller::Nobody) => Right::Known,
            (None, _) => return Err(denied()),
        };
        caller.check_reach(right)?;
        Ok(Admitted { caller, right })
    }

    /// Who calls. A key or token that is not good is refused, and not taken for none.
    pub(crate) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Error> {
        let shown = headers.get(header::AUTHORIZATION);
        let Some(shown) = shown else { return Ok(Caller::Nobody) };
        if self.daemons.admits(Some(shown)) {
            return Ok(Caller::Daemon);
        }
        let token = shown.to_str().ok().and_then(|text| text.strip_prefix("Bearer "));
        let claims = match (token, &self.users) {
            (Some(token), Some((key, now))) => key.verify(token, now()),
            _ => None,
        };
        let claims = claims.ok_or_else(|| {
            unauthenticated("the access key or token is wrong, or the token has expired")
        })?;
        Ok(Caller::User(Arc::new(claims)))
    }
}

/// What a client shows with each call: nothing, the daemons' key, or a token that is renewed
/// while connections go on. Clones share it. Never printed.
#[derive(Clone, Default)]
pub struct Bearer(Arc<RwLock<Option<Shown>>>);

#[derive(Clone)]
struct Shown {
    header: HeaderValue,
    metadata: MetadataValue<Ascii>,
}

impl From<&AccessKey> for Bearer {
    fn from(key: &AccessKey) -> Self {
        let bearer = Self::default();
        bearer.set(&key.reveal());
        bearer
    }
}

impl From<&Bearer> for Bearer {
    fn from(bearer: &Bearer) -> Self {
        bearer.clone()
    }
}

impl Bearer {
    /// Shows this from now on.
    pub fn set(&self, token: &str) {
        let text = format!("Bearer {token}");
        let shown = HeaderValue::from_str(&text).ok().zip(text.parse().ok());
        *self.0.write() = shown.map(|(mut header, mut metadata): (_, MetadataValue<Ascii>)| {
            header.set_sensitive(true);
            metadata.set_sensitive(true);
            Shown { header, metadata }
        });
    }

    pub(crate) fn header(&self) -> Option<HeaderValue> {
        self.0.read().as_ref().map(|shown| shown.header.clone())
    }

    pub(crate) fn metadata(&self) -> Option<MetadataValue<Ascii>> {
        self.0.read().as_ref().map(|shown| shown.metadata.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use model::Role;

    const LOGIN: &str = "/cairn.v1.Users/Login";
    const SHOW_ACCOUNT: &str = "/cairn.v1.Metadata/ShowAccount";
    const PREPARE: &str = "/cairn.v1.Metadata/Prepare";
    const SET_POLICY: &str = "/cairn.v1.Directory/SetPolicy";
    const LIST_ACCOUNTS: &str = "/cairn.v1.Metadata/ListAccounts";
    const VOTE: &str = "/cairn.v1.Peer/Vote";

    fn keys(byte: u8) -> Keys {
        Secret::new([byte; 32]).keys()
    }

    fn headers(token: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let bearer = Bearer::default();
        bearer.set(token);
        headers.insert(header::AUTHORIZATION, bearer.header().unwrap());
        headers
    }

    fn token(keys: &Keys, user: &str, role: Role) -> String {
        let user = user.parse().unwrap();
        keys.tokens.mint(&Claims { user, role, expires: 100, revision: 1 })
    }

    fn gate(now: u64) -> Gate {
        Gate::new(&keys(1), Arc::new(move || now))
    }

    fn refusal(path: &str, shown: &HeaderMap, now: u64) -> Option<ErrorKind> {
        gate(now).admit_call(path, shown).err().map(|error| error.kind)
    }

    #[test]
    fn callers_are_let_in_as_far_as_their_role_goes() {
        let shown = |user, role| headers(&token(&keys(1), user, role));
        let denied = Some(ErrorKind::Denied);
        let table = [
            (shown("a:u", Role::Reader), [None, denied, denied, denied, denied]),
            (shown("a:u", Role::Writer), [None, None, denied, denied, denied]),
            (shown("a:u", Role::Member), [denied; 5]),
            (shown("a:u", Role::Service), [denied; 5]),
            (shown("shop", Role::Reseller), [None, None, None, denied, denied]),
            (shown("root", Role::Operator), [None, None, None, None, denied]),
            (headers(&keys(1).daemon.reveal()), [None; 5]),
        ];
        let paths = [SHOW_ACCOUNT, PREPARE, LIST_ACCOUNTS, SET_POLICY, VOTE];
        for (shown, expected) in table {
            assert_eq!(paths.map(|path| refusal(path, &shown, 0)), expected);
            assert_eq!(refusal("/cairn.v1.Metadata/Unknown", &shown, 0), denied);
            assert_eq!(refusal(LOGIN, &shown, 0), None);
        }
    }

    #[test]
    fn who_shows_nothing_or_nothing_good_may_log_in_and_no_more() {
        let good = headers(&token(&keys(1), "a:u", Role::Reader));
        let shown = [
            (HeaderMap::new(), 0),
            (headers(&keys(2).daemon.reveal()), 0),
            (headers(&token(&keys(2), "a:u", Role::Reader)), 0),
            (headers("nonsense"), 0),
            (good.clone(), 100),
        ];
        for (shown, now) in shown {
            for path in [SHOW_ACCOUNT, VOTE, "/cairn.v1.Metadata/Unknown"] {
                assert_eq!(refusal(path, &shown, now), Some(ErrorKind::Unauthenticated));
            }
            assert_eq!(refusal(LOGIN, &shown, now), None);
        }
        assert_eq!(refusal(SHOW_ACCOUNT, &good, 99), None);
        // Chunk servers know no users.
        let daemons = Gate::from(keys(1).daemon);
        assert!(daemons.admit_call(VOTE, &good).is_err());
        assert!(daemons.admit_call(VOTE, &headers(&keys(1).daemon.reveal())).is_ok());
    }

    #[test]
    fn an_account_is_a_border() {
        let admitted = |user: &str, role| {
            gate(0).admit_call(SHOW_ACCOUNT, &headers(&token(&keys(1), user, role))).unwrap()
        };
        let (acme, other): (AccountName, AccountName) =
            ("acme".parse().unwrap(), "other".parse().unwrap());
        for role in [Role::Reader, Role::Writer, Role::Admin] {
            let user = admitted("acme:u", role);
            assert!(user.check(&acme).is_ok());
            assert_eq!(user.check(&other).unwrap_err(), denied());
            assert_eq!(user.reaches(Right::Manage), role == Role::Admin);
            assert!(!user.reaches(Right::Accounts));
            assert!(user.confined(|account| *account == acme));
        }
        for role in [Role::Reseller, Role::Operator] {
            let user = admitted("root", role);
            assert!(user.check(&acme).is_ok() && user.check(&other).is_ok());
            assert!(user.reaches(Right::Manage) && !user.confined(|_| true));
            assert_eq!(user.reaches(Right::Cluster), role == Role::Operator);
        }
    }
}
