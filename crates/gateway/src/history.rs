//! Versions in another container: `X-Versions-Location` and `X-History-Location`.
//!
//! What an object was before it is overwritten goes into an archive container, as a link, under
//! `<length of its name in 3 hexadecimal digits><name>/<time>`. A DELETE brings the newest back
//! (`X-Versions-Location`), or archives what is deleted, with a mark behind it
//! (`X-History-Location`).

use crate::{
    call::Call,
    current, expiry,
    metadata::{self, Changes},
    object::Place,
    path::{container_name, escape, unescape},
    refusal::Refusal,
    replaced::archive_below,
    time,
    versions::{self, DELETED, State},
};
use client::{
    Container, ContainerName, Error, ListedName, Object, ObjectEntry, ObjectName, Precondition,
};
use http::{HeaderMap, StatusCode};

/// What a DELETE does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It brings back what was before.
    Stack,
    /// It archives what is deleted.
    History,
}

/// What names an archive.
pub const HEADERS: [&str; 2] = ["x-versions-location", "x-history-location"];

const MODES: [(Mode, &str); 2] = [(Mode::Stack, HEADERS[0]), (Mode::History, HEADERS[1])];

/// Archived versions that are looked at in one go.
const PAGE: u32 = 100;

/// The archive of a container.
pub struct Archive {
    mode: Mode,
    container: ContainerName,
}

impl Archive {
    /// Of a container, if it has one.
    pub fn of(container: &Container) -> Option<Self> {
        MODES.into_iter().find_map(|(mode, header)| {
            let name = metadata::own(&container.properties, header)?;
            Some(Self { mode, container: name.parse().ok()? })
        })
    }
}

/// What a PUT or POST of a container changes of its archive.
///
/// # Errors
/// 400 for two archives, or for what is no name of a container.
pub fn change(headers: &HeaderMap, changes: &mut Changes) -> Result<(), Refusal> {
    let mut set = None;
    for (_, header) in MODES {
        let removed = headers.contains_key(header.replacen("x-", "x-remove-", 1));
        match metadata::text(headers, header)? {
            Some("") => {}
            Some(text) => {
                if set.is_some() {
                    let text =
                        "Only one of X-Versions-Location or X-History-Location may be specified";
                    return Err(Refusal::bad(text));
                }
                let name = unescape(text)?;
                if name.contains('/') {
                    return Err(Refusal::bad("Container name cannot contain slashes"));
                }
                set = Some((header, container_name(&name)?));
                continue;
            }
            None if removed => {}
            None => continue,
        }
        changes.insert(metadata::own_key(header), None);
    }
    if let Some((header, container)) = set {
        for (_, other) in MODES {
            changes.insert(metadata::own_key(other), None);
        }
        changes.insert(metadata::own_key(header), Some(container.to_string()));
    }
    Ok(())
}

/// Shows the archive of a container.
pub fn show(headers: &mut HeaderMap, container: &Container) {
    for (_, header) in MODES {
        if let Some(name) = metadata::own(&container.properties, header) {
            metadata::set(headers, header, &escape(name));
        }
    }
}

fn prefix(object: &ObjectName) -> String {
    format!("{:03x}{object}/", object.as_str().len())
}

/// The name that what was there is archived under.
///
/// # Errors
/// 412 if that is too long.
fn archived_name(object: &ObjectName, micros: u64) -> Result<ObjectName, Refusal> {
    // Too long a name is none that the archive has room for.
    format!("{}{}", prefix(object), time::swift(micros)).parse().map_err(|_| no_archive())
}

/// Times what is there is looked for again when it was overwritten meanwhile.
const TRIES: u32 = 16;

impl Archive {
    /// Archives what is there, if there is anything; what that was.
    ///
    /// # Errors
    /// 412 if the archive is not there.
    pub async fn save_latest(
        &self,
        call: &Call,
        place: Place<'_>,
    ) -> Result<Option<ObjectEntry>, Refusal> {
        for _ in 0..TRIES {
            let Some(object) = call.there(place).await? else { return Ok(None) };
            match self.save(call, place, &object.entry).await {
                Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {}
                saved => return saved.map(|()| Some(object.entry)),
            }
        }
        Err(Refusal::new(StatusCode::CONFLICT))
    }

    /// Archives a version, which may be archived already.
    ///
    /// # Errors
    /// 404 if it is gone, 412 if the archive is not there.
    pub async fn save(
        &self,
        call: &Call,
        place: Place<'_>,
        entry: &ObjectEntry,
    ) -> Result<(), Refusal> {
        let account = &place.account.name;
        let name = archived_name(place.object, entry.version.0)?;
        let link = call
            .gateway
            .client
            .link_object(account, place.container, place.object)
            .version(entry.version)
            .to(account, &self.container, &name)
            .autocreate(false)
            .delete_at(entry.delete_at);
        match link.await {
            Ok(_) => Ok(()),
            Err(Error::NoSuchContainer(_)) => Err(no_archive()),
            Err(error) => Err(error.into()),
        }
    }
}

fn no_archive() -> Refusal {
    Refusal::new(StatusCode::PRECONDITION_FAILED)
}

/// Deletes an object of a container with an archive, or brings back what it was before; only what
/// ends when it is `asked` to, where that is said.
pub async fn delete(
    call: &Call,
    container: &Container,
    archive: &Archive,
    place: Place<'_>,
    asked: Option<u64>,
) -> Result<(), Refusal> {
    for _ in 0..TRIES {
        let found = call.there(place).await?;
        let top = match &found {
            Some(found) => {
                expiry::check(asked, found.entry.delete_at)?;
                Some(found.entry.version)
            }
            None => current::latest(call, place).await?.map(|latest| latest.entry.version),
        };
        if let Some(top) = top.filter(|_| !container.versioning.keeps_versions()) {
            // What others have overwritten just now must not show when it is gone.
            archive_below(call, archive, place, (top, None)).await?;
        }
        let done = match archive.mode {
            Mode::History => move_away(call, archive, place, found).await?,
            Mode::Stack => bring_back(call, archive, place, found).await?,
        };
        if done {
            return Ok(());
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT))
}

