//! Names and properties as the shell gives them: any bytes, checked here.

use crate::failure::usage;
use model::{AccountName, ContainerName, ContentId, ObjectName, Properties, Versioning};
use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt,
};

/// The name of an account.
pub fn account(given: &OsStr) -> anyhow::Result<AccountName> {
    Ok(AccountName::try_from(given.as_bytes())?)
}

/// The name of a container.
pub fn container(given: &OsStr) -> anyhow::Result<ContainerName> {
    Ok(ContainerName::try_from(given.as_bytes())?)
}

/// The name of an object.
pub fn object(given: &OsStr) -> anyhow::Result<ObjectName> {
    Ok(ObjectName::try_from(given.as_bytes())?)
}

/// Several names, all of them checked before anything is done with one.
pub fn all<T>(
    given: &[OsString],
    one: impl Fn(&OsStr) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    given.iter().map(|name| one(name)).collect()
}

/// Any text that must be UTF-8; `what` says which, with its article.
pub fn text<'a>(given: &'a OsStr, what: &str) -> anyhow::Result<&'a str> {
    given.to_str().ok_or_else(|| usage!("{what} is not UTF-8"))
}

/// Properties from `KEY=VALUE`, within their bounds.
pub fn properties(given: &[OsString]) -> anyhow::Result<Properties> {
    let mut properties = Properties::new();
    for pair in given {
        let pair = text(pair, "a property")?;
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            let shown: String = pair.chars().take(80).collect();
            usage!("{shown:?} is not a property: write KEY=VALUE")
        })?;
        if properties.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(usage!("the property {key:?} is given twice"));
        }
    }
    model::check_properties(&properties)?;
    Ok(properties)
}

/// The keys of properties.
pub fn keys(given: &[OsString]) -> anyhow::Result<Vec<String>> {
    given.iter().map(|key| text(key, "the key of a property").map(str::to_owned)).collect()
}

/// The id of a content.
pub fn content_id(given: &str) -> anyhow::Result<ContentId> {
    let id: ContentId = given.parse()?;
    match id == ContentId([0; 16]) {
        true => Err(usage!("no content has the id {id}: only zeros are no id")),
        false => Ok(id),
    }
}

/// A media type.
pub fn mime_type(given: &str) -> anyhow::Result<String> {
    match given.is_empty() || given.chars().any(char::is_control) {
        true => Err(usage!("{given:?} is not a media type: write one such as image/jpeg")),
        false => Ok(given.to_owned()),
    }
}

/// How many versions are kept.
pub fn versioning(given: &str) -> anyhow::Result<Versioning> {
    match given {
        "disabled" => Ok(Versioning::Disabled),
        "suspended" => Ok(Versioning::Suspended),
        "unlimited" => Ok(Versioning::Unlimited),
        number => match number.parse::<i64>() {
            Ok(number) => Ok(Versioning::from_number(number)?),
            Err(_) => Err(usage!(
                "{number:?} is not a versioning: write disabled, suspended, unlimited, or how \
                 many versions to keep"
            )),
        },
    }
}

/// The same as text.
pub fn versioning_text(versioning: Versioning) -> String {
    match versioning {
        Versioning::Disabled => "disabled".to_owned(),
        Versioning::Suspended => "suspended".to_owned(),
        Versioning::Unlimited => "unlimited".to_owned(),
        Versioning::Keep(n) => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStringExt;

    #[test]
    fn names_of_any_bytes_are_refused_with_a_reason() {
        let cases: [(Vec<u8>, &str); 3] = [
            (Vec::new(), "must not be empty"),
            (vec![b'x'; 1025], "1025 bytes"),
            (vec![b'x', 0xff], "not UTF-8"),
        ];
        for (bytes, why) in cases {
            let error = object(&OsString::from_vec(bytes)).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(object(OsStr::new("a/é\n")).is_ok());
        assert!(container(OsStr::new(&"x".repeat(257))).is_err());
    }

    #[test]
    fn properties_are_pairs_within_their_bounds() {
        let given = |list: &[&str]| properties(&list.iter().map(Into::into).collect::<Vec<_>>());
        assert_eq!(given(&["a=b=c", "d="]).unwrap()["a"], "b=c");
        let large = format!("k={}", "v".repeat(64 * 1024));
        for bad in [&["a"][..], &["=b"], &["a=1", "a=2"], &[&large]] {
            assert!(given(bad).is_err());
        }
    }

    #[test]
    fn versionings_read_back() {
        for text in ["disabled", "suspended", "unlimited", "7"] {
            assert_eq!(versioning_text(versioning(text).unwrap()), text);
        }
        assert_eq!(versioning("0").unwrap(), Versioning::Disabled);
        assert!(versioning("many").is_err());
        assert!(versioning("99999999999").is_err());
    }
}
