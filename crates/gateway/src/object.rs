//! Objects: PUT, GET, HEAD, POST, DELETE.

use crate::{
    call::Call,
    container::empty,
    content, copy, current, dlo, expiry,
    gateway::Inner,
    history::{self, Archive},
    listing::Listed,
    metadata,
    path::Account,
    quota,
    reader::How,
    refusal::{Outcome, Refusal},
    replaced::Replaced,
    slo::{self, Large},
    symlink::{self, Link},
    time,
    versions::{self, Linked, Named, Read, State},
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
    if call.method.as_str() == "COPY" {
        return copy::from_here(&mut call).await;
    }
    // One that is no text is no object either, and refused as such.
    let from = call.headers.get("x-copy-from").map(|value| value.as_bytes().trim_ascii());
    if call.method == Method::PUT && from.is_some_and(|from| !from.is_empty()) {
        return copy::to_here(&mut call).await;
    }
    let authority = call.authorize().await?;
    let named = versions::named(&call, &call.names()?, authority).await?;
    match call.method.as_str() {
        "GET" | "HEAD" => get(&call, named).await,
        "PUT" if named != Named::Latest => put_version(&mut call, named).await,
        "PUT" if call.query.get("multipart-manifest") == Some("put") => slo::put(call).await,
        "PUT" if symlink::is_put(&call) => symlink::put(&mut call).await,
        "PUT" => put(&mut call).await,
        "POST" => post(&call).await,
        "DELETE" if call.query.get("multipart-manifest") == Some("delete") => {
            slo::delete(call, named).await
        }
        "DELETE" => delete(&call, named).await,
        _ => {
            let allowed = "HEAD, GET, PUT, POST, COPY, DELETE, OPTIONS";
            Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)
                .header(header::ALLOW, HeaderValue::from_static(allowed)))
        }
    }
}

/// An object by its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The account.
    pub account: Account,
    /// The container.
    pub container: ContainerName,
    /// The object.
    pub object: ObjectName,
}

impl Names {
    /// Where its latest version is.
    pub fn place(&self) -> Place<'_> {
        let Self { account, container, object } = self;
        Place { account, container, object, version: None }
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

    /// The object that the path names, apart from the request.
    pub fn names(&self) -> Result<Names, Refusal> {
        let Place { account, container, object, .. } = self.place()?;
        let (account, container) = (account.clone(), container.clone());
        Ok(Names { account, container, object: object.clone() })
    }

    /// Whether it is about a manifest itself, not about what it names.
    pub fn wants_manifest(&self) -> bool {
        self.query.get("multipart-manifest") == Some("get")
    }

    /// Whether it is about a link itself, not about what it leads to.
    pub fn wants_link(&self) -> bool {
        self.query.get("symlink") == Some("get")
    }

    /// What is known of an object; 404 for what has expired.
    pub async fn head_of(&self, place: Place<'_>) -> Result<Object, Refusal> {
        self.gateway.head_of(place).await
    }

