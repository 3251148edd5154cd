//! Versions of objects: `X-Versions-Enabled` and `?version-id`.
//!
//! The store keeps them: a container that had its versions enabled once keeps every version of
//! its objects. While they are disabled, what is written has no version of its own (`null`), and
//! takes the place of such a one before it.

use crate::{
    authorize::Authority,
    call::Call,
    container::empty,
    metadata,
    object::{self, Place},
    refusal::{Outcome, Refusal},
    time,
};
use client::{
    Container, Error, ListedName, Object, ObjectEntry, Precondition, Properties, Stored, Version,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

/// Where a container keeps whether its versions are enabled.
pub const ENABLED: &str = "x-versions-enabled";

/// What an object has that was written while versions were enabled.
const VERSIONED: &str = "versioned";

/// The media type of delete markers, in listings.
pub const DELETED: &str = "application/x-deleted;swift_versions_deleted=1";

/// The MD5 of nothing, which delete markers have in listings.
pub const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// The id of what has no version of its own.
const NULL: &str = "null";

/// Whether a container keeps versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It never did.
    Never,
    /// It does.
    Enabled,
    /// It did, and has them still.
    Disabled,
}

impl State {
    /// Of a container.
    pub fn of(container: &Container) -> Self {
        match metadata::own(&container.properties, ENABLED) {
            None => Self::Never,
            Some("true") => Self::Enabled,
            Some(_) => Self::Disabled,
        }
    }
}

/// What a PUT or POST of a container changes of it.
///
/// # Errors
/// 400 for what is neither true nor false.
pub fn change(headers: &HeaderMap) -> Result<Option<bool>, Refusal> {
    match metadata::text(headers, ENABLED)?.map(str::trim) {
        None | Some("") => Ok(None),
        Some(text) if crate::query::is_true(text) => Ok(Some(true)),
        Some(text)
            if ["false", "0", "no", "off", "f", "n"].contains(&text.to_lowercase().as_str()) =>
        {
            Ok(Some(false))
        }
        Some(_) => Err(Refusal::bad("X-Versions-Enabled must be true or false")),
    }
}

/// The id of a version, as clients see it. One that is the latest and was written while versions
/// were not enabled has none.
pub fn id(entry: &ObjectEntry, versioned: bool) -> String {
    match versioned || entry.marker || !entry.latest {
        true => time::swift(entry.version.0),
        false => NULL.to_owned(),
    }
}

/// Whether an object was written while versions were enabled.
pub fn is_versioned(object: &Object) -> bool {
    is_marked(&object.properties)
}

/// Whether properties are those of an object that was written while versions were enabled.
pub fn is_marked(properties: &Properties) -> bool {
    metadata::own(properties, VERSIONED).is_some()
}

/// Marks an object that is written while versions are enabled.
pub fn mark(state: State, properties: &mut Properties) {
    let key = metadata::own_key(VERSIONED);
    match state {
        State::Enabled => {
            properties.insert(key, "1".to_owned());
        }
        State::Never | State::Disabled => {
            properties.remove(&key);
        }
    }
}

/// The version that a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// None.
    Latest,
    /// The latest, which must have no version of its own.
    Null,
    /// This one.
    Exactly(Version),
}

/// Which version a request names. Versions are the owner's business.
///
/// # Errors
/// 400 for what is no version, or in a container without any; 403 for who is no owner.
pub async fn named(call: &Call, authority: Authority) -> Result<Named, Refusal> {
    let Some(text) = call.query.get("version-id") else { return Ok(Named::Latest) };
    if call.method == http::Method::POST {
        return Err(Refusal::bad("POST to a specific version is not allowed"));
    }
    let container = call.container_for_write(&call.target.account, call.container()?).await?;
    if !authority.owner {
        return Err(call.denied(&call.target.account));
    }
    match text {
        NULL => Ok(Named::Null),
        _ if State::of(&container) == State::Never => {
            Err(Refusal::bad("version-aware operations require that the container is versioned"))
        }
        text => time::parse_swift(text)
            .map(|micros| Named::Exactly(Version(micros)))
            .ok_or_else(|| Refusal::bad("Invalid version parameter")),
    }
}

