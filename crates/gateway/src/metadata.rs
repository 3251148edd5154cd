//! Metadata of accounts, containers and objects: from headers into properties and back.
//!
//! `X-Object-Meta-Color: red` is the property `color`. What the gateway itself keeps has names
//! that begin with [`OWN`], which no header can name.

use crate::{limits, refusal::Refusal};
use client::Properties;
use http::{HeaderMap, HeaderName, HeaderValue};
use std::collections::BTreeMap;

/// What the names of the gateway's own properties begin with. No header's name has a colon.
pub const OWN: &str = "swift:";

/// Headers of objects that are kept as they come and shown again, and that a POST replaces.
pub const KEPT: [&str; 7] = [
    "content-disposition",
    "content-encoding",
    "cache-control",
    "content-language",
    "expires",
    "x-robots-tag",
    "x-object-manifest",
];

/// What metadata is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// An account.
    Account,
    /// A container.
    Container,
    /// An object.
    Object,
}

impl Subject {
    /// What the names of its metadata headers begin with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Account => "x-account-meta-",
            Self::Container => "x-container-meta-",
            Self::Object => "x-object-meta-",
        }
    }

    fn removal(self) -> &'static str {
        match self {
            Self::Account => "x-remove-account-meta-",
            Self::Container => "x-remove-container-meta-",
            Self::Object => "x-remove-object-meta-",
        }
    }
}

/// The text of a header.
///
/// # Errors
/// 400 if it is no UTF-8.
pub fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    headers.get(name).map(utf8).transpose()
}

/// The media type that a request says, if it says one.
///
/// # Errors
/// 400 if it is too long.
pub fn content_type(headers: &HeaderMap) -> Result<Option<&str>, Refusal> {
    let said = text(headers, "content-type")?.filter(|text| !text.is_empty());
    match said.map_or(0, str::len) {
        0..=limits::CONTENT_TYPE_BYTES => Ok(said),
        _ => {
            Err(Refusal::bad(format!("Content-Type is longer than {}", limits::CONTENT_TYPE_BYTES)))
        }
    }
}

fn utf8(value: &HeaderValue) -> Result<&str, Refusal> {
    std::str::from_utf8(value.as_bytes()).map_err(|_| Refusal::bad("Metadata must be valid UTF-8"))
}

/// Bytes of a header that need not be UTF-8, as text: each byte that is none is a character of the
/// last private plane, from [`ODD`] on. One that comes as such a character is kept byte by byte, so
/// that these stand for nothing else.
fn from_bytes(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let odd = |byte: &u8| char::from_u32(ODD + u32::from(*byte));
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match u32::from(c) < ODD {
                true => text.push(c),
                false => text.extend(c.encode_utf8(&mut [0; 4]).as_bytes().iter().filter_map(odd)),
            }
        }
        text.extend(chunk.invalid().iter().filter_map(odd));
    }
    text
}

/// The character that stands for a byte 0 that is no UTF-8.
const ODD: u32 = 0x10_ff00;

/// A header of text that may not be ASCII, nor UTF-8.
pub fn value(text: &str) -> Option<HeaderValue> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c).checked_sub(ODD) {
            Some(odd) => bytes.push(odd as u8),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    HeaderValue::from_bytes(&bytes).ok()
}

/// Sets a header, unless the text cannot be one.
pub fn set(headers: &mut HeaderMap, name: &str, text: &str) {
    if let (Ok(name), Some(value)) = (HeaderName::from_bytes(name.as_bytes()), value(text)) {
        headers.insert(name, value);
    }
}

/// Changes of user metadata: what a name is set to, or that it is removed.
pub type Changes = BTreeMap<String, Option<String>>;

