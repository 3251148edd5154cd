//! Objects: PUT, GET, HEAD, POST, DELETE.

use crate::{
    call::Call,
    container::empty,
    content::{self, Content, Origin},
    copy, expiry,
    history::{self, Archive},
    listing::Listed,
    metadata,
    path::Account,
    quota,
    refusal::{Outcome, Refusal},
    time,
    versions::{self, Named, State},
};
use client::{
    Container, ContainerName, Error, Object, ObjectName, OpenObject, Precondition, Properties,
    Source, Version,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use std::sync::Arc;

/// What an object is where nobody says and its name does not tell.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Times a POST looks again when the object was overwritten meanwhile.
const TRIES: u32 = 8;

/// Answers a request to an object.
pub async fn answer(mut call: Call) -> Outcome {
    // A copy asks first for what it reads.
    let copies = call.method.as_str() == "COPY" || call.headers.contains_key("x-copy-from");
    if copies {
        return match call.method.as_str() {
            "COPY" => copy::from_here(&mut call).await,
            _ => copy::to_here(&mut call).await,
        };
    }
    let authority = call.authorize().await?;
    let named = versions::named(&call, authority).await?;
    match call.method.as_str() {
        "GET" | "HEAD" => get(&call, named).await,
        "PUT" => put(&mut call, named).await,
        "POST" => post(&call).await,
        "DELETE" => delete(&call, named).await,
        _ => {
            let allowed = "HEAD, GET, PUT, POST, COPY, DELETE, OPTIONS";
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)
                .header(header::ALLOW, HeaderValue::from_static(allowed)))
        }
    }
}

/// Where an object is.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The account.
    pub account: &'a Account,
    /// The container.
    pub container: &'a ContainerName,
    /// The object.
    pub object: &'a ObjectName,
    /// The version; the latest otherwise.
    pub version: Option<Version>,
}

impl Call {
    /// The object that the path names.
    pub fn place(&self) -> Result<Place<'_>, Refusal> {
        Ok(Place {
            account: &self.target.account,
            container: self.container()?,
            object: self.object()?,
            version: None,
        })
    }

    /// What is known of an object; 404 for what has expired.
    pub async fn head_of(&self, place: Place<'_>) -> Result<Object, Refusal> {
        let client = &self.gateway.client;
        let mut show = client.show_object(&place.account.name, place.container, place.object);
        if let Some(version) = place.version {
            show = show.version(version);
        }
        let object = show.await?;
        check_alive(&object, place)?;
        Ok(object)
    }

    /// An object to be read; 404 for what has expired.
    pub async fn open(&self, place: Place<'_>) -> Result<OpenObject, Refusal> {
        let client = &self.gateway.client;
        let mut get = client.get_object(&place.account.name, place.container, place.object);
        if let Some(version) = place.version {
            get = get.version(version);
        }
        let opened = get.open().await?;
        check_alive(opened.object(), place)?;
        Ok(opened)
    }

    /// The container that a path names, for writing into it.
    pub async fn container_for_write(
        &self,
        account: &Account,
        container: &ContainerName,
    ) -> Result<Arc<Container>, Refusal> {
        let found = self.gateway.container(&account.name, container).await?;
        found.ok_or_else(Refusal::not_found)
    }
}

/// Refuses what is not there for readers: delete markers, and what has expired.
fn check_alive(object: &Object, place: Place<'_>) -> Result<(), Refusal> {
    let entry = &object.entry;
    if entry.marker && place.version.is_some() {
        return Err(versions::marker(entry.version));
    }
    let now = time::now_seconds();
    match entry.marker || entry.delete_at.is_some_and(|at| at <= now) {
        true => Err(Refusal::not_found()),
        false => Ok(()),
    }
}

/// What is shown of an object, its length and entity tag apart.
pub fn shown(object: &Object) -> HeaderMap {
    let entry = &object.entry;
    let mut headers = HeaderMap::new();
    metadata::set(&mut headers, "content-type", Listed::of(&entry.mime_type).mime_type);
    metadata::set(&mut headers, "x-timestamp", &time::swift(entry.modified));
    if let Some(at) = entry.delete_at {
        metadata::set(&mut headers, "x-delete-at", &at.to_string());
    }
    metadata::show_object(&mut headers, &object.properties);
    headers
}