/// Shows the version of an object that is read, and where just that version is.
pub fn show(call: &Call, headers: &mut HeaderMap, named: Named, object: &Object) {
    let versioned = is_versioned(object);
    let id = id(&object.entry, versioned);
    if versioned || named != Named::Latest {
        metadata::set(headers, "x-object-version-id", &id);
    }
    if versioned && named == Named::Latest {
        let place = format!("{}?version-id={id}", call.target.url_path());
        metadata::set(headers, "content-location", &place);
    }
}

/// How a delete marker is refused to readers: as what is not there, with its version.
pub fn marker(version: Version) -> Refusal {
    let id = HeaderValue::from_str(&time::swift(version.0)).ok();
    let refusal =
        Refusal::not_found().header(header::CONTENT_TYPE, HeaderValue::from_static(DELETED));
    match id {
        Some(id) => refusal.header(HeaderName::from_static("x-object-version-id"), id),
        None => refusal,
    }
}

/// Refuses an object that has a version of its own, where that without one is asked for.
pub fn check(named: Named, object: &Object) -> Result<(), Refusal> {
    match named == Named::Null && is_versioned(object) {
        true => Err(Refusal::not_found()),
        false => Ok(()),
    }
}

/// What is there before something is written that takes its place, while versions are disabled.
pub async fn replaced(
    call: &Call,
    state: State,
    place: Place<'_>,
) -> Result<Option<Version>, Refusal> {
    if state != State::Disabled {
        return Ok(None);
    }
    match call.head_of(place).await {
        Ok(object) if !is_versioned(&object) => Ok(Some(object.entry.version)),
        Ok(_) => Ok(None),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(None),
        Err(refusal) => Err(refusal),
    }
}