/// Archives what is deleted, and leaves a mark behind it; whether that was still there.
async fn move_away(
    call: &Call,
    archive: &Archive,
    place: Place<'_>,
    found: Option<Object>,
) -> Result<bool, Refusal> {
    let client = &call.gateway.client;
    let account = &place.account.name;
    if let Some(found) = &found {
        match archive.save(call, place, &found.entry).await {
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => return Ok(false),
            saved => saved?,
        }
    }
    let name = archived_name(place.object, time::now_micros())?;
    let mark = client
        .put_object(account, &archive.container, &name, "")
        .autocreate(false)
        .md5(true)
        .mime_type(DELETED)
        .precondition(Precondition::Absent);
    match mark.await {
        Err(Error::NoSuchContainer(_)) => return Err(no_archive()),
        // A version of this moment was archived: the next moment is as good.
        Err(Error::Precondition(_)) => return Ok(false),
        marked => marked?,
    };
    // What is stored meanwhile is stored after it was deleted.
    let found = found.ok_or_else(Refusal::not_found)?;
    versions::remove(call, place, found.entry.version).await?;
    Ok(true)
}

/// Puts what was before in the place of what is deleted, if there was anything; whether that was
/// still there.
async fn bring_back(
    call: &Call,
    archive: &Archive,
    place: Place<'_>,
    found: Option<Object>,
) -> Result<bool, Refusal> {
    let client = &call.gateway.client;
    let account = &place.account.name;
    let still = match &found {
        Some(found) => Precondition::Version(found.entry.version),
        None => Precondition::Absent,
    };
    let list = client
        .list_objects(account, &archive.container)
        .prefix(prefix(place.object))
        .reverse(true)
        .limit(PAGE);
    let page = match list.await {
        Err(Error::NoSuchContainer(_)) => Vec::new(),
        page => page?.items,
    };
    let entries = page.into_iter().filter_map(|item| match item {
        ListedName::Entry(entry) => Some(entry),
        ListedName::Prefix(_) => None,
    });
    // Who is about to overwrite it has archived it already.
    let itself = found.as_ref().map(|found| archived_name(place.object, found.entry.version.0));
    let itself = itself.and_then(Result::ok);
    let (mut archived, mut unmarked, mut restored) = (None, false, false);
    for entry in entries {
        if itself.as_ref() == Some(&entry.name) {
            archived = Some(entry.name);
            continue;
        }
        if entry.mime_type == DELETED {
            // Before what is there now there was nothing; and one deletion is undone, not two.
            if found.is_some() || unmarked {
                break;
            }
            remove(call, archive, place, &entry.name).await?;
            unmarked = true;
            continue;
        }
        let kept =
            Place { container: &archive.container, object: &entry.name, version: None, ..place };
        let Some(before) = call.there(kept).await? else { continue };
        let mut properties = before.properties;
        versions::mark(State::Never, &mut properties);
        let link = client
            .link_object(account, &archive.container, &entry.name)
            .version(before.entry.version)
            .to(account, place.container, place.object)
            .precondition(still.clone())
            .replace_properties(properties)
            .delete_at(before.entry.delete_at);
        match link.await {
            // Somebody else brought it back.
            Err(Error::NoSuchObject(_)) => continue,
            Err(Error::Precondition(_)) => return Ok(false),
            linked => linked?,
        };
        remove(call, archive, place, &entry.name).await?;
        restored = true;
        break;
    }
    if !restored && !unmarked {
        if found.is_none() {
            return Err(Refusal::not_found());
        }
        let delete = client.delete_object(account, place.container, place.object);
        match delete.precondition(still).await {
            Err(Error::Precondition(_)) => return Ok(false),
            deleted => deleted?,
        };
    }
    if let Some(archived) = archived {
        remove(call, archive, place, &archived).await?;
    }
    Ok(true)
}

async fn remove(
    call: &Call,
    archive: &Archive,
    place: Place<'_>,
    name: &ObjectName,
) -> Result<(), Refusal> {
    let client = &call.gateway.client;
    let delete = client.delete_object(&place.account.name, &archive.container, name);
    match delete.await {
        Ok(_) | Err(Error::NoSuchObject(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    #[test]
    fn an_archive_is_one_or_the_other() {
        let changed = |pairs: &[(&'static str, &'static str)]| {
            let pairs = pairs.iter().map(|(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            });
            let mut changes = Changes::new();
            change(&pairs.collect(), &mut changes).map(|()| changes).map_err(|r| r.status.as_u16())
        };
        let key = |name: &str| metadata::own_key(name);
        let (stack, history) = (key("x-versions-location"), key("x-history-location"));
        let expected = [(stack.clone(), Some("a b".to_owned())), (history.clone(), None)];
        assert_eq!(changed(&[("x-versions-location", "a%20b")]), Ok(expected.into()));
        assert_eq!(changed(&[("x-versions-location", "")]), Ok([(stack, None)].into()));
        assert_eq!(changed(&[("x-remove-history-location", "x")]), Ok([(history, None)].into()));
        let both = [("x-versions-location", "a"), ("x-history-location", "b")];
        assert_eq!(changed(&both), Err(400));
        assert_eq!(changed(&[("x-versions-location", "a/b")]), Err(400));
        assert_eq!(changed(&[]), Ok(Changes::new()));
    }
}
