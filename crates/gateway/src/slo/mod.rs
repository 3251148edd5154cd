//! Static large objects: manifests that name segments, checked when they are stored.
//!
//! A manifest is stored as an object whose content is JSON, as `?multipart-manifest=get` gives
//! it. The property `swift:slo` says what it stands for: its entity tag and its bytes.

mod manifest;

use self::manifest::{Described, Entry, Head, ObjectEntry, etag, named, object_entry, parse};
use crate::{
    bulk::Deleter,
    call::Call,
    content::Content,
    expiry, limits,
    listing::{Form, Listed},
    metadata,
    object::{self, Names, Place, Upload, shown},
    path::escape,
    range::Wanted,
    reader::{Found, How, Reader},
    refusal::{Outcome, Refusal},
    report::{self, Report},
    segments::{MOST_LEVELS, Segment, Segments},
    time,
    versions::{self, Named},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use client::{Object, OpenObject, Properties};
use futures::{FutureExt, StreamExt, TryStreamExt, future::BoxFuture};
use http::{StatusCode, header};
use md5::{Digest, Md5};
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

async fn head(reader: &Reader, path: &str, manifest: &Names) -> Result<Head, Refusal> {
    let named = named(path, manifest)?;
    reader.may_read(&named.account, &named.container).await?;
    let how = How { body: false, ..How::default() };
    let found = reader.find(named.place(), how).await?;
    if found.content.open_ended {
        return Err(Refusal::new(StatusCode::CONFLICT));
    }
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
        open_ended: false,
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

/// Answers `DELETE ?multipart-manifest=delete`: the segments go, then the manifest, or the version of
/// it that is named.
pub async fn delete(call: Call, version: Named) -> Outcome {
    let form = report::form(&call.headers)?;
    let work = async move {
        let mut deleter = Deleter::new(&call);
        let manifest = call.names();
        match manifest {
            Ok(manifest) => delete_all(&mut deleter, &call, manifest, version, 0).await,
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
    version: Named,
    depth: u8,
) -> BoxFuture<'a, ()> {
    async move {
        let path = format!("/{}/{}", manifest.container, manifest.object);
        match entries_of(call, &manifest, version, depth).await {
            Ok(entries) => {
                for entry in entries {
                    let Entry::Object(entry) = entry else { continue };
                    match entry.named(&manifest) {
                        Ok(named) if entry.sub_slo => {
                            delete_all(deleter, call, named, Named::Latest, depth + 1).await;
                        }
                        Ok(named) => deleter.object(&entry.name, named).await,
                        Err(refusal) => deleter.failed(&entry.name, refusal.status),
                    }
                }
                match version {
                    Named::Latest => deleter.object(&path, manifest).await,
                    version => deleter.version(&path, &manifest, version).await,
                }
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

async fn entries_of(
    call: &Call,
    manifest: &Names,
    version: Named,
    depth: u8,
) -> Result<Vec<Entry>, Refusal> {
    if depth > MOST_LEVELS {
        return Err(Refusal::bad("Manifests are nested too deep"));
    }
    let reader = call.reader();
    reader.may_read(&manifest.account, &manifest.container).await?;
    let how = How { manifests: false, ..How::default() };
    let place = Place { version: version.exactly(), ..manifest.place() };
    let found = reader.find(place, how).await?;
    versions::check(version, &found.object)?;
    if Large::of(&found.object).is_none() {
        return Err(Refusal::bad("Not an SLO manifest"));
    }
    read(&found.content).await
}