    /// What is there for readers, if anything is.
    pub async fn there(&self, place: Place<'_>) -> Result<Option<Object>, Refusal> {
        match self.head_of(place).await {
            Ok(object) => Ok(Some(object)),
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// The container that a path names, for writing into it. Where versions are disabled, things go
    /// for good: whether they still are is not taken from memory.
    pub async fn container_for_write(
        &self,
        account: &Account,
        container: &ContainerName,
    ) -> Result<Arc<Container>, Refusal> {
        let found = match self.gateway.container(&account.name, container).await? {
            Some(found) if State::of(&found) == State::Disabled => {
                self.gateway.container_now(&account.name, container).await?
            }
            found => found,
        };
        found.ok_or_else(Refusal::not_found)
    }
}

impl Inner {
    /// What is known of an object; 404 for what has expired.
    pub async fn head_of(&self, place: Place<'_>) -> Result<Object, Refusal> {
        let show = || self.client.show_object(&place.account.name, place.container, place.object);
        for _ in 0..TRIES {
            let object = match place.version {
                Some(version) => show().version(version).await?,
                None => show().await?,
            };
            check_alive(&object, place)?;
            let Some(version) = current::pointed(&object.entry) else { return Ok(object) };
            match show().version(version).await {
                // Something else is current by now.
                Err(Error::NoSuchObject(_)) => {}
                current => {
                    let mut current = current?;
                    current.entry.delete_at = object.entry.delete_at;
                    return Ok(current);
                }
            }
        }
        Err(Refusal::not_found())
    }

    /// An object to be read; 404 for what has expired.
    pub async fn open(&self, place: Place<'_>) -> Result<(Object, OpenObject), Refusal> {
        let get = || self.client.get_object(&place.account.name, place.container, place.object);
        for _ in 0..TRIES {
            let opened = match place.version {
                Some(version) => match get().version(version).open().await {
                    // What is told of a delete marker tells its version.
                    Err(error @ Error::NoSuchObject(_)) => {
                        self.head_of(place).await?;
                        return Err(error.into());
                    }
                    opened => opened?,
                },
                None => get().open().await?,
            };
            let object = opened.object().clone();
            check_alive(&object, place)?;
            let Some(version) = current::pointed(&object.entry) else {
                return Ok((object, opened));
            };
            match get().version(version).open().await {
                // Something else is current by now.
                Err(Error::NoSuchObject(_)) => {}
                opened => {
                    let opened = opened?;
                    let mut current = opened.object().clone();
                    current.entry.delete_at = object.entry.delete_at;
                    return Ok((current, opened));
                }
            }
        }
        Err(Refusal::not_found())
    }
}

/// Refuses what is not there for readers: delete markers, and what has expired.
fn check_alive(object: &Object, place: Place<'_>) -> Result<(), Refusal> {
    let entry = &object.entry;
    if place.version.is_some() && !current::is_seen(entry) {
        return Err(Refusal::not_found());
    }
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
    if Large::of(object).is_some() {
        metadata::set(&mut headers, "x-static-large-object", "True");
    }
    if let Some(link) = Link::of(&object.properties) {
        link.show(&mut headers);
    }
    headers
}

/// The entity tag of an object: its MD5, where that is known.
pub fn etag(object: &Object) -> Option<String> {
    object.entry.md5.map(hex::encode)
}

async fn get(call: &Call, named: Named) -> Outcome {
    let place = Place { version: named.exactly(), ..call.place()? };
    let how = How {
        body: call.method == Method::GET,
        manifests: !call.wants_manifest(),
        links: !call.wants_link(),
        ..How::default()
    };
    let mut found = call.reader().find(place, how).await?;
    versions::check(named, &found.object)?;
    let container = call.gateway.container(&place.account.name, place.container).await?;
    let state = container.map_or(State::Never, |container| State::of(&container));
    let linked = Linked::of(&call.names()?, &found.names);
    let read = Read { state, named, linked };
    versions::show(call, &mut found.content.headers, read, &found.object);
    let content = match how.manifests {
        true => found.content,
        false => slo::manifest(call, found).await?,
    };
    content::answer(call, content).await
}

/// The media type of an object that is stored: the one the client says, or what its name tells.
pub fn content_type(headers: &HeaderMap, object: &ObjectName) -> Result<String, Refusal> {
    let detect = metadata::text(headers, "x-detect-content-type")?;
    let detect = detect.is_some_and(crate::query::is_true);
    let said = metadata::content_type(headers)?;
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
        None if call
            .header("transfer-encoding")
            .is_some_and(|t| !t.eq_ignore_ascii_case("chunked")) =>
        {
            Err(Refusal::new(StatusCode::NOT_IMPLEMENTED))
        }
        None if call.headers.contains_key(header::TRANSFER_ENCODING) => Ok(None),
        None => Err(Refusal::says(StatusCode::LENGTH_REQUIRED, "Missing Content-Length header.")),
    }
}

/// `PUT ?version-id`: nothing is stored.
async fn put_version(call: &mut Call, named: Named) -> Outcome {
    let Some(version) = named.exactly() else {
        return Err(Refusal::bad("Invalid version parameter"));
    };
    if call.query.has("multipart-manifest") || symlink::is_put(call) {
        return Err(Refusal::bad("A version is made current by a PUT of nothing else"));
    }
    let container = call.container_for_write(&call.target.account, call.container()?).await?;
    quota::check_upload(call, &call.target.account, &container, Some(0)).await?;
    current::restore(call, version).await
}

async fn put(call: &mut Call) -> Outcome {
    dlo::check(&call.headers)?;
    let container = call.container_for_write(&call.target.account, call.container()?).await?;
    let bytes = announced(call)?;
    let object = call.object()?.clone();
    let upload = Upload {
        mime_type: content_type(&call.headers, &object)?,
        properties: metadata::of_new_object(&call.headers)?,
        delete_at: expiry::of(&call.headers, time::now_seconds())?,
        precondition: precondition(call).await?,
        etag: expected_etag(call)?,
        bytes,
        source: call.body.source(),
    };
    store(call, &container, call.place()?, upload).await
}

/// Something to be stored.
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
pub async fn store(
    call: &Call,
    container: &Container,
    place: Place<'_>,
    upload: Upload,
) -> Outcome {
    let account = place.account;
    quota::check_upload(call, account, container, upload.bytes).await?;
    let state = State::of(container);
    let replaced = Replaced::before(call, container, place).await?;
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
    if replaced.stays() {
        put = put.keep_latest();
    }
    // A version of its own stays; that it is current is what ends.
    let ends = delete_at.filter(|_| state == State::Enabled);
    if let Some(at) = delete_at.filter(|_| ends.is_none()) {
        put = put.delete_at(at);
    }
    if let Some(bytes) = bytes {
        put = put.expect_length(bytes);
    }
    if let Some(etag) = etag {
        put = put.expect_etag(etag);
    }
    let stored = put.await?;
    replaced.remove(call, place, stored.version).await;
    if ends.is_some() {
        current::expire(call, place, stored.version, ends).await?;
    }
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    metadata::set(headers, "etag", &stored.etag());
    metadata::set(headers, "last-modified", &time::http(stored.version.0));
    versions::stored(headers, state, &stored);
    Ok(response)
}

/// What must hold of the object when it is stored.
pub async fn precondition(call: &Call) -> Result<Precondition, Refusal> {
    match call.headers.get(header::IF_NONE_MATCH).map(|value| value.as_bytes().trim_ascii()) {
        None | Some(b"") => Ok(Precondition::None),
        Some(b"*") => {
            // So that nobody sends a large body for nothing; the commit checks it again.
            match call.there(call.place()?).await? {
                Some(_) => Err(Refusal::new(StatusCode::PRECONDITION_FAILED)),
                None => Ok(Precondition::Absent),
            }
        }
        Some(_) => Err(Refusal::bad("If-None-Match only supports *")),
    }
}

/// The MD5 a client says the content has.
fn expected_etag(call: &Call) -> Result<Option<String>, Refusal> {
    let Some(etag) = call.headers.get(header::ETAG) else { return Ok(None) };
    // What is no text is an entity tag that nothing has.
    let etag = String::from_utf8_lossy(etag.as_bytes());
    let etag = etag.trim().trim_matches('"').to_ascii_lowercase();
    if etag.is_empty() {
        return Ok(None);
    }
    match etag.len() == 32 && etag.bytes().all(|b| b.is_ascii_hexdigit()) {
        true => Ok(Some(etag)),
        false => Err(Refusal::new(StatusCode::UNPROCESSABLE_ENTITY)),
    }
}

async fn post(call: &Call) -> Outcome {
    symlink::check_post(call)?;
    dlo::check(&call.headers)?;
    let place = call.place()?;
    let delete_at = expiry::of(&call.headers, time::now_seconds())?;
    for _ in 0..TRIES {
        let before = call.head_of(place).await?;
        let is_version = versions::is_versioned(&before);
        let after = metadata::of_posted_object(&call.headers, &before.properties)?;
        let said = metadata::content_type(&call.headers)?;
        let mut update = call
            .gateway
            .client
            .update_object(&place.account.name, place.container, place.object)
            // What is known of the object is known of this version.
            .version(before.entry.version)
            .clear()
            .set_all(after)
            .delete_at(delete_at.filter(|_| !is_version));
        if let Some(said) = said {
            let listed = Listed {
                mime_type: Listed::of(said).mime_type,
                ..Listed::of(&before.entry.mime_type)
            };
            update = update.mime_type(listed.kept());
        }
        match update.await {
            Err(Error::NoSuchObject(_)) => {}
            done => {
                done?;
                if is_version {
                    current::expire(call, place, before.entry.version, delete_at).await?;
                }
                // A link takes what is meant for it, and says where it leads.
                return match Link::of(&before.properties) {
                    Some(link) => Err(link.redirect(place.account)),
                    None => Ok(empty(StatusCode::ACCEPTED)),
                };
            }
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT))
}

async fn delete(call: &Call, named: Named) -> Outcome {
    let place = call.place()?;
    let asked = expiry::asked(&call.headers)?;
    let container = call.container_for_write(place.account, place.container).await?;
    remove(call, &container, (place, named), asked).await
}

/// Whether a container has its objects deleted as the store does.
pub fn deletes_plainly(container: &Container) -> bool {
    State::of(container) == State::Never && Archive::of(container).is_none()
}

/// Deletes an object of a container that was looked up, as its archive and its versions have it;
/// only what ends when it is `asked` to, where that is said.
///
/// # Errors
/// 404 if there is none, 412 if that ends at another time.
pub async fn remove(
    call: &Call,
    container: &Container,
    (place, named): (Place<'_>, Named),
    asked: Option<u64>,
) -> Outcome {
    // A version that is named is that, and nothing else.
    let archive = Archive::of(container).filter(|_| named.exactly().is_none());
    if let Some(archive) = archive {
        history::delete(call, container, &archive, place, asked).await?;
        return Ok(empty(StatusCode::NO_CONTENT));
    }
    match State::of(container) {
        State::Never => remove_plainly(call, place, asked).await,
        state => current::delete(call, state, (place, named), asked).await,
    }
}

async fn remove_plainly(call: &Call, place: Place<'_>, asked: Option<u64>) -> Outcome {
    for _ in 0..TRIES {
        let found = call.head_of(place).await?;
        expiry::check(asked, found.entry.delete_at)?;
        let still = match asked {
            Some(_) => Precondition::Version(found.entry.version),
            None => Precondition::None,
        };
        let client = &call.gateway.client;
        let delete = client.delete_object(&place.account.name, place.container, place.object);
        match delete.precondition(still).await {
            // It was overwritten meanwhile.
            Err(Error::Precondition(_)) => {}
            done => {
                done?;
                return Ok(empty(StatusCode::NO_CONTENT));
            }
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT))
}
