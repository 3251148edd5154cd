//! Containers and the objects in them.

use super::list::{self, Look, Rest, Rows};
use crate::{
    Failure, Fatal,
    kv::{self, container, head, key::Key, properties},
};
use model::{Container, ContainerId, JobId, ListQuery, Listing, ObjectEntry, Properties, Version};
use std::ops::Bound;
use store::{Pair, Read};

/// A container with its properties, or *not found*.
pub fn show_container(view: &dyn Read, id: &ContainerId) -> Result<Container, Failure> {
    let properties = properties::read(view, &properties::of_container(id))?;
    Ok(container::existing(view, id)?.to_model(*id, properties))
}

/// A container without its properties, if there is one: a single small read.
pub fn find_container(view: &dyn Read, id: &ContainerId) -> Result<Option<Container>, Failure> {
    Ok(container::read(view, id)?.map(|c| c.to_model(*id, Properties::new())))
}

/// A page of a container's objects: the newest live versions, or what `versions` and `deleted`
/// ask for. `marker_version` counts with `versions` only, as only then can a page end within a
/// name.
pub fn list_objects(
    view: &dyn Read,
    container: &ContainerId,
    query: &ListQuery,
) -> Result<Listing<ObjectEntry>, Failure> {
    container::existing(view, container)?;
    list_any(view, container, query)
}

/// The hidden target of a snapshot, for the job that makes it. *Not found* for any other, and
/// once it is published.
pub fn show_snapshot_target(
    view: &dyn Read,
    id: &ContainerId,
    job: &JobId,
) -> Result<Container, Failure> {
    let of_job = |container: &container::Container| {
        container.snapshot.as_ref().is_some_and(|s| s.hidden && s.job == *job)
    };
    let found = container::any(view, id)?.filter(of_job);
    let properties = properties::read(view, &properties::of_container(id))?;
    Ok(found.ok_or_else(|| container::missing(id))?.to_model(*id, properties))
}

/// A page of what is in the hidden target of a snapshot, for the job that makes it.
pub fn list_snapshot_target(
    view: &dyn Read,
    container: &ContainerId,
    job: &JobId,
    query: &ListQuery,
) -> Result<Listing<ObjectEntry>, Failure> {
    show_snapshot_target(view, container, job)?;
    list_any(view, container, query)
}

fn list_any(
    view: &dyn Read,
    container: &ContainerId,
    query: &ListQuery,
) -> Result<Listing<ObjectEntry>, Failure> {
    let mut objects = Objects {
        view,
        container,
        properties: query.properties,
        base: head::all(container),
        versions: query.versions,
        deleted: query.deleted,
        run: None,
    };
    if let (true, Some(_), Ok(name)) = (query.versions, query.marker_version, query.marker.parse())
    {
        objects.run = head::latest(view, container, &name)?.map(|(latest, head)| Run {
            name: head::versions(container, &query.marker).into_bytes(),
            latest,
            listed: objects.lists(&head),
        });
    }
    list::page(view, query, objects)
}

struct Objects<'a> {
    view: &'a dyn Read,
    container: &'a ContainerId,
    /// Whether entries come with their properties.
    properties: bool,
    base: Key,
    versions: bool,
    deleted: bool,
    /// The name that the walk is at.
    run: Option<Run>,
}

/// The versions of one name.
struct Run {
    /// The key without the version.
    name: Vec<u8>,
    latest: Version,
    listed: bool,
}

impl Objects<'_> {
    /// Whether a name with this newest version is listed.
    fn lists(&self, newest: &head::Head) -> bool {
        match (self.deleted, self.versions) {
            (true, _) => newest.is_marker(),
            (false, true) => true,
            (false, false) => !newest.is_marker(),
        }
    }
}

impl Rows for Objects<'_> {
    type Entry = ObjectEntry;

    fn base(&self) -> &Key {
        &self.base
    }

    fn name(&self, key: &[u8]) -> Result<String, Fatal> {
        head::name(key)
    }

    fn newest(&mut self, key: &[u8]) -> Result<Option<Pair>, Fatal> {
        let (name, _) = head::split(key)?;
        if self.versions && self.run.as_ref().is_some_and(|run| run.name == name) {
            return Ok(None);
        }
        let first = (Bound::Included(name), Bound::Included(key));
        let Some(newest) = self.view.range(first.0, first.1, false).next().transpose()? else {
            return Ok(None);
        };
        let head = kv::decode(&newest.0, &newest.1)?;
        let (latest, listed) = (head::split(&newest.0)?.1, self.lists(&head));
        self.run = Some(Run { name: name.to_vec(), latest, listed });
        Ok((!self.versions).then_some(newest))
    }

    fn look(&mut self, key: &[u8], value: &[u8], folded: bool) -> Result<Look<ObjectEntry>, Fatal> {
        let (name, version) = head::split(key)?;
        let head: head::Head = kv::decode(key, value)?;
        let run = match self.run.take() {
            Some(run) if run.name == name => run,
            _ => Run { name: name.to_vec(), latest: version, listed: self.lists(&head) },
        };
        let rest = if self.versions && run.listed { Rest::Look } else { Rest::Skip };
        let (latest, listed) = (run.latest == version, run.listed);
        self.run = Some(run);
        let mut bytes = key.len() + head.mime_type.len() + 128;
        let mut entry = None;
        if listed {
            let name = head::name(key)?.parse().map_err(|_| kv::misshapen(key))?;
            let entry = entry.insert(head.entry(name, version, latest));
            if self.properties && !folded {
                let key = properties::of_object(self.container, &entry.name, version);
                let properties = properties::read(self.view, &key)?;
                bytes += properties.iter().map(|(k, v)| k.len() + v.len() + 8).sum::<usize>();
                entry.properties = Some(properties);
            }
        }
        let version = self.versions.then_some(version);
        Ok(Look { entry, version, bytes, rest })
    }
}