/// The changes of user metadata that a request asks for.
///
/// # Errors
/// 400 for what is out of bounds, in Swift's words.
pub fn changes(headers: &HeaderMap, subject: Subject) -> Result<Changes, Refusal> {
    let mut changes = Changes::new();
    for name in headers.keys() {
        if let Some(removed) = name.as_str().strip_prefix(subject.removal()) {
            changes.entry(removed.to_owned()).or_insert(None);
        }
    }
    for (name, bytes) in headers {
        if bytes.len() > limits::HEADER_BYTES {
            return Err(Refusal::bad(format!("Header value too long: {}", shown(name.as_str()))));
        }
        let Some(key) = name.as_str().strip_prefix(subject.prefix()) else { continue };
        let value = match subject {
            Subject::Object => from_bytes(bytes.as_bytes()),
            Subject::Account | Subject::Container => utf8(bytes)?.to_owned(),
        };
        if key.is_empty() {
            return Err(Refusal::bad("Metadata name cannot be empty"));
        }
        if bytes.len() > limits::META_VALUE_BYTES {
            let (name, most) = (shown(name.as_str()), limits::META_VALUE_BYTES);
            return Err(Refusal::bad(format!("Metadata value longer than {most}: {name}")));
        }
        if key.len() > limits::META_NAME_BYTES {
            let name = shown(name.as_str());
            return Err(Refusal::bad(format!("Metadata name too long: {name}")));
        }
        // One that comes again is a list.
        let value = match changes.remove(key).flatten() {
            Some(before) => format!("{before},{value}"),
            None => value,
        };
        // An empty value removes.
        let set = (!value.is_empty() || subject == Subject::Object).then_some(value);
        changes.insert(key.to_owned(), set);
    }
    check(changes.iter().filter_map(|(k, v)| Some((k.as_str(), v.as_deref()?))))?;
    Ok(changes)
}

/// A name of a header as people write it.
fn shown(name: &str) -> String {
    let capital = |part: &str| {
        let mut chars = part.chars();
        let first = chars.next().map(|c| c.to_ascii_uppercase());
        first.into_iter().chain(chars).collect::<String>()
    };
    name.split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// Whether the user metadata of a thing is within its bounds.
///
/// # Errors
/// 400, in Swift's words.
pub fn check<'a>(items: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), Refusal> {
    let (mut count, mut bytes) = (0, 0);
    for (name, value) in items {
        count += 1;
        bytes += name.len() + self::value(value).map_or(0, |value| value.len());
    }
    if count > limits::META_COUNT {
        let most = limits::META_COUNT;
        return Err(Refusal::bad(format!("Too many metadata items; max {most}")));
    }
    if bytes > limits::META_OVERALL_BYTES {
        let most = limits::META_OVERALL_BYTES;
        return Err(Refusal::bad(format!("Total metadata too large; max {most}")));
    }
    Ok(())
}

/// The user metadata of a thing, without what the gateway keeps for itself.
pub fn of_user(properties: &Properties) -> impl Iterator<Item = (&str, &str)> {
    let own = |key: &str| key.starts_with(OWN);
    properties.iter().filter(move |(key, _)| !own(key)).map(|(k, v)| (k.as_str(), v.as_str()))
}

/// What the gateway keeps under a name.
pub fn own<'a>(properties: &'a Properties, name: &str) -> Option<&'a str> {
    properties.get(&format!("{OWN}{name}")).map(String::as_str)
}

/// The key under which the gateway keeps something.
pub fn own_key(name: &str) -> String {
    format!("{OWN}{name}")
}

/// Shows user metadata in headers. What was set by other means and cannot be a header is left out.
pub fn show(headers: &mut HeaderMap, properties: &Properties, subject: Subject) {
    for (key, text) in of_user(properties) {
        let name = format!("{}{}", subject.prefix(), key.to_ascii_lowercase());
        set(headers, &name, text);
    }
}

/// The properties of a new object, from the headers of its PUT.
///
/// # Errors
/// As [`changes`].
pub fn of_new_object(headers: &HeaderMap) -> Result<Properties, Refusal> {
    let set = changes(headers, Subject::Object)?;
    let mut properties: Properties =
        set.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
    for name in KEPT {
        if let Some(value) = text(headers, name)?.filter(|value| !value.is_empty()) {
            properties.insert(own_key(name), value.to_owned());
        }
    }
    Ok(properties)
}

/// What a POST leaves of an object's properties: what it sets, and what the gateway keeps that is
/// none of its business.
///
/// # Errors
/// As [`changes`].
pub fn of_posted_object(headers: &HeaderMap, before: &Properties) -> Result<Properties, Refusal> {
    let mut properties = of_new_object(headers)?;
    for (key, value) in before {
        let stays = key.strip_prefix(OWN).is_some_and(|name| !KEPT.contains(&name));
        if stays {
            properties.insert(key.clone(), value.clone());
        }
    }
    Ok(properties)
}

/// Shows the metadata of an object in headers.
pub fn show_object(headers: &mut HeaderMap, properties: &Properties) {
    show(headers, properties, Subject::Object);
    for name in KEPT {
        if let Some(text) = own(properties, name) {
            set(headers, name, text);
        }
    }
}

