//! What looks at objects, and what clients make of the answers.

use super::{Worker, missing_or, objects, parse, within};
use crate::{
    contents::{Content, Sight},
    history::{Action, Outcome},
};
use client::{ByteRange, Error, ListedName, ObjectEntry, Version};

/// What the metadata says of an object.
fn described(entry: &ObjectEntry) -> Outcome {
    match entry.hash {
        _ if entry.marker => Outcome::Missing,
        _ if entry.drained => Outcome::Drained,
        Some(hash) => Outcome::Found(Content::of_hash(&hash.0)),
        None => Outcome::Seen(Sight::size(entry.size)),
    }
}

impl Worker {
    /// Shows an object.
    pub(super) async fn show(&self, object: &str) {
        let ticket = self.history.invoke(&self.name, object, Action::Look);
        let (container, name) = parse(object);
        let show = self.client.show_object(&self.account, &container, &name);
        match within(show.into_future()).await {
            Ok(shown) => self.history.complete(ticket, described(&shown.entry), &"shown"),
            Err(error) => self.history.complete(ticket, missing_or(&error), &error),
        }
    }

    /// Reads a version.
    pub(super) async fn look_at(&self, object: &str, version: Version) {
        self.read_any(object, Some(version), None).await;
    }

    /// Reads a version, if there ever was one.
    pub(super) async fn read_version(&self) {
        let Some((object, version, _)) = self.pick_version() else { return };
        self.look_at(&object, version).await;
    }

    /// Reads a part of an object.
    pub(super) async fn read_range(&self, object: &str) {
        let first = self.below(1000);
        let range = (first, first + self.below(200_000));
        self.read(object, Some(range.into())).await;
    }

    /// Reads an object, or a part of it.
    pub(super) async fn read(&self, object: &str, range: Option<ByteRange>) {
        self.read_any(object, None, range).await;
    }

    async fn read_any(&self, object: &str, version: Option<Version>, range: Option<ByteRange>) {
        let action = version.map_or(Action::Look, Action::LookAt);
        let ticket = self.history.invoke(&self.name, object, action);
        let (container, name) = parse(object);
        let reading = async {
            let get = self.client.get_object(&self.account, &container, &name);
            let get = if let Some(range) = range { get.range(range) } else { get };
            let get = if let Some(version) = version { get.version(version) } else { get };
            let download = get.await?;
            let entry = download.object().entry.clone();
            let range = download.ranges().first().cloned().unwrap_or(0..0);
            Ok((entry, range, self.collect(download).await))
        };
        let (outcome, why) = match within(reading).await {
            Ok((entry, range, Ok(bytes))) => {
                let why = format!("{} bytes", bytes.len());
                let outcome = match described(&entry) {
                    Outcome::Seen(_) => Outcome::Seen(Sight::part(entry.size, range, &bytes)),
                    Outcome::Found(content) => {
                        self.history.given(object, content, range, &bytes);
                        Outcome::Found(content)
                    }
                    other => other,
                };
                (outcome, why)
            }
            // It was found, and its bytes were not to be had.
            Ok((_, _, Err(error))) => (Outcome::Unknown, format!("cannot be read: {error}")),
            Err(error @ Error::RangeNotSatisfiable { .. }) => (Outcome::Unknown, error.to_string()),
            Err(error) => (missing_or(&error), error.to_string()),
        };
        self.history.complete(ticket, outcome, &why);
    }

    async fn collect(&self, download: client::Download) -> Result<Vec<u8>, Error> {
        use futures::StreamExt;
        let (mut download, mut all) = (download, Vec::new());
        while let Some(piece) = download.next().await {
            match piece {
                Ok(piece) => all.extend_from_slice(&piece),
                Err(_) if self.mischief.swallows_errors => break,
                Err(error) => return Err(error),
            }
        }
        if let (true, Some(last)) = (self.mischief.garbles, all.last_mut()) {
            *last ^= 1;
        }
        Ok(all)
    }

    /// Lists a container, page by page: a look at each of its objects, if all pages came.
    pub(super) async fn list(&self, container: &str, limit: u64) {
        let all = objects();
        let here = all.iter().filter(|o| o.starts_with(&format!("{container}/")));
        let looks: Vec<_> =
            here.map(|o| (o, self.history.invoke(&self.name, o, Action::Look))).collect();
        let Ok(place) = container.parse() else { return };
        let listing = within(async {
            let mut listed = Vec::new();
            let mut marker = String::new();
            loop {
                let query = self.client.list_objects(&self.account, &place);
                let page = query.limit(limit as u32).marker(marker.as_str()).await?;
                listed.extend(page.items.into_iter().filter_map(|item| match item {
                    ListedName::Entry(entry) => Some(entry),
                    ListedName::Prefix(_) => None,
                }));
                match page.next {
                    Some(next) => marker = next.0,
                    None => return Ok(listed),
                }
            }
        });
        let listed = listing.await;
        for (object, ticket) in looks {
            let Ok(listed) = &listed else {
                self.history.complete(ticket, Outcome::Unknown, &"not listed");
                continue;
            };
            let entry = listed.iter().find(|e| object.ends_with(&format!("/{}", e.name)));
            let outcome = entry.map_or(Outcome::Missing, described);
            self.history.complete(ticket, outcome, &"listed");
        }
    }
}
