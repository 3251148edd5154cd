//! What manifests say: as clients describe them, and as they are stored.

use crate::{
    limits,
    object::Names,
    path::{container_name, object_name},
    range::Wanted,
    refusal::Refusal,
    time,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::StatusCode;
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A segment as a client describes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Described {
    /// Bytes.
    Data(Bytes),
    /// An object or a part of one.
    Object {
        /// Its path, as the client writes it.
        path: String,
        /// The entity tag it must have.
        etag: Option<String>,
        /// The bytes it must have.
        size: Option<u64>,
        /// What of it belongs to the large object.
        range: Option<Wanted>,
    },
}

/// Reads the manifest that a client sends for the object at `path`, `container/object`.
///
/// # Errors
/// 400 with a line for each segment that is described wrongly, 413 for too many of them.
pub fn parse(body: &[u8], path: &str) -> Result<Vec<Described>, Refusal> {
    let parsed: Value =
        serde_json::from_slice(body).map_err(|_| Refusal::bad("Manifest must be valid JSON.\n"))?;
    let Value::Array(items) = parsed else {
        return Err(Refusal::bad("Manifest must be a list.\n"));
    };
    let last = items.len().saturating_sub(1);
    let mut all = Vec::with_capacity(items.len());
    let mut errors = String::new();
    for (index, item) in items.into_iter().enumerate() {
        match described(item, path, index == last) {
            Ok(one) => all.push(one),
            Err(error) => errors.push_str(&format!("Index {index}: {error}\n")),
        }
    }
    let objects = all.iter().filter(|one| matches!(one, Described::Object { .. })).count();
    if errors.is_empty() && !all.is_empty() && objects == 0 {
        errors.push_str("A manifest names at least one object beside the data it has itself.\n");
    }
    if !errors.is_empty() {
        return Err(Refusal::bad(errors));
    }
    if objects > limits::MANIFEST_SEGMENTS {
        let text = format!("A manifest names at most {} objects", limits::MANIFEST_SEGMENTS);
        return Err(Refusal::says(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(all)
}

fn described(item: Value, own: &str, last: bool) -> Result<Described, String> {
    let Value::Object(mut item) = item else { return Err("not a JSON object".to_owned()) };
    if let Some(data) = item.remove("data").filter(|_| !item.contains_key("path")) {
        extraneous(&item, &[])?;
        let data = data.as_str().and_then(|text| STANDARD.decode(text).ok());
        let data = data.ok_or("data must be valid base64")?;
        if data.is_empty() {
            return Err("too small; each segment must be at least 1 byte.".to_owned());
        }
        return Ok(Described::Data(data.into()));
    }
    let path = match item.remove("path") {
        Some(Value::String(path)) => path,
        Some(_) => return Err("\"path\" must be a string".to_owned()),
        None => return Err("expected keys to include one of 'path' or 'data'".to_owned()),
    };
    extraneous(&item, &["etag", "size_bytes", "range"])?;
    if !path.trim_matches('/').contains('/') {
        let text = "path does not refer to an object. Path must be of the form /container/object.";
        return Err(text.to_owned());
    }
    if path.trim_start_matches('/') == own {
        return Err("manifest must not include itself as a segment".to_owned());
    }
    let etag = match item.remove("etag") {
        None | Some(Value::Null) => None,
        Some(Value::String(etag)) => Some(etag.trim_matches('"').to_owned()),
        Some(_) => return Err("\"etag\" must be a string or null (if provided)".to_owned()),
    };
    let size = match item.remove("size_bytes") {
        None | Some(Value::Null) => None,
        Some(Value::String(digits)) => Some(digits.trim().parse().ok()),
        Some(number) => Some(number.as_u64()),
    };
    let size = size.map(|size| size.ok_or("invalid size_bytes")).transpose()?;
    if size == Some(0) && !last {
        return Err("too small; each segment must be at least 1 byte.".to_owned());
    }
    let range = match item.remove("range") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) if text.contains(',') => {
            return Err("multiple ranges (only one allowed)".to_owned());
        }
        Some(Value::String(text)) => Some(Wanted::parse(&text).ok_or("invalid range")?),
        Some(_) => return Err("invalid range".to_owned()),
    };
    if let (Some(size), Some(range)) = (size, range)
        && range.of(size).is_none()
    {
        return Err("unsatisfiable range".to_owned());
    }
    Ok(Described::Object { path, etag, size, range })
}

fn extraneous(item: &serde_json::Map<String, Value>, known: &[&str]) -> Result<(), String> {
    let mut others: Vec<_> = item.keys().filter(|key| !known.contains(&key.as_str())).collect();
    others.sort();
    if others.is_empty() {
        return Ok(());
    }
    let names: Vec<_> = others.iter().map(|key| Value::from(key.as_str()).to_string()).collect();
    Err(format!("extraneous keys {}", names.join(", ")))
}

/// A segment of a stored manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// Bytes, in base64.
    Data { data: String },
    /// An object, or a part of one.
    Object(ObjectEntry),
}

/// An object, or a part of one, of a stored manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEntry {
    /// `/container/object`.
    pub name: String,
    /// Bytes of the object.
    pub bytes: u64,
    /// The entity tag of the object.
    pub hash: String,
    /// Its media type.
    pub content_type: String,
    /// When it was changed.
    pub last_modified: String,
    /// First and last byte of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Whether it is a manifest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sub_slo: bool,
}