/// The entity tag of an object: its MD5, where that is known.
pub fn etag(object: &Object) -> Option<String> {
    object.entry.md5.map(hex::encode)
}

/// An object as something to be read.
pub fn content(object: &Object, origin: Option<Box<dyn Origin>>) -> Content {
    Content {
        headers: shown(object),
        size: object.entry.size,
        etag: etag(object),
        modified: object.entry.modified,
        origin,
    }
}

async fn get(call: &Call, named: Named) -> Outcome {
    let mut place = call.place()?;
    if let Named::Exactly(version) = named {
        place.version = Some(version);
    }
    let (object, origin): (_, Option<Box<dyn Origin>>) = match call.method {
        Method::HEAD => (call.head_of(place).await?, None),
        _ => {
            let opened = call.open(place).await?;
            (opened.object().clone(), Some(Box::new(opened)))
        }
    };
    versions::check(named, &object)?;
    let mut content = content(&object, origin);
    versions::show(call, &mut content.headers, named, &object);
    content::answer(call, content).await
}

/// The media type of an object that is stored: the one the client says, or what its name tells.
pub fn content_type(call: &Call, object: &ObjectName) -> Result<String, Refusal> {
    let detect = call.header("x-detect-content-type").is_some_and(crate::query::is_true);
    let said = metadata::text(&call.headers, "content-type")?.filter(|text| !text.is_empty());
    Ok(match said.filter(|_| !detect) {
        // What listings are told is ours to say.
        Some(said) => Listed::of(said).mime_type.to_owned(),
        None => guess(object.as_str()).to_owned(),
    })
}

fn guess(name: &str) -> &'static str {
    // As Swift's Python has it.
    if name.ends_with(".wav") {
        return "audio/x-wav";
    }
    mime_guess::from_path(name).first_raw().unwrap_or(UNKNOWN_TYPE)
}