/// The headers of a request, in tests.
#[cfg(test)]
pub fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, text) in pairs {
        set(&mut headers, name, text);
    }
    headers
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn metadata_is_set_and_removed_as_in_swift() {
        let asked = headers(&[
            ("X-Container-Meta-Color", "red"),
            ("X-Container-Meta-Empty", ""),
            ("X-Remove-Container-Meta-Old", "x"),
            ("X-Object-Meta-Other", "x"),
        ]);
        let changes = changes(&asked, Subject::Container).unwrap();
        let expected = [("color", Some("red")), ("empty", None), ("old", None)]
            .map(|(k, v)| (k.into(), v.map(Into::into)));
        assert_eq!(changes, Changes::from(expected));
    }

    #[test]
    fn bounds_are_those_of_swift() {
        let refused = |name: &str, text: &str| {
            changes(&headers(&[(name, text)]), Subject::Object).err().map(|r| r.text().into_owned())
        };
        assert_eq!(refused("X-Object-Meta-A", &"v".repeat(256)), None);
        let long = refused("X-Object-Meta-A", &"v".repeat(257));
        assert_eq!(long.as_deref(), Some("Metadata value longer than 256: X-Object-Meta-A"));
        assert!(refused(&format!("X-Object-Meta-{}", "k".repeat(129)), "v").is_some());
        assert_eq!(
            refused("X-Object-Meta-", "v").as_deref(),
            Some("Metadata name cannot be empty")
        );
        let many: Vec<String> = (0..91).map(|n| format!("X-Object-Meta-{n}")).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "v")).collect();
        assert!(changes(&headers(&many[..90]), Subject::Object).is_ok());
        assert!(changes(&headers(&many), Subject::Object).is_err());
    }

    #[test]
    fn values_of_objects_need_not_be_utf8() {
        for bytes in [&b"\xe0\xa4"[..], b"a\xffb", "é\u{1f600}".as_bytes(), b""] {
            assert_eq!(value(&from_bytes(bytes)).unwrap().as_bytes(), bytes);
        }
    }

    #[test]
    fn a_post_replaces_what_is_the_users_and_keeps_what_is_not() {
        let before =
            of_new_object(&headers(&[("x-object-meta-a", "1"), ("content-encoding", "gzip")]))
                .unwrap();
        assert_eq!(own(&before, "content-encoding"), Some("gzip"));
        let mut before = before;
        before.insert(own_key("slo"), "x".into());
        let after = of_posted_object(&headers(&[("x-object-meta-b", "2")]), &before).unwrap();
        let keys: Vec<_> = after.keys().map(String::as_str).collect();
        assert_eq!(keys, ["b", "swift:slo"]);
        let mut shown = HeaderMap::new();
        show_object(&mut shown, &before);
        assert_eq!(shown["x-object-meta-a"], "1");
        assert_eq!(shown["content-encoding"], "gzip");
        assert_eq!(shown.len(), 2);
    }

    proptest! {
        #[test]
        fn values_come_back(bytes in prop::collection::vec(any::<u8>(), 0..40), text in any::<String>()) {
            for bytes in [&bytes, text.as_bytes(), &[text.as_bytes(), &bytes].concat()] {
                if let Ok(kept) = HeaderValue::from_bytes(bytes) {
                    prop_assert_eq!(value(&from_bytes(bytes)), Some(kept));
                }
            }
        }

        #[test]
        fn no_metadata_does_harm_and_what_is_taken_is_shown(
            items in prop::collection::vec(
                ("(x-remove-)?(x-)?(object|container|account)-meta-[a-z]{0,3}", prop::collection::vec(any::<u8>(), 0..9)),
                0..9,
            ),
        ) {
            let mut headers = HeaderMap::new();
            for (name, bytes) in &items {
                let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
                if let Ok(value) = HeaderValue::from_bytes(bytes) {
                    headers.insert(name, value);
                }
            }
            for subject in [Subject::Account, Subject::Container, Subject::Object] {
                let Ok(changes) = changes(&headers, subject) else { continue };
                let set: Properties = changes.into_iter().filter_map(|(k, v)| Some((k, v?))).collect();
                let mut shown = HeaderMap::new();
                show(&mut shown, &set, subject);
                prop_assert_eq!(shown.len(), set.len());
                for (name, value) in &shown {
                    prop_assert_eq!(headers.get(name), Some(value));
                }
            }
        }
    }
}
