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
    versions::{self, PAGE, State},
};
use client::{Container, Error, ListedName, ObjectEntry, Version};
use http::StatusCode;

/// What something takes the place of that is about to be stored.
pub struct Replaced {
    archive: Option<Archive>,
    /// The oldest version that goes, if any does; above it all do.
    from: Option<Version>,
    /// The version that is archived already.
    archived: Option<Version>,
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
        let archive = Archive::of(container);
        let goes = match State::of(container) {
            State::Never => archive.is_some() && !container.versioning.keeps_versions(),
            State::Enabled => false,
            State::Disabled => true,
        };
        let from = if goes { Some(oldest(call, place).await?) } else { None };
        let archived = match &archive {
            Some(archive) => archive.save_latest(call, place).await?,
            None => None,
        };
        Ok(Self { archive, from, archived })
    }

    /// Whether what is there must be there still when the new content is stored.
    pub fn stays(&self) -> bool {
        self.from.is_some() && self.archive.is_some()
    }

    /// Removes what was there, and what others have written meanwhile, below what is written now.
    pub async fn remove(
        self,
        call: &Call,
        place: Place<'_>,
        written: Version,
    ) -> Result<(), Refusal> {
        let Some(from) = self.from else { return Ok(()) };
        let mut next = (place.object.to_string(), Some(written));
        loop {
            let list = versions::all(call, place).properties(true);
            let page = list.resume(next).limit(PAGE).await?;
            for item in page.items {
                let ListedName::Entry(entry) = item else { return Ok(()) };
                if entry.name != *place.object || entry.version < from {
                    return Ok(());
                }
                if entry.marker || is_of_its_own(&entry) {
                    continue;
                }
                self.archive(call, place, &entry).await?;
                versions::remove(call, place, entry.version).await?;
            }
            match page.next {
                Some(more) => next = more,
                None => return Ok(()),
            }
        }
    }

    async fn archive(
        &self,
        call: &Call,
        place: Place<'_>,
        entry: &ObjectEntry,
    ) -> Result<(), Refusal> {
        let Some(archive) = &self.archive else { return Ok(()) };
        let over = entry.delete_at.is_some_and(|at| at <= time::now_seconds());
        if over || self.archived == Some(entry.version) {
            return Ok(());
        }
        match archive.save(call, place, entry).await {
            // Somebody else archived and removed it.
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => Ok(()),
            saved => saved,
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

fn is_of_its_own(entry: &ObjectEntry) -> bool {
    entry.properties.as_ref().is_some_and(versions::is_marked)
}