/// The bytes a client says it sends; none where it sends until it ends.
///
/// # Errors
/// 411 where it says nothing at all, 413 for more than one request may bring.
pub fn announced(call: &Call) -> Result<Option<u64>, Refusal> {
    match call.headers.get(header::CONTENT_LENGTH) {
        Some(length) => {
            let length = length.to_str().ok().and_then(|text| text.parse::<u64>().ok());
            let length =
                length.ok_or_else(|| Refusal::bad("Invalid Content-Length header value"))?;
            if length > crate::limits::FILE_BYTES {
                let text = "Your request is too large.";
                return Err(Refusal::says(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            Ok(Some(length))
        }
        None if call.header("transfer-encoding").is_some_and(|t| t != "chunked") => {
            Err(Refusal::new(StatusCode::NOT_IMPLEMENTED))
        }
        None if call.headers.contains_key(header::TRANSFER_ENCODING) => Ok(None),
        None => Err(Refusal::says(StatusCode::LENGTH_REQUIRED, "Missing Content-Length header.")),
    }
}

async fn put(call: &mut Call, named: Named) -> Outcome {
    let container = call.container_for_write(&call.target.account, call.container()?).await?;
    if let Named::Exactly(version) = named {
        return versions::restore(call, State::of(&container), version).await;
    }
    let bytes = announced(call)?;
    let object = call.object()?.clone();
    let upload = Upload {
        mime_type: content_type(call, &object)?,
        properties: metadata::of_new_object(&call.headers)?,
        delete_at: expiry::of(&call.headers, time::now_seconds())?,
        precondition: precondition(call).await?,
        etag: expected_etag(call)?,
        bytes,
        source: call.body.source(),
    };
    store(call, &container, upload).await
}

/// Something to be stored as the object that a request names.
pub struct Upload {
    /// Its bytes.
    pub source: Source,
    /// How many there are, if that is known.
    pub bytes: Option<u64>,
    /// The MD5 they must have.
    pub etag: Option<String>,
    /// What it is.
    pub mime_type: String,
    /// Its properties.
    pub properties: Properties,
    /// When it is to go.
    pub delete_at: Option<u64>,
    /// What must hold when it is stored.
    pub precondition: Precondition,
}

/// Stores an object in a container that was looked up: quotas and versions are seen to.
pub async fn store(call: &Call, container: &Container, upload: Upload) -> Outcome {
    let account = &call.target.account;
    quota::check_upload(call, account, container, upload.bytes).await?;
    let place = call.place()?;
    let state = State::of(container);
    history::save(call, container, place).await?;
    let replaced = versions::replaced(call, state, place).await?;
    let Upload { source, bytes, etag, mime_type, mut properties, delete_at, precondition } = upload;
    versions::mark(state, &mut properties);
    let mut put = call
        .gateway
        .client
        .put_object(&account.name, &container.name, place.object, source)
        .autocreate(false)
        .md5(true)
        .mime_type(mime_type)
        .properties(properties)
        .precondition(precondition);
    if let Some(at) = delete_at {
        put = put.delete_at(at);
    }
    if let Some(bytes) = bytes {
        put = put.expect_length(bytes);
    }
    if let Some(etag) = etag {
        put = put.expect_etag(etag);
    }
    let stored = put.await?;
    if let Some(version) = replaced {
        versions::remove(call, place, version).await?;
    }
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    metadata::set(headers, "etag", &stored.etag());
    metadata::set(headers, "last-modified", &time::http(stored.version.0));
    versions::stored(headers, state, &stored);
    Ok(response)
}

/// What must hold of the object when it is stored.
async fn precondition(call: &Call) -> Result<Precondition, Refusal> {
    match call.header("if-none-match") {
        None => Ok(Precondition::None),
        Some("*") => {
            // So that nobody sends a large body for nothing; the commit checks it again.
            match call.head_of(call.place()?).await {
                Ok(_) => Err(Refusal::new(StatusCode::PRECONDITION_FAILED)),
                Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(Precondition::Absent),
                Err(refusal) => Err(refusal),
            }
        }
        Some(_) => Err(Refusal::bad("If-None-Match only supports *")),
    }
}

/// The MD5 a client says the content has.
fn expected_etag(call: &Call) -> Result<Option<String>, Refusal> {
    let Some(etag) = call.header("etag") else { return Ok(None) };
    let etag = etag.trim_matches('"').to_ascii_lowercase();
    match etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(Some(etag)),
        false => Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

async fn post(call: &Call) -> Outcome {
    let place = call.place()?;
    let delete_at = expiry::of(&call.headers, time::now_seconds())?;
    for _ in 0..TRIES {
        let before = call.head_of(place).await?;
        let after = metadata::of_posted_object(&call.headers, &before.properties)?;
        let said = metadata::text(&call.headers, "content-type")?.filter(|text| !text.is_empty());
        let mut update = call
            .gateway
            .client
            .update_object(&place.account.name, place.container, place.object)
            // What is known of the object is known of this version.
            .version(before.entry.version)
            .clear()
            .set_all(after)
            .delete_at(delete_at);
        if let Some(said) = said {
            let listed = Listed { mime_type: said, ..Listed::of(&before.entry.mime_type) };
            update = update.mime_type(listed.kept());
        }
        match update.await {
            Err(Error::NoSuchObject(_)) => {}
            done => {
                done?;
                return Ok(empty(StatusCode::ACCEPTED));
            }
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT))
}

async fn delete(call: &Call, named: Named) -> Outcome {
    let place = call.place()?;
    let asked = call.header("x-if-delete-at").map(str::parse::<u64>).transpose();
    let asked = asked.map_err(|_| Refusal::bad("Bad X-If-Delete-At header value"))?;
    let container = call.container_for_write(place.account, place.container).await?;
    let state = State::of(&container);
    if let Some(archive) = Archive::of(&container) {
        history::delete(call, &archive, place).await?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    if state != State::Never {
        return versions::delete(call, state, named).await;
    }
    let object = call.head_of(place).await?;
    if asked.is_some_and(|at| object.entry.delete_at != Some(at)) {
        return Err(Refusal::new(StatusCode::PRECONDITION_FAILED));
    }
    let client = &call.gateway.client;
    client.delete_object(&place.account.name, place.container, place.object).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}
