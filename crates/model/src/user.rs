//! Users: who they are, what they may do, and the keys that prove it.

use crate::{AccountName, Error, ErrorKind, Subject};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr, sync::Arc};

/// What a call needs of its caller, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Nothing: logging in.
    Anyone,
    /// To be a user or a daemon.
    Known,
    /// To read the account that the call names, and all in it.
    Read,
    /// To change containers and objects of the account.
    Write,
    /// To change the account itself.
    Manage,
    /// To make and delete accounts, and to see which there are.
    Accounts,
    /// To see and change the cluster as a whole, its users among it.
    Cluster,
    /// To be a daemon of the cluster.
    Daemon,
}

impl Right {
    /// Whether it is about one account, which the call names.
    pub fn is_of_account(self) -> bool {
        matches!(self, Self::Read | Self::Write | Self::Manage)
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Everything, the cluster's administration included.
    Operator,
    /// Everything in all accounts.
    Reseller,
    /// Everything in one account.
    Admin,
    /// Containers and objects of one account.
    Writer,
    /// Reading of one account.
    Reader,
    /// Nothing of its own: what access control lists grant it, at a gateway.
    Member,
    /// As a member; and its token takes others into the accounts of services, at a gateway.
    Service,
}

impl Role {
    /// Every role, in the order of its wire number (counted from 1).
    pub const ALL: [Role; 7] = [
        Self::Operator,
        Self::Reseller,
        Self::Admin,
        Self::Writer,
        Self::Reader,
        Self::Member,
        Self::Service,
    ];

    /// Its name, as people and machines see it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Reseller => "reseller",
            Self::Admin => "admin",
            Self::Writer => "writer",
            Self::Reader => "reader",
            Self::Member => "member",
            Self::Service => "service",
        }
    }

    /// Whether its users belong to one account.
    pub fn is_of_account(self) -> bool {
        self.reach() < Right::Accounts
    }

    /// The most it may at metadata nodes; all that is less, it may too.
    pub fn reach(self) -> Right {
        match self {
            Self::Operator => Right::Cluster,
            Self::Reseller => Right::Accounts,
            Self::Admin => Right::Manage,
            Self::Writer => Right::Write,
            Self::Reader => Right::Read,
            Self::Member | Self::Service => Right::Known,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        Self::ALL.into_iter().find(|role| role.as_str() == s).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            user_error(format!("there is no role {s:?}; there are {names}"))
        })
    }
}

/// A user's name: `account:user` where the user belongs to an account, else `user`. The part
/// behind the account has 1 to 256 bytes of UTF-8, without colons and control characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserName {
    account: Option<AccountName>,
    user: Arc<str>,
}

impl UserName {
    /// The longest part behind the account, in bytes of UTF-8.
    pub const MAX_USER_BYTES: usize = 256;

    /// The user `user` of an account, or of none.
    ///
    /// # Errors
    /// A part is out of its bounds, or the account has a colon in its name.
    pub fn new(account: Option<AccountName>, user: &str) -> Result<Self, Error> {
        if account.as_ref().is_some_and(|account| account.as_str().contains(':')) {
            let message = "an account with a colon in its name cannot have users of its own";
            return Err(user_error(message));
        }
        if user.is_empty() || user.len() > Self::MAX_USER_BYTES {
            return Err(user_error(format!(
                "the name of a user has 1 to {} bytes, not {}",
                Self::MAX_USER_BYTES,
                user.len()
            )));
        }
        if user.chars().any(|c| c == ':' || c.is_control()) {
            return Err(user_error(
                "the name of a user has no colons and no control characters; a user of an \
                 account is written account:user",
            ));
        }
        Ok(Self { account, user: user.into() })
    }

    /// The account it belongs to.
    pub fn account(&self) -> Option<&AccountName> {
        self.account.as_ref()
    }

    /// The part behind the account.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Refuses a role that does not go with it.
    pub fn check_role(&self, role: Role) -> Result<(), Error> {
        match (&self.account, role.is_of_account()) {
            (Some(_), true) | (None, false) => Ok(()),
            (None, true) => Err(user_error(format!(
                "users with the role {role} belong to an account: name the user account:{}",
                self.user
            ))),
            (Some(account), false) => Err(user_error(format!(
                "users with the role {role} belong to no account, and {self} is a user of account {account}; \
                 name it {}",
                self.user
            ))),
        }
    }
}

impl FromStr for UserName {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        match s.split_once(':') {
            Some((account, user)) => Self::new(Some(account.parse()?), user),
            None => Self::new(None, s),
        }
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(account) = &self.account {
            write!(f, "{account}:")?;
        }
        f.write_str(&self.user)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.to_string())
    }
}

impl Serialize for UserName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(de::Error::custom)
    }
}

/// A user, without the proof of its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: UserName,
    /// What it may do.
    pub role: Role,
    /// The log index of the last change of key or role.
    pub revision: u64,
    /// Microseconds since 1970.
    pub created: u64,
    /// When key or role last changed, in microseconds since 1970.
    pub changed: u64,
}

