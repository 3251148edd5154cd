//! What an object was before it is overwritten.
//!
//! While versions are disabled, what has no version of its own goes; where there is an archive, it
//! goes there. Others may write the same object at the same time: until the new content is stored
//! nothing that may be needed is removed, and then all that is below it and was written since.

use crate::{
    call::Call,
    history::Archive,
    object::Place,
    refusal::Refusal,
    time,
    versions::{self, State},
};
use client::{Container, Error, ObjectEntry, Version};
use http::StatusCode;

/// What something takes the place of that is about to be stored.
pub enum Replaced {
    /// Nothing that would have to go.
    Nothing,
    /// What has no version of its own, from here on.
    Null(Version),
    /// Whatever there is: into the archive, but for what is there already.
    Archived(Archive, Option<Box<ObjectEntry>>),
}

impl Replaced {
    /// Looks at what is there before something is written, and archives it.
    ///
    /// # Errors
    /// 412 if there is no archive for it.
    pub async fn before(
        call: &Call,
        container: &Container,
        place: Place<'_>,
    ) -> Result<Self, Refusal> {
        if State::of(container) == State::Disabled {
            return Ok(Self::Null(oldest(call, place).await?));
        }
        let Some(archive) = Archive::of(container) else { return Ok(Self::Nothing) };
        let archived = archive.save_latest(call, place).await?;
        Ok(match container.versioning.keeps_versions() {
            true => Self::Nothing,
            false => Self::Archived(archive, archived.map(Box::new)),
        })
    }

    /// Whether what is there must be there still when the new content is stored.
    pub fn stays(&self) -> bool {
        matches!(self, Self::Archived(..))
    }

    /// Removes what was there, and what others have written meanwhile, below what is written now.
    /// That is done, whatever becomes of this: what is left is older versions that nobody sees.
    pub async fn remove(self, call: &Call, place: Place<'_>, written: Version) {
        let done = match self {
            Self::Nothing => return,
            Self::Null(from) => remove_null(call, place, written, from).await,
            Self::Archived(archive, archived) => {
                archive_below(call, &archive, place, (written, archived.as_deref())).await
            }
        };
        if let Err(refusal) = done {
            let (status, path) = (refusal.status, call.target.url_path());
            tracing::warn!(%status, path, "what was overwritten is left as an older version");
        }
    }
}

/// The latest version, or what comes next if that stays.
async fn oldest(call: &Call, place: Place<'_>) -> Result<Version, Refusal> {
    let client = &call.gateway.client;
    match client.show_object(&place.account.name, place.container, place.object).await {
        Ok(latest) => {
            let stays = latest.entry.marker || versions::is_versioned(&latest);
            Ok(Version(latest.entry.version.0 + u64::from(stays)))
        }
        Err(Error::NoSuchObject(_)) => Ok(Version(0)),
        Err(error) => Err(error.into()),
    }
}

/// Removes what has no version of its own below a version, down to another.
async fn remove_null(
    call: &Call,
    place: Place<'_>,
    below: Version,
    from: Version,
) -> Result<(), Refusal> {
    let now = call.gateway.container_now(&place.account.name, place.container).await?;
    if now.is_none_or(|now| State::of(&now) != State::Disabled) {
        // It was written while they are enabled by now: it stays.
        return Ok(());
    }
    let mut next = Some((place.object.to_string(), Some(below)));
    while next.is_some() {
        let list = versions::all(call, place).properties(true);
        let (entries, more) = versions::page(list, next, place).await?;
        for entry in entries {
            if entry.version < from {
                return Ok(());
            }
            if !entry.marker && !entry.properties.as_ref().is_some_and(versions::is_marked) {
                versions::remove(call, place, entry.version).await?;
            }
        }
        next = more;
    }
    Ok(())
}

/// Archives and removes all that is below a version where no versions are kept: what was
/// overwritten, and is not in its archive yet as it was at last.
pub async fn archive_below(
    call: &Call,
    archive: &Archive,
    place: Place<'_>,
    (below, archived): (Version, Option<&ObjectEntry>),
) -> Result<(), Refusal> {
    let mut next = Some((place.object.to_string(), Some(below)));
    while next.is_some() {
        let (entries, more) = versions::page(versions::all(call, place), next, place).await?;
        for entry in entries {
            let over = entry.delete_at.is_some_and(|at| at <= time::now_seconds());
            // A POST may have changed it since.
            let known = |e: &ObjectEntry| (e.version, e.modified, e.delete_at);
            let is_archived = archived.is_some_and(|archived| known(archived) == known(&entry));
            if !entry.marker && !over && !is_archived {
                match archive.save(call, place, &entry).await {
                    // Somebody else archived and removed it.
                    Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {}
                    // There is no archive for it.
                    Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => {}
                    saved => saved?,
                }
            }
            versions::remove(call, place, entry.version).await?;
        }
        next = more;
    }
    Ok(())
}
