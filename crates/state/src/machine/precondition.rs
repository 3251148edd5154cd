//! Conditions on the latest version of an object.

use crate::kv::head::Versioned;
use model::{Error, ErrorKind, ObjectName, Precondition, Subject, Version};

/// Refuses what the latest version does not meet at a time, in microseconds since 1970.
pub(super) fn check(
    condition: &Precondition,
    name: &ObjectName,
    latest: Option<&Versioned>,
    now: u64,
) -> Result<(), Error> {
    let live = latest.filter(|(_, head)| !head.is_marker());
    let etag = |(version, head): &Versioned| head.entry(name.clone(), *version, true).etag();
    let met = match condition {
        Precondition::None => true,
        Precondition::Absent => live.is_none_or(|(_, head)| {
            head.delete_at.is_some_and(|at| at.saturating_mul(1_000_000) <= now)
        }),
        Precondition::Version(wanted) => latest.is_some_and(|(version, _)| version == wanted),
        Precondition::Etag(wanted) => {
            live.and_then(etag).is_some_and(|etag| etag.eq_ignore_ascii_case(wanted))
        }
    };
    if met {
        return Ok(());
    }
    let found = match (latest, live.and_then(etag)) {
        (None, _) => "does not exist".to_owned(),
        (Some((version, _)), Some(etag)) => format!("is at {} with tag {etag}", at(*version)),
        (Some((version, head)), None) if head.is_marker() => format!("was deleted at {version}"),
        (Some((version, _)), None) => format!("is at {}", at(*version)),
    };
    let message = format!("object {name} {found}, which the request's condition excludes");
    Err(Error::new(ErrorKind::Precondition, Subject::Object, message))
}

fn at(version: Version) -> String {
    format!("version {version}")
}
