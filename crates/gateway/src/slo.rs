//! Static large objects: manifests that name segments, checked when they are stored.
//!
//! A manifest is stored as an object whose content is JSON, as `?multipart-manifest=get` gives
//! it. The property `swift:slo` says what it stands for: its entity tag and its bytes.

use crate::{
    bulk::Deleter,
    call::Call,
    content::Content,
    expiry, limits,
    listing::{Form, Listed},
    metadata,
    object::{self, Names, Upload, shown},
    path::{container_name, escape, object_name},
    range::Wanted,
    reader::{Found, How, Reader},
    refusal::{Outcome, Refusal},
    report::{self, Report},
    segments::{MOST_LEVELS, Segment, Segments},
    time,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use client::{Object, OpenObject, Properties};
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use http::{StatusCode, header};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What manifests are known by, among the gateway's own properties.
const OWN: &str = "slo";

/// Segments that are looked at at a time.
const AT_A_TIME: usize = 8;

/// The most bytes of a stored manifest. It says more of each segment than the client did.
const STORED_BYTES: u64 = limits::MANIFEST_BYTES as u64 + 4096 * limits::MANIFEST_SEGMENTS as u64;

/// What a manifest stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Large {
    /// The MD5 over what its segments are, in hexadecimal.
    pub etag: String,
    /// Bytes of its segments.
    pub size: u64,
}

impl Large {
    /// Of an object, if it is a manifest.
    pub fn of(object: &Object) -> Option<Self> {
        let (etag, size) = metadata::own(&object.properties, OWN)?.split_once(' ')?;
        Some(Self { etag: etag.to_owned(), size: size.parse().ok()? })
    }

    /// Takes from properties what makes them those of a manifest.
    pub fn remove_from(properties: &mut Properties) {
        properties.remove(&metadata::own_key(OWN));
    }
}

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
enum Entry {
    Data { data: String },
    Object(ObjectEntry),
}

/// An object, or a part of one, of a stored manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct ObjectEntry {
    /// `/container/object`.
    name: String,
    /// Bytes of the object.
    bytes: u64,
    hash: String,
    content_type: String,
    last_modified: String,
    /// First and last byte of the part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    range: Option<String>,
    /// Whether it is a manifest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    sub_slo: bool,
}

impl ObjectEntry {
    fn named(&self, manifest: &Names) -> Result<Names, Refusal> {
        named(&self.name, manifest)
    }

    /// What of the object belongs to the large object.
    fn part(&self) -> Option<std::ops::Range<u64>> {
        match &self.range {
            Some(range) => Wanted::parse(range)?.of(self.bytes),
            None => Some(0..self.bytes),
        }
    }
}

/// The object at a path in a manifest: in the manifest's account.
fn named(path: &str, manifest: &Names) -> Result<Names, Refusal> {
    let (container, object) =
        path.trim_start_matches('/').split_once('/').ok_or_else(Refusal::not_found)?;
    Ok(Names {
        account: manifest.account.clone(),
        container: container_name(container)?,
        object: object_name(object)?,
    })
}