/// The key of a user: what proves who it is. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct UserKey(Arc<str>);

/// What generated keys begin with, so that they are known for what they are where they turn up.
const GENERATED: &str = "cairn_";

impl UserKey {
    /// The longest key, in bytes of UTF-8.
    pub const MAX_BYTES: usize = 1024;

    /// A key of 256 random bits.
    pub fn generate(random: [u8; 32]) -> Self {
        let digits: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        Self(format!("{GENERATED}{digits}").into())
    }

    /// The key itself, to be stored or sent where only its owner reads.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Whether it has the form of a generated key, so that nobody can guess it.
    pub fn is_generated(&self) -> bool {
        let digits = self.0.strip_prefix(GENERATED);
        let digit = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        digits.is_some_and(|digits| digits.len() == 64 && digits.bytes().all(digit))
    }
}

impl FromStr for UserKey {
    type Err = Error;
    fn from_str(s: &str) -> Result<Self, Error> {
        if s.is_empty() || s.len() > Self::MAX_BYTES || s.chars().any(char::is_control) {
            return Err(user_error(format!(
                "the key of a user has 1 to {} bytes and no control characters",
                Self::MAX_BYTES
            )));
        }
        Ok(Self(s.into()))
    }
}

impl fmt::Debug for UserKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserKey(..)")
    }
}

/// What is kept of a key: enough to know it again, not to show it. Never printed by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct KeyHash(Vec<u8>);

impl KeyHash {
    /// The longest one, in bytes.
    pub const MAX_BYTES: usize = 256;

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl TryFrom<Vec<u8>> for KeyHash {
    type Error = Error;
    fn try_from(bytes: Vec<u8>) -> Result<Self, Error> {
        match (1..=Self::MAX_BYTES).contains(&bytes.len()) {
            true => Ok(Self(bytes)),
            false => Err(Error::invalid("the hash of a key is out of its bounds")),
        }
    }
}

impl<'de> Deserialize<'de> for KeyHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Vec::<u8>::deserialize(d)?.try_into().map_err(de::Error::custom)
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(..)")
    }
}

fn user_error(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Invalid, Subject::User, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_have_one_account() {
        for text in ["root", "acme:alice", "acme:a b@c.d", "é:é"] {
            let name: UserName = text.parse().unwrap();
            assert_eq!(name.to_string(), text);
            assert_eq!(name.account().is_some(), text.contains(':'));
        }
        for bad in ["", ":", "a:", ":u", "a:b:c", "a\n", "a:\0", &"x".repeat(257)] {
            assert!(bad.parse::<UserName>().is_err(), "{bad:?}");
        }
        let odd: AccountName = "a:b".parse().unwrap();
        assert!(UserName::new(Some(odd), "u").is_err(), "a:b:u would be a user of a");
    }

    #[test]
    fn roles_reach_as_far_as_they_say() {
        let table = [
            (Role::Operator, [true, true, true, true, true, false]),
            (Role::Reseller, [true, true, true, true, false, false]),
            (Role::Admin, [true, true, true, false, false, false]),
            (Role::Writer, [true, true, false, false, false, false]),
            (Role::Reader, [true, false, false, false, false, false]),
            (Role::Member, [false; 6]),
            (Role::Service, [false; 6]),
        ];
        let rights = [
            Right::Read,
            Right::Write,
            Right::Manage,
            Right::Accounts,
            Right::Cluster,
            Right::Daemon,
        ];
        for (role, may) in table {
            assert_eq!(rights.map(|right| right <= role.reach()), may, "{role}");
            assert!(Right::Known <= role.reach(), "{role}");
            assert_eq!(role.as_str().parse::<Role>().unwrap(), role);
        }
        let (root, alice): (UserName, UserName) =
            ("root".parse().unwrap(), "acme:alice".parse().unwrap());
        for role in Role::ALL {
            assert_eq!(alice.check_role(role).is_ok(), role.is_of_account(), "{role}");
            assert_eq!(root.check_role(role).is_ok(), !role.is_of_account(), "{role}");
        }
        assert!("root".parse::<Role>().unwrap_err().message.contains("writer"));
    }

    #[test]
    fn keys_are_never_printed() {
        let key = UserKey::generate([0xab; 32]);
        assert!(key.is_generated() && key.reveal().len() == 70);
        let own: UserKey = "testing".parse().unwrap();
        assert!(!own.is_generated());
        for shown in [format!("{key:?}"), format!("{own:?}")] {
            assert_eq!(shown, "UserKey(..)");
        }
        assert!(!key.reveal().to_uppercase().parse::<UserKey>().unwrap().is_generated());
        for bad in ["", "a\nb", &"x".repeat(1025)] {
            assert!(bad.parse::<UserKey>().is_err());
        }
        assert!(KeyHash::try_from(vec![0; 257]).is_err());
        assert_eq!(format!("{:?}", KeyHash::try_from(vec![7]).unwrap()), "KeyHash(..)");
    }
}