impl ObjectEntry {
    /// Where it is.
    ///
    /// # Errors
    /// As [`named`].
    pub fn named(&self, manifest: &Names) -> Result<Names, Refusal> {
        named(&self.name, manifest)
    }

    /// What of the object belongs to the large object.
    pub fn part(&self) -> Option<std::ops::Range<u64>> {
        match &self.range {
            Some(range) => Wanted::parse(range)?.of(self.bytes),
            None => Some(0..self.bytes),
        }
    }
}

/// The object at a path in a manifest: in the manifest's account.
///
/// # Errors
/// 404 and 412 for what is no path.
pub fn named(path: &str, manifest: &Names) -> Result<Names, Refusal> {
    let (container, object) =
        path.trim_start_matches('/').split_once('/').ok_or_else(Refusal::not_found)?;
    Ok(Names {
        account: manifest.account.clone(),
        container: container_name(container)?,
        object: object_name(object)?,
    })
}

/// The entity tag of a large object: the MD5 over those of its segments.
pub fn etag(entries: &[Entry]) -> String {
    let mut hash = Md5::new();
    for entry in entries {
        match entry {
            Entry::Data { data } => {
                hash.update(hex::encode(Md5::digest(STANDARD.decode(data).unwrap_or_default())));
            }
            Entry::Object(ObjectEntry { hash: of, range: Some(range), .. }) => {
                hash.update(format!("{of}:{range};"));
            }
            Entry::Object(object) => hash.update(&object.hash),
        }
    }
    hex::encode(hash.finalize())
}

/// What is known of an object that a manifest names.
pub struct Head {
    /// Its entity tag.
    pub etag: String,
    /// Its bytes.
    pub size: u64,
    /// Its media type.
    pub mime_type: String,
    /// When it was changed, in microseconds since 1970.
    pub modified: u64,
    /// Whether it is a manifest itself.
    pub large: bool,
}

