//! Versions of objects: `X-Versions-Enabled` and `?version-id`.
//!
//! The store keeps them: a container that had its versions enabled once keeps every version of
//! its objects. While they are disabled, what is written has no version of its own (`null`), and
//! takes the place of such a one before it.

use crate::{
    authorize::Authority,
    call::Call,
    metadata,
    object::{Names, Place},
    refusal::Refusal,
    time,
};
use client::{
    Container, Error, ListObjects, ListedName, Object, ObjectEntry, Properties, Stored, Version,
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// Where a container keeps whether its versions are enabled.
pub const ENABLED: &str = "x-versions-enabled";

/// What an object has that was written while versions were enabled.
pub const VERSIONED: &str = "versioned";

/// The media type of delete markers, in listings.
pub const DELETED: &str = "application/x-deleted;swift_versions_deleted=1";

/// The MD5 of nothing, which delete markers have in listings.
pub const EMPTY_MD5: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// Versions that are looked at in one go.
pub const PAGE: u32 = 100;

/// The id of what has no version of its own.
pub const NULL: &str = "null";

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
    let Some(text) = call.query.get("version-id").filter(|text| !text.is_empty()) else {
        return Ok(Named::Latest);
    };
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

/// How an object is read.
#[derive(Debug, Clone, Copy)]
pub struct Read {
    /// Whether its container keeps versions.
    pub state: State,
    /// The version that is named.
    pub named: Named,
    /// Where a link led to, if there is one.
    pub linked: Option<Linked>,
}

/// Where a link led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    /// Into its own container.
    Here,
    /// Into another.
    Elsewhere,
}

impl Linked {
    /// From one object to another, if that is another.
    pub fn of(from: &Names, to: &Names) -> Option<Self> {
        let here = from.account == to.account && from.container == to.container;
        (from != to).then_some(if here { Self::Here } else { Self::Elsewhere })
    }
}

/// Shows the version of an object that is read, and where just that version is. Where versions were
/// never enabled, nothing is said. What is read in another container has no version here, as in
/// Swift.
pub fn show(call: &Call, headers: &mut HeaderMap, read: Read, object: &Object) {
    let Read { state, named, linked } = read;
    let versioned = is_versioned(object) && linked != Some(Linked::Elsewhere);
    let id = match (linked, named.exactly()) {
        (Some(_), Some(version)) => time::swift(version.0),
        (Some(Linked::Elsewhere), None) => NULL.to_owned(),
        (None, _) | (Some(Linked::Here), None) => id(&object.entry, versioned),
    };
    if versioned || named != Named::Latest || state != State::Never {
        metadata::set(headers, "x-object-version-id", &id);
    }
    if versioned && named == Named::Latest && linked.is_none() {
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

/// All versions of an object, and after them what else begins with its name.
pub fn all(call: &Call, place: Place<'_>) -> ListObjects {
    call.gateway
        .client
        .list_objects(&place.account.name, place.container)
        .prefix(place.object.as_str())
        .versions(true)
}

/// Where a listing goes on.
pub type Next = (String, Option<Version>);

/// A page of `all` versions of an object, those that clients do not see too.
pub async fn page(
    all: ListObjects,
    next: Option<Next>,
    place: Place<'_>,
) -> Result<(Vec<ObjectEntry>, Option<Next>), Refusal> {
    let list = match next {
        Some(next) => all.resume(next),
        None => all,
    };
    let page = list.limit(PAGE).await?;
    let mut others = false;
    let of_it = page.items.into_iter().filter_map(|item| match item {
        ListedName::Entry(entry) if entry.name == *place.object => Some(entry),
        _ => {
            others = true;
            None
        }
    });
    let entries = of_it.collect();
    Ok((entries, page.next.filter(|_| !others)))
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