/// Removes for good a version whose place was taken.
pub async fn remove(call: &Call, place: Place<'_>, version: Version) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let delete = client.delete_object(&place.account.name, place.container, place.object);
    match delete.version(version).await {
        Ok(_) | Err(Error::NoSuchObject(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tells the version of what was stored.
pub fn stored(headers: &mut HeaderMap, state: State, stored: &Stored) {
    match state {
        State::Never | State::Disabled => {}
        State::Enabled => {
            metadata::set(headers, "x-object-version-id", &time::swift(stored.version.0));
        }
    }
}

/// `PUT ?version-id`: the version becomes the latest again.
pub async fn restore(call: &Call, state: State, version: Version) -> Outcome {
    if call.header("content-length").is_some_and(|length| length != "0") {
        return Err(Refusal::bad("PUT version-id requests require a zero byte body"));
    }
    let place = call.place()?;
    let before = call.head_of(Place { version: Some(version), ..place }).await?;
    let mut properties = before.properties.clone();
    properties.remove(&metadata::own_key(HIDDEN));
    mark(state, &mut properties);
    let linked = call
        .gateway
        .client
        .link_object(&place.account.name, place.container, place.object)
        .version(version)
        .to(&place.account.name, place.container, place.object)
        .replace_properties(properties)
        .await?;
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    if let Some(etag) = object::etag(&before) {
        metadata::set(headers, "etag", &etag);
    }
    metadata::set(headers, "x-object-version-id", &time::swift(linked.version.0));
    Ok(response)
}

/// The most versions that are looked at for one that would show.
const LOOKED_AT: u32 = 100;

/// What a version has that is not current although no newer one is: the delete marker above it,
/// which nobody asked for and listings leave out.
const HIDDEN: &str = "hidden";

/// The marker that hides a version, from its properties.
pub fn hidden_by(properties: &Properties) -> Option<Version> {
    metadata::own(properties, HIDDEN)?.parse().ok().map(Version)
}

/// The newest version with a content, but one.
struct Live {
    version: Version,
    /// Whether a marker hides it already.
    is_hidden: bool,
}

async fn newest_live(call: &Call, place: Place<'_>, but: Version) -> Result<Option<Live>, Refusal> {
    let client = &call.gateway.client;
    let list = client
        .list_objects(&place.account.name, place.container)
        .prefix(place.object.as_str())
        .versions(true)
        .properties(true)
        .limit(LOOKED_AT);
    Ok(list.await?.items.into_iter().find_map(|item| match item {
        ListedName::Entry(e) if e.name == *place.object && e.version != but && !e.marker => {
            let is_hidden = e.properties.as_ref().and_then(hidden_by).is_some();
            Some(Live { version: e.version, is_hidden })
        }
        _ => None,
    }))
}

/// Notes at a version which marker hides it.
async fn note_hidden(
    call: &Call,
    place: Place<'_>,
    version: Version,
    marker: Version,
) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let update = client
        .update_object(&place.account.name, place.container, place.object)
        .version(version)
        .set(metadata::own_key(HIDDEN), marker.0.to_string());
    match update.await {
        // Somebody deleted it meanwhile: there is nothing to hide.
        Ok(()) | Err(Error::NoSuchObject(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Leaves an object without a current version, although there are older ones: what is deleted
/// does not show what was before it.
async fn hide(call: &Call, place: Place<'_>, version: Version) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let delete = client.delete_object(&place.account.name, place.container, place.object);
    let marker = delete.await?.version;
    note_hidden(call, place, version, marker).await
}

/// Leaves a delete marker where there is nothing at all: the deletion is noted.
async fn mark_missing(call: &Call, place: Place<'_>) -> Result<Version, Refusal> {
    let client = &call.gateway.client;
    let (account, container, object) = (&place.account.name, place.container, place.object);
    let stored = client
        .put_object(account, container, object, "")
        .autocreate(false)
        .precondition(Precondition::Absent)
        // Nobody reads it, and should this end here, it goes by itself.
        .delete_at(1)
        .await?;
    let marker = client.delete_object(account, container, object).await?.version;
    remove(call, place, stored.version).await?;
    Ok(marker)
}

/// Deletes one version for good.
async fn delete_exactly(call: &Call, place: Place<'_>, version: Version) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let show = client.show_object(&place.account.name, place.container, place.object);
    let target = show.version(version).await?;
    let delete = || client.delete_object(&place.account.name, place.container, place.object);
    if target.entry.latest {
        if let Some(next) = newest_live(call, place, version).await?.filter(|l| !l.is_hidden) {
            hide(call, place, next.version).await?;
        }
        delete().version(version).await?;
        return Ok(());
    }
    delete().version(version).await?;
    if let Some(marker) = hidden_by(&target.properties) {
        match newest_live(call, place, version).await? {
            Some(next) if !next.is_hidden => {
                note_hidden(call, place, next.version, marker).await?;
            }
            _ => remove(call, place, marker).await?,
        }
    }
    Ok(())
}

/// `DELETE`, of the latest version or the one that is named, in a container with versions.
pub async fn delete(call: &Call, state: State, named: Named) -> Outcome {
    let place = call.place()?;
    let client = &call.gateway.client;
    let (account, container, object) = (&place.account.name, place.container, place.object);
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let latest = match client.show_object(account, container, object).await {
        Ok(object) => Some(object),
        Err(Error::NoSuchObject(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let live = latest.as_ref().filter(|object| !object.entry.marker);
    if let Named::Exactly(version) = named {
        let current = live.filter(|object| object.entry.version != version);
        let current = current.map(|o| id(&o.entry, is_versioned(o)));
        delete_exactly(call, place, version).await?;
        let current = current.as_deref().unwrap_or(NULL);
        metadata::set(headers, "x-object-current-version-id", current);
        metadata::set(headers, "x-object-version-id", &time::swift(version.0));
        return Ok(response);
    }
    let Some(found) = live else {
        // Its deletion is noted all the same.
        let refusal = Refusal::not_found();
        if state != State::Enabled || named == Named::Null {
            return Err(refusal);
        }
        let marker = match latest {
            Some(_) => client.delete_object(account, container, object).await?.version,
            None => mark_missing(call, place).await?,
        };
        return Err(match HeaderValue::from_str(&time::swift(marker.0)) {
            Ok(id) => refusal.header(HeaderName::from_static("x-object-version-id"), id),
            Err(_) => refusal,
        });
    };
    if state == State::Enabled && named == Named::Latest {
        let marker = client.delete_object(account, container, object).await?.version;
        metadata::set(headers, "x-object-version-id", &time::swift(marker.0));
        return Ok(response);
    }
    let version = found.entry.version;
    if is_versioned(found) {
        // It stays, and is current no more.
        hide(call, place, version).await?;
    } else {
        if let Some(next) = newest_live(call, place, version).await?.filter(|l| !l.is_hidden) {
            hide(call, place, next.version).await?;
        }
        remove(call, place, version).await?;
    }
    if named == Named::Null {
        metadata::set(headers, "x-object-version-id", NULL);
    }
    Ok(response)
}
