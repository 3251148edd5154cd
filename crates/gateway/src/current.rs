//! Which version of an object is current, and what becomes of it when it is deleted.
//!
//! What is current is the latest version in the store. Where an older one is to be current, or one
//! only for some time, a version without a content says so (`point`); where none is to be, a silent
//! delete marker (`hide`). Clients see neither.

use crate::{
    call::Call,
    container::empty,
    expiry,
    listing::Listed,
    metadata,
    object::{self, Place},
    refusal::{Outcome, Refusal},
    time,
    versions::{
        NULL, Named, Next, PAGE, State, VERSIONED, all, id, is_versioned, mark, page, remove,
    },
};
use client::{ContainerName, Error, ListedName, Object, ObjectEntry, Precondition, Version};
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
///
/// # Errors
/// 404 if the version is not there, or goes meanwhile: who removes it looks for pointers to it when
/// it is gone, and here it is looked for when the pointer is there, so that one of both sees it.
/// 409 where the store keeps no versions, whatever was known of the container.
async fn point(
    call: &Call,
    place: Place<'_>,
    to: &Object,
    delete_at: Option<u64>,
    precondition: Precondition,
) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let (account, container, object) = (&place.account.name, place.container, place.object);
    if !is_versioned(to) {
        let update = client.update_object(account, container, object).version(to.entry.version);
        update.set(metadata::own_key(VERSIONED), "1").await?;
    }
    let mut properties = to.properties.clone();
    mark(State::Enabled, &mut properties);
    let mut put = client
        .put_object(account, container, object, "")
        .autocreate(false)
        .as_version()
        .mime_type(pointer(&to.entry, &to.entry.mime_type))
        .properties(properties)
        .precondition(precondition);
    if let Some(at) = delete_at {
        put = put.delete_at(at);
    }
    let pointer = put.await?.version;
    let show = client.show_object(account, container, object).version(to.entry.version);
    match show.await {
        Ok(_) => Ok(()),
        Err(Error::NoSuchObject(_)) => {
            remove(call, place, pointer).await?;
            Err(Refusal::not_found())
        }
        Err(error) => Err(error.into()),
    }
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
    // It may have been deleted meanwhile.
    let Some(latest) = latest(call, place).await? else { return Ok(()) };
    let latest = latest.entry;
    let is_pointed = pointed(&latest) == Some(version);
    if !is_pointed && (latest.version != version || delete_at.is_none()) {
        return Ok(());
    }
    let current = match client.show_object(account, container, object).version(version).await {
        Ok(current) => current,
        // It was removed meanwhile.
        Err(Error::NoSuchObject(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
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
        // It is the only one, if the store keeps no versions: nothing is left to be kept.
        Err(refusal) if refusal.status == StatusCode::CONFLICT => {
            let found = call.gateway.container_now(account, container).await?;
            if found.is_some_and(|found| found.versioning.keeps_versions()) {
                return Err(refusal);
            }
            let update = client.update_object(account, container, object).version(version);
            match update.delete_at(delete_at).await {
                Ok(_) | Err(Error::NoSuchObject(_)) => Ok(()),
                Err(error) => Err(error.into()),
            }
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
    let precondition = object::precondition(call).await?;
    let delete_at = expiry::of(&call.headers, time::now_seconds())?;
    let before = call.head_of(Place { version: Some(version), ..place }).await?;
    let latest = latest(call, place).await?;
    // If it ends by itself, so does this.
    let delete_at = delete_at.or(before.entry.delete_at);
    point(call, place, &before, delete_at, precondition).await?;
    if let Some(pointer) = latest.filter(|latest| pointed(&latest.entry).is_some()) {
        // It says nothing any more.
        remove(call, place, pointer.entry.version).await?;
    }
    let mut response = empty(StatusCode::CREATED);
    let headers = response.headers_mut();
    if let Some(etag) = object::etag(&before) {
        metadata::set(headers, "etag", &etag);
    }
    metadata::set(headers, "x-object-version-id", &time::swift(version.0));
    Ok(response)
}

/// The latest version in the store.
pub async fn latest(call: &Call, place: Place<'_>) -> Result<Option<Object>, Refusal> {
    let client = &call.gateway.client;
    match client.show_object(&place.account.name, place.container, place.object).await {
        Ok(object) => Ok(Some(object)),
        Err(Error::NoSuchObject(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
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

/// The version that has none of its own among those of an object, if there is one, or else what is
/// before all of them.
pub async fn null(call: &Call, name: &str) -> Result<Version, Refusal> {
    let first = Version(u64::MAX);
    let Ok(object) = name.parse() else { return Ok(first) };
    match call.gateway.client.show_object(call.account(), call.container()?, &object).await {
        Ok(found) => Ok(found.entry.version),
        Err(Error::NoSuchObject(_)) => Ok(first),
        Err(error) => Err(error.into()),
    }
}

/// Whether a container holds anything that clients see, delete markers too.
pub async fn is_any_seen(call: &Call, container: &ContainerName) -> Result<bool, Refusal> {
    let mut next: Option<Next> = None;
    loop {
        let list = call.gateway.client.list_objects(call.account(), container);
        let mut list = list.versions(true).limit(PAGE);
        if let Some(next) = next {
            list = list.resume(next);
        }
        let page = list.await?;
        let is_seen = |item| matches!(item, ListedName::Entry(entry) if is_seen(&entry));
        if page.items.into_iter().any(is_seen) {
            return Ok(true);
        }
        next = page.next;
        if next.is_none() {
            return Ok(false);
        }
    }
}

/// What there is of an object beside one version, and beside what makes that current.
#[derive(Default)]
struct Others {
    /// Whether there is anything that clients see.
    seen: bool,
    /// Whether what comes next would show, were it the latest.
    shows: bool,
    /// What clients do not see; all of it, unless there is something that they do.
    unseen: Vec<Version>,
}

/// Looks at what there is beside a version, as far as matters.
async fn others(call: &Call, place: Place<'_>, but: Version) -> Result<Others, Refusal> {
    let (mut others, mut next, mut is_first) = (Others::default(), None, true);
    loop {
        let (entries, more) = page(all(call, place), next, place).await?;
        for entry in entries {
            if entry.version == but || pointed(&entry) == Some(but) {
                continue;
            }
            if std::mem::take(&mut is_first) {
                others.shows = !entry.marker;
            }
            if is_seen(&entry) {
                others.seen = true;
                return Ok(others);
            }
            others.unseen.push(entry.version);
        }
        next = more;
        if next.is_none() {
            return Ok(others);
        }
    }
}

/// Removes what makes a version current, or did. If something does now, and `hides`, the object is
/// left without a current version.
async fn remove_pointers(
    call: &Call,
    place: Place<'_>,
    to: Version,
    hides: bool,
) -> Result<(), Refusal> {
    let mut next = None;
    loop {
        let (entries, more) = page(all(call, place), next, place).await?;
        let at_the_end = entries.last().is_none_or(|entry| entry.version <= to);
        for entry in entries.into_iter().filter(|entry| pointed(entry) == Some(to)) {
            if entry.latest && hides {
                match hide(call, place, entry.version).await {
                    // Something else is current by now.
                    Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => {}
                    hidden => hidden?,
                }
            }
            remove(call, place, entry.version).await?;
        }
        next = more;
        if next.is_none() || at_the_end {
            return Ok(());
        }
    }
}

/// Removes a version for good, with what says that it is current, and with the last version what
/// nobody sees. If it is current, which `latest` says, what is older does not show through.
///
/// # Errors
/// 412 if something else is the latest by now; nothing is removed then.
async fn remove_with_all(
    call: &Call,
    place: Place<'_>,
    target: &Object,
    latest: Option<Version>,
) -> Result<(), Refusal> {
    let Others { seen, shows, unseen } = others(call, place, target.entry.version).await?;
    if let Some(latest) = latest
        && seen
        && shows
    {
        hide(call, place, latest).await?;
    }
    // Where nothing else is seen, what says that it is current goes last: it may be what ends it.
    if !target.entry.marker && seen {
        remove_pointers(call, place, target.entry.version, latest.is_none()).await?;
    }
    remove(call, place, target.entry.version).await?;
    if !target.entry.marker {
        // Somebody may have made it current meanwhile.
        remove_pointers(call, place, target.entry.version, seen).await?;
    }
    // The oldest first.
    for version in unseen.into_iter().rev().filter(|_| !seen) {
        remove(call, place, version).await?;
    }
    Ok(())
}

/// Leaves an object without a current version, if this is the latest: what is older does not show.
///
/// # Errors
/// 412 if it is not.
async fn hide(call: &Call, place: Place<'_>, latest: Version) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let delete = client.delete_object(&place.account.name, place.container, place.object);
    delete.silent().precondition(Precondition::Version(latest)).await?;
    Ok(())
}

/// Leaves a delete marker over what there is, or where there is nothing.
///
/// # Errors
/// 412 if the precondition does not hold.
async fn mark_deleted(
    call: &Call,
    place: Place<'_>,
    precondition: Precondition,
) -> Result<Version, Refusal> {
    let client = &call.gateway.client;
    let delete = client.delete_object(&place.account.name, place.container, place.object);
    Ok(delete.mark_missing().precondition(precondition).await?.version)
}

/// Times a DELETE looks again when the object was changed meanwhile.
const TRIES: u32 = 16;

/// `DELETE`, of the latest version or the one that is named, in a container with versions; only of
/// what ends when it is `asked` to, where that is said.
pub async fn delete(
    call: &Call,
    state: State,
    which: (Place<'_>, Named),
    asked: Option<u64>,
) -> Outcome {
    for _ in 0..TRIES {
        match try_to_delete(call, state, which, asked).await {
            // Something else is current by now.
            Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => {}
            outcome => return outcome,
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT))
}

/// Deletes what is there as it is now.
///
/// # Errors
/// 412 if that changes meanwhile, and nothing was done.
async fn try_to_delete(
    call: &Call,
    state: State,
    (place, named): (Place<'_>, Named),
    asked: Option<u64>,
) -> Outcome {
    let client = &call.gateway.client;
    let (account, container, object) = (&place.account.name, place.container, place.object);
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    let latest = latest(call, place).await?;
    let pointer = latest.as_ref().filter(|latest| pointed(&latest.entry).is_some());
    let current = call.there(place).await?;
    if let Named::Exactly(version) = named {
        let target = client.show_object(account, container, object).version(version).await?;
        if !is_seen(&target.entry) {
            return Err(Refusal::not_found());
        }
        let pointer = pointer.filter(|pointer| pointed(&pointer.entry) == Some(version));
        let ends = pointer.map_or(target.entry.delete_at, |pointer| pointer.entry.delete_at);
        if let Err(refusal) = expiry::check(asked, ends) {
            return Ok(refusal.into_response());
        }
        // A delete marker may be the latest, too.
        let latest = match pointer {
            Some(pointer) => Some(pointer.entry.version),
            None => Some(version).filter(|_| target.entry.latest),
        };
        remove_with_all(call, place, &target, latest).await?;
        let left = current.filter(|_| latest.is_none()).map(|o| id(&o.entry, is_versioned(&o)));
        let left = left.as_deref().unwrap_or(NULL);
        metadata::set(headers, "x-object-current-version-id", left);
        metadata::set(headers, "x-object-version-id", &time::swift(version.0));
        return Ok(response);
    }
    let Some(found) = current else {
        // Its deletion is noted all the same.
        let refusal = Refusal::not_found();
        if state != State::Enabled || named == Named::Null {
            // What it says is current is over, or gone.
            if let Some(pointer) = pointer {
                remove_with_all(call, place, pointer, Some(pointer.entry.version)).await?;
            }
            return Err(refusal);
        }
        let marker = mark_deleted(call, place, Precondition::None).await?;
        if let Some(pointer) = pointer {
            remove(call, place, pointer.entry.version).await?;
        }
        return Err(match HeaderValue::from_str(&time::swift(marker.0)) {
            Ok(id) => refusal.header(HeaderName::from_static("x-object-version-id"), id),
            Err(_) => refusal,
        });
    };
    if let Err(refusal) = expiry::check(asked, found.entry.delete_at) {
        return Ok(refusal.into_response());
    }
    let top = pointer.map_or(found.entry.version, |pointer| pointer.entry.version);
    if state == State::Enabled && named == Named::Latest {
        let still = asked.map_or(Precondition::None, |_| Precondition::Version(top));
        let marker = mark_deleted(call, place, still).await?;
        metadata::set(headers, "x-object-version-id", &time::swift(marker.0));
    } else if is_versioned(&found) {
        // It stays, and is current no more.
        hide(call, place, top).await?;
    } else {
        remove_with_all(call, place, &found, Some(found.entry.version)).await?;
    }
    if let Some(pointer) = pointer {
        remove(call, place, pointer.entry.version).await?;
    }
    if named == Named::Null {
        metadata::set(headers, "x-object-version-id", NULL);
    }
    Ok(response)
}