/// The entity tag of a large object: the MD5 over those of its segments.
fn etag(entries: &[Entry]) -> String {
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

/// The answer when a manifest was stored.
type Stored = http::Response<transport::Body>;

/// Why a manifest was not stored.
enum Failure {
    /// Segments that are not what they should be.
    Segments(Vec<(String, String)>),
    /// Something else.
    Refused(Refusal),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Failure {
    fn answer(self, form: Form) -> Outcome {
        match self {
            Self::Refused(refusal) => Err(refusal),
            Self::Segments(errors) => {
                let report = Report { errors, ..Report::default() };
                let text = report.render(form, "upload");
                Ok(report::response(StatusCode::BAD_REQUEST, form, text))
            }
        }
    }
}

/// Answers `PUT ?multipart-manifest=put`.
pub async fn put(mut call: Call) -> Outcome {
    if call.headers.contains_key("x-copy-from") {
        let text = "Multipart Manifest PUTs cannot be COPY requests";
        return Err(Refusal::says(StatusCode::METHOD_NOT_ALLOWED, text));
    }
    if object::announced(&call)?.is_some_and(|bytes| bytes > limits::MANIFEST_BYTES as u64) {
        let text = format!("Manifest File > {} bytes", limits::MANIFEST_BYTES);
        return Err(Refusal::says(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let body = call.body.collect(limits::MANIFEST_BYTES).await?;
    let path = format!("{}/{}", call.container()?, call.object()?);
    let described = parse(&body, &path)?;
    let form = report::form(&call.headers).unwrap_or(Form::Text);
    if !call.query.is_true("heartbeat") {
        return put_described(&call, described).await.or_else(|failure| failure.answer(form));
    }
    let work = async move {
        let mut report = Report::default();
        match put_described(&call, described).await {
            Ok(stored) => {
                report.status(StatusCode::CREATED, "");
                for (name, says) in
                    [(header::ETAG, "Etag"), (header::LAST_MODIFIED, "Last Modified")]
                {
                    let value = stored.headers().get(name).and_then(|value| value.to_str().ok());
                    report.says.insert(says, value.unwrap_or_default().into());
                }
            }
            Err(Failure::Refused(refusal)) => report.refused(&refusal),
            Err(Failure::Segments(errors)) => {
                report.refused(&Refusal::new(StatusCode::BAD_REQUEST));
                report.errors = errors;
            }
        }
        report.render(form, "upload")
    };
    Ok(report::patient(StatusCode::ACCEPTED, form, true, work).await)
}

async fn put_described(call: &Call, described: Vec<Described>) -> Result<Stored, Failure> {
    let delete_at = expiry::of(&call.headers, time::now_seconds())?;
    let properties = metadata::of_new_object(&call.headers)?;
    let mime_type = object::content_type(&call.headers, call.object()?)?;
    store(call, described, properties, &mime_type, delete_at).await
}

/// Copies a manifest as such to the call's target: what it names is looked at again, in the
/// account where it is now.
pub async fn copy(
    call: &Call,
    manifest: &Content,
    properties: Properties,
    mime_type: &str,
    delete_at: Option<u64>,
) -> Outcome {
    let copied = async {
        let entries = read(manifest).await?;
        let described = entries.into_iter().map(|entry| match entry {
            Entry::Data { data } => {
                Described::Data(STANDARD.decode(data).unwrap_or_default().into())
            }
            Entry::Object(ObjectEntry { name, bytes, hash, range, .. }) => Described::Object {
                path: name,
                etag: Some(hash),
                size: Some(bytes),
                range: range.as_deref().and_then(Wanted::parse),
            },
        });
        store(call, described.collect(), properties, mime_type, delete_at).await
    };
    let form = report::form(&call.headers).unwrap_or(Form::Text);
    copied.await.or_else(|failure: Failure| failure.answer(form))
}

/// Checks what is described, and stores the manifest of it as the call's target.
async fn store(
    call: &Call,
    described: Vec<Described>,
    mut properties: Properties,
    mime_type: &str,
    delete_at: Option<u64>,
) -> Result<Stored, Failure> {
    let container = call.container_for_write(&call.target.account, call.container()?).await?;
    let precondition = object::precondition(call).await?;
    let (entries, size) = check(call, described).await?;
    let etag = etag(&entries);
    if call.header("etag").is_some_and(|wanted| wanted.trim_matches('"') != etag) {
        return Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY).into());
    }
    let manifest = serde_json::to_vec(&entries)
        .map_err(|_| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR))?;
    properties.insert(metadata::own_key(OWN), format!("{etag} {size}"));
    let mime_type = Listed::of(mime_type).mime_type;
    let listed =
        Listed { mime_type, bytes: Some(size), slo_etag: Some(&etag), ..Listed::default() };
    let upload = Upload {
        bytes: Some(manifest.len() as u64),
        source: manifest.into(),
        etag: None,
        mime_type: listed.kept(),
        properties,
        delete_at,
        precondition,
    };
    let mut stored = object::store(call, &container, call.place()?, upload).await?;
    metadata::set(stored.headers_mut(), "etag", &format!("\"{etag}\""));
    Ok(stored)
}

/// What is known of an object that a manifest names.
struct Head {
    etag: String,
    size: u64,
    mime_type: String,
    modified: u64,
    large: bool,
}

async fn head(reader: &Reader, path: &str, manifest: &Names) -> Result<Head, Refusal> {
    let named = named(path, manifest)?;
    reader.may_read(&named.account, &named.container).await?;
    let how = How { body: false, ..How::default() };
    let found = reader.find(named.place(), how).await?;
    Ok(Head {
        etag: found.content.etag.unwrap_or_default(),
        size: found.content.size,
        mime_type: Listed::of(&found.object.entry.mime_type).mime_type.to_owned(),
        modified: found.content.modified,
        large: Large::of(&found.object).is_some(),
    })
}

/// Looks at everything that is described, and makes of it what is stored, with the bytes of all.
async fn check(call: &Call, described: Vec<Described>) -> Result<(Vec<Entry>, u64), Failure> {
    let (reader, manifest) = (call.reader(), call.names()?);
    let mut paths: Vec<String> = described
        .iter()
        .filter_map(|one| match one {
            Described::Object { path, .. } => Some(path.clone()),
            Described::Data(_) => None,
        })
        .collect();
    paths.sort();
    paths.dedup();
    let mut looks: Vec<BoxFuture<'static, (String, Result<Head, Refusal>)>> = Vec::new();
    for path in paths {
        let (reader, manifest) = (reader.clone(), manifest.clone());
        looks.push(
            async move {
                let head = head(&reader, &path, &manifest).await;
                (path, head)
            }
            .boxed(),
        );
    }
    let looks = futures::stream::iter(looks).buffer_unordered(AT_A_TIME);
    let heads: BTreeMap<String, Result<Head, Refusal>> = looks.collect().await;
    let last = described.len().saturating_sub(1);
    let (mut entries, mut errors, mut size) = (Vec::new(), Vec::new(), 0_u64);
    for (index, one) in described.iter().enumerate() {
        let (path, head) = match one {
            Described::Data(data) => {
                size = size.saturating_add(data.len() as u64);
                entries.push(Entry::Data { data: STANDARD.encode(data) });
                continue;
            }
            Described::Object { path, .. } => (path, &heads[path]),
        };
        let outcome = match head {
            Ok(head) => object_entry(one, head, index == last),
            Err(refusal) => Err(vec![report::line(refusal.status)]),
        };
        match outcome {
            Ok((entry, length)) => {
                size = size.saturating_add(length);
                entries.push(Entry::Object(entry));
            }
            Err(found) => errors.extend(found.into_iter().map(|what| (escape(path), what))),
        }
    }
    match errors.is_empty() {
        true => Ok((entries, size)),
        false => Err(Failure::Segments(errors)),
    }
}

/// An object as it is stored in a manifest, with the bytes of its part; or all that is wrong.
fn object_entry(
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

/// What a stored manifest says that is there to be read.
async fn read(manifest: &Content) -> Result<Vec<Entry>, Refusal> {
    let broken = || Refusal::says(StatusCode::CONFLICT, "The manifest cannot be read");
    let origin = manifest.origin.as_ref().ok_or_else(broken)?;
    if manifest.size == 0 || manifest.size > STORED_BYTES {
        return Err(broken());
    }
    let mut flow = origin.read(0..manifest.size)?;
    let mut bytes = Vec::with_capacity(manifest.size as usize);
    while let Some(more) = flow.try_next().await? {
        bytes.extend_from_slice(&more);
    }
    serde_json::from_slice(&bytes).map_err(|_| broken())
}

/// What a manifest stands for, as something to be read; `opened` is the manifest, if bytes are
/// wanted.
pub async fn content(
    reader: &Reader,
    named: &Names,
    object: &Object,
    opened: Option<OpenObject>,
    large: Large,
    how: How,
) -> Result<Content, Refusal> {
    let mut headers = shown(object);
    metadata::set(&mut headers, "etag", &format!("\"{}\"", large.etag));
    let own = object.entry.md5.map(hex::encode).unwrap_or_default();
    metadata::set(&mut headers, "x-manifest-etag", &own);
    let mut content = Content {
        headers,
        size: large.size,
        etag: Some(large.etag),
        modified: object.entry.modified,
        in_parts: true,
        origin: None,
    };
    if let Some(opened) = opened {
        let manifest = crate::reader::itself(object, Some(Box::new(opened)));
        let entries = read(&manifest).await?;
        let segments = entries.iter().map(|entry| segment(entry, named));
        let how = How { depth: how.depth + 1, ..How::default() };
        let segments =
            Segments::new(reader.clone(), how, segments.collect::<Result<_, Refusal>>()?)?;
        if segments.size() != content.size {
            return Err(Refusal::says(StatusCode::CONFLICT, "The manifest contradicts itself"));
        }
        content.origin = Some(Box::new(segments));
    }
    Ok(content)
}

fn segment(entry: &Entry, manifest: &Names) -> Result<Segment, Refusal> {
    let broken = || Refusal::says(StatusCode::CONFLICT, "The manifest cannot be read");
    Ok(match entry {
        Entry::Data { data } => Segment::Data(STANDARD.decode(data).map_err(|_| broken())?.into()),
        Entry::Object(object) => Segment::Part {
            named: object.named(manifest)?,
            etag: object.hash.clone(),
            size: object.bytes,
            range: object.part().ok_or_else(broken)?,
        },
    })
}

/// What `?multipart-manifest=get` gives of what was found: the manifest as it is stored, or as a
/// client would send it.
pub async fn manifest(call: &Call, found: Found) -> Result<Content, Refusal> {
    let Found { names, object, mut content, .. } = found;
    if Large::of(&object).is_none() {
        return Ok(content);
    }
    if call.query.get("format") != Some("raw") {
        let kind = "application/json; charset=utf-8";
        metadata::set(&mut content.headers, header::CONTENT_TYPE.as_str(), kind);
        return Ok(content);
    }
    let wants_bytes = content.origin.is_some();
    if !wants_bytes {
        let how = How { manifests: false, ..How::default() };
        content = call.reader().find(names.place(), how).await?.content;
    }
    let entries = read(&content).await?;
    let raw = |entry: Entry| match entry {
        Entry::Data { data } => serde_json::json!({ "data": data }),
        Entry::Object(ObjectEntry { name, bytes, hash, range, .. }) => {
            let mut raw = serde_json::json!({ "path": name, "etag": hash, "size_bytes": bytes });
            if let Some(range) = range {
                raw["range"] = range.into();
            }
            raw
        }
    };
    let bytes = Bytes::from(entries.into_iter().map(raw).collect::<Value>().to_string());
    content.etag = Some(hex::encode(Md5::digest(&bytes)));
    content.size = bytes.len() as u64;
    content.origin = if wants_bytes { Some(Box::new(bytes)) } else { None };
    Ok(content)
}

/// Answers `DELETE ?multipart-manifest=delete`: the segments go, then the manifest.
pub async fn delete(call: Call) -> Outcome {
    let form = report::form(&call.headers)?;
    let work = async move {
        let mut deleter = Deleter::new(&call);
        let manifest = call.names();
        match manifest {
            Ok(manifest) => delete_all(&mut deleter, &call, manifest, 0).await,
            Err(refusal) => deleter.failed("/", refusal.status),
        }
        deleter.finish().await.render(form, "delete")
    };
    Ok(report::patient(StatusCode::OK, form, false, work).await)
}

/// Boxed: a segment can be a manifest itself.
fn delete_all<'a>(
    deleter: &'a mut Deleter<'_>,
    call: &'a Call,
    manifest: Names,
    depth: u8,
) -> BoxFuture<'a, ()> {
    async move {
        let path = format!("/{}/{}", manifest.container, manifest.object);
        match entries_of(call, &manifest, depth).await {
            Ok(entries) => {
                for entry in entries {
                    let Entry::Object(entry) = entry else { continue };
                    match entry.named(&manifest) {
                        Ok(named) if entry.sub_slo => {
                            delete_all(deleter, call, named, depth + 1).await;
                        }
                        Ok(named) => deleter.object(&entry.name, named).await,
                        Err(refusal) => deleter.failed(&entry.name, refusal.status),
                    }
                }
                deleter.object(&path, manifest).await;
            }
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => deleter.missing += 1,
            Err(refusal) if refusal.status == StatusCode::BAD_REQUEST => {
                deleter.wrong(&path, &refusal.text());
            }
            Err(refusal) => deleter.failed(&path, refusal.status),
        }
    }
    .boxed()
}

async fn entries_of(call: &Call, manifest: &Names, depth: u8) -> Result<Vec<Entry>, Refusal> {
    if depth > MOST_LEVELS {
        return Err(Refusal::bad("Manifests are nested too deep"));
    }
    let reader = call.reader();
    reader.may_read(&manifest.account, &manifest.container).await?;
    let how = How { manifests: false, ..How::default() };
    let found = reader.find(manifest.place(), how).await?;
    if Large::of(&found.object).is_none() {
        return Err(Refusal::bad("Not an SLO manifest"));
    }
    read(&found.content).await
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
