//! What the path of a request names.

use crate::{limits, refusal::Refusal};
use client::{AccountName, ContainerName, ObjectName};
use http::StatusCode;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::fmt;

/// What is escaped in URLs, of all that can be in a name; slashes are not.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'`')
    .add(b'{')
    .add(b'}')
    .add(b'\\')
    .add(b'^')
    .add(b'|')
    .add(b'[')
    .add(b']')
    .add(b'@')
    .add(b'!')
    .add(b'$')
    .add(b'&')
    .add(b'\'')
    .add(b'(')
    .add(b')')
    .add(b'*')
    .add(b'+')
    .add(b',')
    .add(b';')
    .add(b'=')
    .add(b':');

/// A name as it stands in the path of a URL.
pub fn escape(name: &str) -> String {
    utf8_percent_encode(name, ESCAPED).to_string()
}

/// A name from the path of a URL.
///
/// # Errors
/// 412, as Swift gives, for what is no UTF-8 or has a NUL.
pub fn unescape(text: &str) -> Result<String, Refusal> {
    match percent_decode_str(text).decode_utf8() {
        Ok(name) if !name.contains('\0') => Ok(name.into_owned()),
        _ => Err(invalid_utf8()),
    }
}

/// 412: a name that cannot be one.
pub fn invalid_utf8() -> Refusal {
    Refusal::says(StatusCode::PRECONDITION_FAILED, "Invalid UTF8 or contains NULL")
}

/// An account as URLs show it: with the prefix of its kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Account {
    /// `AUTH_` or `SERVICE_`.
    pub prefix: Prefix,
    /// Its name without the prefix, which users of the account have before their colon.
    pub owner: String,
    /// Its name in the store.
    pub name: AccountName,
}

/// The kinds of accounts that URLs tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Prefix {
    /// `AUTH_`: the account itself.
    Auth,
    /// `SERVICE_`: what a service keeps for the account. In the store its name has the prefix.
    Service,
}

impl Prefix {
    /// As it stands in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "AUTH_",
            Self::Service => "SERVICE_",
        }
    }
}

impl Account {
    /// From the name in a URL; none if it has no known prefix.
    pub fn parse(text: &str) -> Option<Self> {
        for prefix in [Prefix::Auth, Prefix::Service] {
            if let Some(owner) = text.strip_prefix(prefix.as_str()) {
                // An account of a service has one name alone.
                if owner.starts_with(Prefix::Service.as_str()) {
                    return None;
                }
                let name = if prefix == Prefix::Auth { owner } else { text };
                return Some(Self { prefix, owner: owner.to_owned(), name: name.parse().ok()? });
            }
        }
        None
    }

    /// The account that users of `name` own.
    pub fn of(name: &AccountName) -> Self {
        Self { prefix: Prefix::Auth, owner: name.to_string(), name: name.clone() }
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.prefix.as_str(), self.owner)
    }
}

/// What a path below `/v1` names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The account.
    pub account: Account,
    /// The container, if it names one.
    pub container: Option<ContainerName>,
    /// The object, if it names one.
    pub object: Option<ObjectName>,
}

impl Target {
    /// From the path behind `/v1/`, escaped as it came.
    ///
    /// # Errors
    /// 404 for what is no path of ours, 412 for names that are no UTF-8, 400 for names that are
    /// too long.
    pub fn parse(path: &str) -> Result<Self, Refusal> {
        // An escaped slash separates as any other.
        let path = unescape(path)?;
        let mut parts = path.splitn(3, '/').map(|part| Some(part).filter(|part| !part.is_empty()));
        let mut part = || parts.next().flatten();
        let (account, container, object) = (part(), part(), part());
        let account = account.ok_or_else(Refusal::not_found)?;
        if container.is_none() && object.is_some() {
            return Err(Refusal::not_found());
        }
        let account = Account::parse(account).ok_or_else(|| unknown_account(account))?;
        Ok(Self {
            account,
            container: container.map(container_name).transpose()?,
            object: object.map(object_name).transpose()?,
        })
    }

    /// The path in a URL, from `/v1` on.
    pub fn url_path(&self) -> String {
        let mut path = format!("/v1/{}", escape(&self.account.to_string()));
        for name in [
            self.container.as_ref().map(ContainerName::as_str),
            self.object.as_ref().map(ObjectName::as_str),
        ]
        .into_iter()
        .flatten()
        {
            path.push('/');
            path.push_str(&escape(name));
        }
        path
    }
}

fn unknown_account(name: &str) -> Refusal {
    match name.len() > AccountName::MAX_BYTES {
        true => Refusal::bad(format!(
            "Account name length of {} longer than {}",
            name.len(),
            AccountName::MAX_BYTES
        )),
        false => Refusal::new(StatusCode::UNAUTHORIZED),
    }
}

