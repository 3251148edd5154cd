//! Which version of an object is current, and what becomes of it when it is deleted.
//!
//! What is current is the latest version in the store. Where an older one is to be current, or one
//! only for some time, a version without a content says so (`point`); where none is to be, a silent
//! delete marker (`hide`). Clients see neither.

use crate::{
    call::Call,
    container::empty,
    listing::Listed,
    metadata,
    object::{self, Place},
    refusal::{Outcome, Refusal},
    time,
    versions::{NULL, Named, POINTED, State, VERSIONED, id, is_versioned, mark, remove},
};
use client::{Error, ListedName, Object, ObjectEntry, Precondition, Version};
use http::{HeaderName, HeaderValue, StatusCode};
use std::collections::HashMap;

/// The version that is current instead of one that has no content and only says so.
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
    Listed { bytes, current: Some((to.version, to.md5)), ..listed }.kept()
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