/// An object as it is stored in a manifest, with the bytes of its part; or all that is wrong.
pub fn object_entry(
    described: &Described,
    head: &Head,
    last: bool,
) -> Result<(ObjectEntry, u64), Vec<String>> {
    let Described::Object { path, etag, size, range } = described else { return Err(Vec::new()) };
    let mut errors = Vec::new();
    let part = match range {
        Some(range) => range.of(head.size),
        None => Some(0..head.size),
    };
    let part = part.unwrap_or_else(|| {
        errors.push("Unsatisfiable Range".to_owned());
        0..head.size
    });
    if part.is_empty() && !last {
        errors.push("Too small; each segment must be at least 1 byte.".to_owned());
    }
    if size.is_some_and(|size| size != head.size) {
        errors.push("Size Mismatch".to_owned());
    }
    if etag.as_ref().is_some_and(|etag| *etag != head.etag) {
        errors.push("Etag Mismatch".to_owned());
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let range = (part != (0..head.size)).then(|| format!("{}-{}", part.start, part.end - 1));
    let entry = ObjectEntry {
        name: format!("/{}", path.trim_start_matches('/')),
        bytes: head.size,
        hash: head.etag.clone(),
        content_type: head.mime_type.clone(),
        last_modified: time::iso(head.modified),
        range,
        sub_slo: head.large,
    };
    Ok((entry, part.end - part.start))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn refused(manifest: &str) -> String {
        parse(manifest.as_bytes(), "c/o").unwrap_err().text().into_owned()
    }

    #[test]
    fn manifests_are_read_as_in_swift() {
        let all = parse(
            br#"[{"path": "/c/a", "etag": "\"x\"", "size_bytes": "12", "range": "1-3"},
                 {"data": "YWI="}, {"path": "c/b", "etag": null, "size_bytes": null},
                 {"path": "c/e", "size_bytes": 0}]"#,
            "c/o",
        );
        let object = |path: &str, etag: Option<&str>, size, range| Described::Object {
            path: path.into(),
            etag: etag.map(Into::into),
            size,
            range,
        };
        let expected = vec![
            object("/c/a", Some("x"), Some(12), Wanted::parse("1-3")),
            Described::Data(Bytes::from_static(b"ab")),
            object("c/b", None, None, None),
            object("c/e", None, Some(0), None),
        ];
        assert_eq!(all.unwrap(), expected);
    }

    #[test]
    fn what_is_wrong_is_said_for_each_segment() {
        let table = [
            ("{", "Manifest must be valid JSON.\n"),
            ("{}", "Manifest must be a list.\n"),
            ("[1]", "Index 0: not a JSON object\n"),
            (
                r#"[{"path": "c"}]"#,
                "Index 0: path does not refer to an object. Path must be of the form /container/object.\n",
            ),
            (r#"[{"path": "/c/o"}]"#, "Index 0: manifest must not include itself as a segment\n"),
            (
                r#"[{"path": "c/a", "teag": 1, "a": 2}]"#,
                "Index 0: extraneous keys \"a\", \"teag\"\n",
            ),
            (
                r#"[{"path": "c/a", "size_bytes": "x"}, {"path": 1}]"#,
                "Index 0: invalid size_bytes\nIndex 1: \"path\" must be a string\n",
            ),
            (
                r#"[{"path": "c/a", "size_bytes": 0}, {"path": "c/b"}]"#,
                "Index 0: too small; each segment must be at least 1 byte.\n",
            ),
            (
                r#"[{"path": "c/a", "range": "0-1,2-3"}]"#,
                "Index 0: multiple ranges (only one allowed)\n",
            ),
            (r#"[{"path": "c/a", "range": "x"}]"#, "Index 0: invalid range\n"),
            (
                r#"[{"path": "c/a", "size_bytes": 3, "range": "3-"}]"#,
                "Index 0: unsatisfiable range\n",
            ),
            (r#"[{"data": "?"}]"#, "Index 0: data must be valid base64\n"),
            (
                r#"[{"data": "YWI="}]"#,
                "A manifest names at least one object beside the data it has itself.\n",
            ),
        ];
        for (manifest, expected) in table {
            assert_eq!(refused(manifest), expected, "{manifest}");
        }
        let many = vec![r#"{"path": "c/a"}"#; limits::MANIFEST_SEGMENTS + 1].join(",");
        let many = parse(format!("[{many}]").as_bytes(), "c/o");
        assert_eq!(many.unwrap_err().status, StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(parse(b"[]", "c/o").unwrap(), vec![]);
    }

    #[test]
    fn an_entry_says_what_is_there() {
        let head = Head {
            etag: "e".into(),
            size: 10,
            mime_type: "text/plain".into(),
            modified: 0,
            large: false,
        };
        let described = |size, etag: Option<&str>, range| Described::Object {
            path: "c/a".into(),
            etag: etag.map(Into::into),
            size,
            range: Wanted::parse(range),
        };
        let (entry, length) = object_entry(&described(None, None, "-3"), &head, false).unwrap();
        assert_eq!((entry.range.as_deref(), length), (Some("7-9"), 3));
        assert_eq!(entry.part(), Some(7..10));
        assert_eq!(etag(&[Entry::Object(entry)]), hex::encode(Md5::digest("e:7-9;")));
        let (entry, length) = object_entry(&described(None, None, "-30"), &head, false).unwrap();
        assert_eq!((entry.range, length), (None, 10));
        let wrong = object_entry(&described(Some(9), Some("f"), "20-"), &head, false);
        assert_eq!(wrong.unwrap_err(), ["Unsatisfiable Range", "Size Mismatch", "Etag Mismatch"]);
    }

    proptest! {
        #[test]
        fn no_manifest_from_outside_does_harm(text in "\\PC{0,80}", path in "\\PC{0,20}", range in "[0-9-]{0,6}") {
            let _ = parse(text.as_bytes(), "c/o");
            let json = serde_json::json!([{ "path": path, "range": range, "size_bytes": 5 }]);
            if let Ok(all) = parse(json.to_string().as_bytes(), "c/o") {
                prop_assert_eq!(all.len(), 1);
            }
        }
    }
}