/// The name of a container from outside.
///
/// # Errors
/// 400 if it is too long or has a slash.
pub fn container_name(name: &str) -> Result<ContainerName, Refusal> {
    if name.len() > limits::CONTAINER_NAME_BYTES {
        return Err(Refusal::bad(format!(
            "Container name length of {} longer than {}",
            name.len(),
            limits::CONTAINER_NAME_BYTES
        )));
    }
    if name.contains('/') {
        return Err(Refusal::bad("Container name cannot contain slashes"));
    }
    Ok(name.parse().map_err(client::Error::from)?)
}

/// The name of an object from outside.
///
/// # Errors
/// 400 if it is too long.
pub fn object_name(name: &str) -> Result<ObjectName, Refusal> {
    if name.len() > limits::OBJECT_NAME_BYTES {
        return Err(Refusal::bad(format!(
            "Object name length of {} longer than {}",
            name.len(),
            limits::OBJECT_NAME_BYTES
        )));
    }
    Ok(name.parse().map_err(client::Error::from)?)
}

/// The container and the object that a header such as `X-Copy-From` names.
///
/// # Errors
/// 412 with `what`, as Swift says it, unless it is `container/object`.
pub fn container_and_object(
    value: &str,
    what: &'static str,
) -> Result<(ContainerName, ObjectName), Refusal> {
    let malformed = || Refusal::says(StatusCode::PRECONDITION_FAILED, what);
    let name = unescape(value)?;
    let (container, object) = name.trim_start_matches('/').split_once('/').ok_or_else(malformed)?;
    if container.is_empty() || object.is_empty() {
        return Err(malformed());
    }
    Ok((container_name(container)?, object_name(object)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn paths_name_what_swift_says() {
        let target = Target::parse("AUTH_a/c%20d/x/y%2Fz?").unwrap();
        assert_eq!(target.account.name.as_str(), "a");
        assert_eq!(target.container.as_ref().unwrap().as_str(), "c d");
        assert_eq!(target.object.as_ref().unwrap().as_str(), "x/y/z?");
        assert_eq!(target.url_path(), "/v1/AUTH_a/c%20d/x/y/z%3F");
        let escaped = Target::parse("AUTH_a%2Fc%2Fx%2Fy").unwrap();
        assert_eq!(escaped.container.as_ref().unwrap().as_str(), "c");
        assert_eq!(escaped.object.as_ref().unwrap().as_str(), "x/y");
        assert_eq!(Target::parse("AUTH_a/").unwrap().container, None);
        assert_eq!(Target::parse("AUTH_a/c/").unwrap().object, None);
        assert_eq!(Target::parse("SERVICE_a").unwrap().account.name.as_str(), "SERVICE_a");
        for (path, status) in [
            ("", 404),
            ("AUTH_a//o", 404),
            ("other", 401),
            ("AUTH_", 401),
            ("AUTH_a/%ff", 412),
            ("AUTH_a/c/%00", 412),
            ("AUTH_SERVICE_a/c/o", 401),
            ("SERVICE_SERVICE_a", 401),
        ] {
            assert_eq!(Target::parse(path).unwrap_err().status.as_u16(), status, "{path}");
        }
        let long = |n| format!("AUTH_a/c/{}", "x".repeat(n));
        assert!(Target::parse(&long(1024)).is_ok());
        assert_eq!(Target::parse(&long(1025)).unwrap_err().status, 400);
    }

    proptest! {
        #[test]
        fn what_a_path_names_is_named_again_by_its_url(
            path in "(AUTH_|SERVICE_)?[a-c%0-9/]{0,12}|\\PC{0,40}|AUTH_a/\\PC{1,20}/\\PC{0,40}",
        ) {
            if let Ok(target) = Target::parse(&path) {
                let url = target.url_path();
                prop_assert!(url.parse::<http::Uri>().is_ok(), "{url}");
                prop_assert_eq!(Target::parse(&url["/v1/".len()..]).unwrap(), target);
            }
            let _ = container_and_object(&path, "");
        }

        #[test]
        fn names_come_through_urls(name in any::<String>()) {
            match name.contains('\0') {
                true => prop_assert!(unescape(&escape(&name)).is_err()),
                false => prop_assert_eq!(unescape(&escape(&name)).unwrap(), name),
            }
        }

        #[test]
        fn no_two_names_are_of_one_account(
            names in prop::array::uniform2("(AUTH_|SERVICE_)(AUTH_|SERVICE_)?[ab]"),
        ) {
            let [one, other] = names.each_ref().map(|name| Account::parse(name));
            if let (Some(one), Some(other)) = (one, other) {
                prop_assert_eq!(names[0] == names[1], one.name == other.name);
                prop_assert_eq!(&one.to_string(), &names[0]);
            }
        }
    }
}
