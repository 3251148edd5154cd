//! Dynamic large objects: all objects of a container whose names begin alike, read as one.

use crate::{
    authorize::authorize,
    content::Content,
    limits, metadata,
    object::{Names, shown},
    path::{Account, container_name, escape, unescape},
    reader::{How, Reader},
    refusal::Refusal,
    segments::{Segment, Segments},
};
use client::{ContainerName, ListedName, Object, ObjectEntry, Properties};
use http::{HeaderMap, Method, StatusCode};
use md5::{Digest, Md5};

/// The header that names the segments, and what it is kept as.
const HEADER: &str = "x-object-manifest";

/// Where the segments are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    container: ContainerName,
    /// What the names of the segments begin with.
    prefix: String,
}

impl Manifest {
    /// Of an object, if it is a manifest.
    pub fn of(object: &Object) -> Option<Self> {
        Self::parse(metadata::own(&object.properties, HEADER)?)
    }

    fn parse(text: &str) -> Option<Self> {
        let text = unescape(text).ok()?;
        let (container, prefix) = text.split_once('/')?;
        let sane = !prefix.is_empty() && !prefix.starts_with('/');
        if !sane || text.contains(['?', '&']) {
            return None;
        }
        Some(Self { container: container_name(container).ok()?, prefix: prefix.to_owned() })
    }

    /// Takes from properties what makes them those of a manifest.
    pub fn remove_from(properties: &mut Properties) {
        properties.remove(&metadata::own_key(HEADER));
    }
}

/// Refuses a header that names no segments.
///
/// # Errors
/// 400.
pub fn check(headers: &HeaderMap) -> Result<(), Refusal> {
    match metadata::text(headers, HEADER)?.filter(|text| !text.is_empty()) {
        Some(text) if Manifest::parse(text).is_none() => {
            Err(Refusal::bad("X-Object-Manifest must be in the format container/prefix"))
        }
        _ => Ok(()),
    }
}

/// What a manifest stands for, as something to be read. The segments are those that are there
/// now, if the caller may list them.
pub async fn content(
    reader: &Reader,
    account: &Account,
    object: &Object,
    manifest: Manifest,
    how: How,
) -> Result<Content, Refusal> {
    let Reader { gateway, caller, referrer } = reader;
    let container = Some(&manifest.container);
    let (method, referrer) = (&Method::GET, referrer.as_deref());
    authorize(gateway, caller, referrer, method, account, container, false).await?;
    let entries = list(reader, account, &manifest).await?;
    let mut hash = Md5::new();
    for md5 in entries.iter().filter_map(|entry| entry.md5) {
        hash.update(hex::encode(md5));
    }
    let etag = hex::encode(hash.finalize());
    let mut headers = shown(object);
    metadata::set(&mut headers, "etag", &format!("\"{etag}\""));
    let modified = entries.iter().map(|entry| entry.modified).max();
    let segments = entries.into_iter().map(|entry| Segment::Part {
        named: Names {
            account: account.clone(),
            container: manifest.container.clone(),
            object: entry.name,
        },
        etag: entry.md5.map(hex::encode).unwrap_or_default(),
        size: entry.size,
        range: 0..entry.size,
    });
    // Manifests among the segments are segments themselves.
    let inside = How { manifests: false, depth: how.depth + 1, ..How::default() };
    let segments = Segments::new(reader.clone(), inside, segments.collect())?;
    Ok(Content {
        headers,
        size: segments.size(),
        etag: Some(etag),
        modified: modified.unwrap_or(object.entry.modified),
        in_parts: false,
        origin: if how.body { Some(Box::new(segments)) } else { None },
    })
}

async fn list(
    reader: &Reader,
    account: &Account,
    manifest: &Manifest,
) -> Result<Vec<ObjectEntry>, Refusal> {
    let client = &reader.gateway.client;
    let (mut entries, mut next) = (Vec::new(), None);
    loop {
        let mut query = client
            .list_objects(&account.name, &manifest.container)
            .prefix(&manifest.prefix)
            .limit(limits::LISTING);
        if let Some(next) = next.take() {
            query = query.resume(next);
        }
        let page = query.await?;
        entries.extend(page.items.into_iter().filter_map(|item| match item {
            ListedName::Entry(entry) => Some(entry),
            ListedName::Prefix(_) => None,
        }));
        if entries.len() > limits::DYNAMIC_SEGMENTS {
            let text = format!(
                "More than {} objects begin with {}/{}",
                limits::DYNAMIC_SEGMENTS,
                escape(manifest.container.as_str()),
                escape(&manifest.prefix)
            );
            return Err(Refusal::says(StatusCode::CONFLICT, text));
        }
        next = page.next;
        if next.is_none() {
            return Ok(entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_manifest_names_a_container_and_a_prefix() {
        let manifest = Manifest::parse("a%20b/c/%25d").unwrap();
        assert_eq!((manifest.container.as_str(), manifest.prefix.as_str()), ("a b", "c/%d"));
        for bad in ["", "c", "c/", "/c/o", "c//o", "c/o?x", "c/a%26b", "c/%ff"] {
            assert_eq!(Manifest::parse(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_manifest_does_harm(text in "\\PC{0,40}|[a-c/%0-9?]{0,12}") {
            if let Some(manifest) = Manifest::parse(&text) {
                prop_assert!(!manifest.prefix.is_empty());
            }
        }
    }
}
