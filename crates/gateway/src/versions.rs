//! Versions of objects: `X-Versions-Enabled` and `?version-id`.
//!
//! The store keeps them: a container that had its versions enabled once keeps every version of
//! its objects. While they are disabled, what is written has no version of its own (`null`), and
//! takes the place of such a one before it.
//!
//! What is current is the latest version in the store. Where an older one is to be current, or one
//! only for some time, a version without a content says so (`point`); where none is to be, a silent
//! delete marker (`hide`). Clients see neither.

use crate::{
    authorize::Authority,
    call::Call,
    container::empty,
    listing::Listed,
    metadata,
    object::{self, Names, Place},
    refusal::{Outcome, Refusal},
    time,
};
use client::{
    Container, Error, ListedName, Object, ObjectEntry, Precondition, Properties, Stored, Version,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use std::collections::HashMap;

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
    properties.remove(&metadata::own_key(POINTED));
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

impl Named {
    /// The version, if it is a certain one.
    pub fn exactly(self) -> Option<Version> {
        match self {
            Self::Exactly(version) => Some(version),
            Self::Latest | Self::Null => None,
        }
    }
}

/// Which version of an object a request names. Versions are the owner's business.
///
/// # Errors
/// 400 for what is no version, or in a container without any; 403 for who is no owner.
pub async fn named(call: &Call, of: &Names, authority: Authority) -> Result<Named, Refusal> {
    let Some(text) = call.query.get("version-id") else { return Ok(Named::Latest) };
    if call.method == http::Method::POST {
        return Err(Refusal::bad("POST to a specific version is not allowed"));
    }
    let container = call.container_for_write(&of.account, &of.container).await?;
    if !authority.owner {
        return Err(call.denied(&of.account));
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

/// The version that is current instead of one that has no content and only says so, with the MD5
/// of its content.
pub fn pointed(entry: &ObjectEntry) -> Option<Version> {
    Listed::of(&entry.mime_type).current.map(|(version, _)| version)
}

/// Whether clients see a version: neither what only says which one is current, nor the marker of
/// what is over without having been deleted.
pub fn is_seen(entry: &ObjectEntry) -> bool {
    match entry.marker {
        true => entry.delete_at.is_none(),
        false => pointed(entry).is_none(),
    }
}

/// What a version has that was made current once, by another that only says so.
const POINTED: &str = "pointed";

/// Makes a version current, until something else is: by a version above it that has no content.
async fn point(
    call: &Call,
    place: Place<'_>,
    to: &Object,
    delete_at: Option<u64>,
    precondition: Precondition,
) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let (account, container, object) = (&place.account.name, place.container, place.object);
    let noted = client
        .update_object(account, container, object)
        .version(to.entry.version)
        .set(metadata::own_key(POINTED), "1")
        .set(metadata::own_key(VERSIONED), "1");
    noted.await?;
    let mut properties = to.properties.clone();
    mark(State::Enabled, &mut properties);
    let mut put = client
        .put_object(account, container, object, "")
        .autocreate(false)
        .mime_type(pointer(&to.entry, &to.entry.mime_type))
        .properties(properties)
        .precondition(precondition);
    if let Some(at) = delete_at {
        put = put.delete_at(at);
    }
    put.await?;
    Ok(())
}

/// The media type of what makes a version current, which has the media type `kept`.
fn pointer(to: &ObjectEntry, kept: &str) -> String {
    let listed = Listed::of(kept);
    let bytes = Some(listed.bytes.unwrap_or(to.size));
    Listed { bytes, current: Some((to.version, to.md5.unwrap_or_default())), ..listed }.kept()
}

/// Lets a version that is current be so until `delete_at`. It stays itself.
pub async fn expire(
    call: &Call,
    place: Place<'_>,
    version: Version,
    delete_at: Option<u64>,
) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let (account, container, object) = (&place.account.name, place.container, place.object);
    let latest = client.show_object(account, container, object).await?.entry;
    let is_pointed = pointed(&latest) == Some(version);
    if !is_pointed && (latest.version != version || delete_at.is_none()) {
        return Ok(());
    }
    let current = client.show_object(account, container, object).version(version).await?;
    let done = if is_pointed {
        let update = client.update_object(account, container, object).version(latest.version);
        let kind = pointer(&current.entry, &current.entry.mime_type);
        update.mime_type(kind).delete_at(delete_at).await.map_err(Refusal::from)
    } else {
        let still = Precondition::Version(version);
        point(call, place, &current, delete_at, still).await
    };
    match done {
        // Something else is current meanwhile.
        Err(refusal)
            if [StatusCode::PRECONDITION_FAILED, StatusCode::NOT_FOUND]
                .contains(&refusal.status) =>
        {
            Ok(())
        }
        done => done,
    }
}

/// `PUT ?version-id`: the version is current again.
pub async fn restore(call: &mut Call, version: Version) -> Outcome {
    let announced = call.header("content-length").is_some_and(|length| length != "0");
    if announced || !call.body.is_empty().await? {
        return Err(Refusal::bad("PUT version-id requests require a zero byte body"));
    }
    let place = call.place()?;
    let before = call.head_of(Place { version: Some(version), ..place }).await?;
    point(call, place, &before, None, Precondition::None).await?;
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    if let Some(etag) = object::etag(&before) {
        metadata::set(headers, "etag", &etag);
    }
    metadata::set(headers, "x-object-version-id", &time::swift(version.0));
    Ok(response)
}

/// Versions of a page of a listing as clients see them.
pub async fn seen(
    call: &Call,
    items: Vec<ListedName<ObjectEntry>>,
) -> Result<Vec<ListedName<ObjectEntry>>, Refusal> {
    let client = &call.gateway.client;
    let entries = || {
        items.iter().filter_map(|item| match item {
            ListedName::Entry(entry) => Some(entry),
            ListedName::Prefix(_) => None,
        })
    };
    let latest = entries().filter(|entry| entry.latest);
    let mut current: HashMap<_, _> = latest.map(|e| (e.name.clone(), pointed(e))).collect();
    // The first and the last name may have their latest version on another page.
    for entry in [entries().next(), entries().next_back()].into_iter().flatten() {
        if !current.contains_key(&entry.name) {
            let show = client.show_object(call.account(), call.container()?, &entry.name);
            let found = match show.await {
                Ok(object) => pointed(&object.entry),
                Err(Error::NoSuchObject(_)) => None,
                Err(error) => return Err(error.into()),
            };
            current.insert(entry.name.clone(), found);
        }
    }
    let items = items.into_iter().filter_map(|item| match item {
        ListedName::Entry(entry) if !is_seen(&entry) => None,
        ListedName::Entry(mut entry) => {
            if let Some(Some(version)) = current.get(&entry.name) {
                entry.latest = entry.version == *version;
            }
            Some(ListedName::Entry(entry))
        }
        folded => Some(folded),
    });
    Ok(items.collect())
}

/// Versions that are looked at in one go.
const PAGE: u32 = 100;

/// What there is of an object beside one version.
#[derive(Default)]
struct Others {
    /// Whether there is anything that clients see.
    seen: bool,
    /// What makes the version current, or did.
    pointers: Vec<Version>,
    /// What clients do not see; all of it, unless there is something that they do.
    unseen: Vec<Version>,
}

/// Looks at what there is beside a version, as far as matters.
async fn others(call: &Call, place: Place<'_>, but: &Object) -> Result<Others, Refusal> {
    let client = &call.gateway.client;
    let was_pointed = metadata::own(&but.properties, POINTED).is_some();
    let (mut others, mut next) = (Others::default(), None);
    loop {
        let mut list = client
            .list_objects(&place.account.name, place.container)
            .prefix(place.object.as_str())
            .versions(true)
            .limit(PAGE);
        if let Some(next) = next.take() {
            list = list.resume(next);
        }
        let page = list.await?;
        for item in page.items {
            let ListedName::Entry(entry) = item else { continue };
            let newer = entry.version > but.entry.version;
            let enough = others.seen && !(was_pointed && newer);
            if entry.name != *place.object || enough {
                return Ok(others);
            }
            match (entry.version == but.entry.version, is_seen(&entry)) {
                (true, _) => {}
                (false, true) => others.seen = true,
                (false, false) if pointed(&entry) == Some(but.entry.version) => {
                    others.pointers.push(entry.version);
                }
                (false, false) => others.unseen.push(entry.version),
            }
        }
        next = page.next;
        if next.is_none() {
            return Ok(others);
        }
    }
}

/// Removes a version for good, with what says that it is current, and with the last version what
/// nobody sees. What is older than what is current does not show through.
async fn remove_with_all(
    call: &Call,
    place: Place<'_>,
    target: &Object,
    is_current: bool,
) -> Result<(), Refusal> {
    let Others { seen, pointers, unseen } = others(call, place, target).await?;
    if is_current && seen {
        hide(call, place).await?;
    }
    for pointer in pointers {
        remove(call, place, pointer).await?;
    }
    remove(call, place, target.entry.version).await?;
    // The oldest first.
    for version in unseen.into_iter().rev().filter(|_| !seen) {
        remove(call, place, version).await?;
    }
    Ok(())
}

/// Leaves an object without a current version: what is older does not show.
async fn hide(call: &Call, place: Place<'_>) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    client.delete_object(&place.account.name, place.container, place.object).silent().await?;
    Ok(())
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

/// `DELETE`, of the latest version or the one that is named, in a container with versions.
pub async fn delete(call: &Call, state: State, place: Place<'_>, named: Named) -> Outcome {
    let client = &call.gateway.client;
    let (account, container, object) = (&place.account.name, place.container, place.object);
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let latest = match client.show_object(account, container, object).await {
        Ok(object) => Some(object),
        Err(Error::NoSuchObject(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let pointer = latest.as_ref().filter(|latest| pointed(&latest.entry).is_some());
    let current = match call.head_of(place).await {
        Ok(object) => Some(object),
        Err(refusal) if refusal.status == StatusCode::NOT_FOUND => None,
        Err(refusal) => return Err(refusal),
    };
    if let Named::Exactly(version) = named {
        let target = client.show_object(account, container, object).version(version).await?;
        if !is_seen(&target.entry) {
            return Err(Refusal::not_found());
        }
        let is_current = latest.is_some_and(|latest| {
            latest.entry.version == version || pointed(&latest.entry) == Some(version)
        });
        remove_with_all(call, place, &target, is_current).await?;
        let left = current.filter(|_| !is_current).map(|o| id(&o.entry, is_versioned(&o)));
        let left = left.as_deref().unwrap_or(NULL);
        metadata::set(headers, "x-object-current-version-id", left);
        metadata::set(headers, "x-object-version-id", &time::swift(version.0));
        return Ok(response);
    }
    let Some(found) = current else {
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
    } else if is_versioned(&found) {
        // It stays, and is current no more.
        hide(call, place).await?;
    } else {
        remove_with_all(call, place, &found, true).await?;
    }
    if let Some(pointer) = pointer {
        remove(call, place, pointer.entry.version).await?;
    }
    if named == Named::Null {
        metadata::set(headers, "x-object-version-id", NULL);
    }
    Ok(response)
}
