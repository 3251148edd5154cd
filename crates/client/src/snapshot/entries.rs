//! The versions of a container, page after page.

use crate::{Error, container::Place, metadata::ask};
use model::{JobId, ListQuery, ListedName, Listing, ObjectEntry, Version};
use proto::v1::{self, metadata_client::MetadataClient};
use std::{
    cmp::{Ordering, Reverse},
    collections::VecDeque,
};

/// Versions of a page.
const PAGE: u32 = 1000;

/// Every version and marker of a container, by name, the newest first.
pub(super) struct Entries {
    place: Place,
    /// The job whose hidden target it is.
    job: Option<JobId>,
    page: VecDeque<ObjectEntry>,
    next: Option<(String, Option<Version>)>,
}

impl Entries {
    pub(super) fn of_source(place: &Place) -> Self {
        Self {
            place: place.clone(),
            job: None,
            page: VecDeque::new(),
            next: Some(Default::default()),
        }
    }

    pub(super) fn of_target(place: &Place, job: JobId) -> Self {
        Self { job: Some(job), ..Self::of_source(place) }
    }

    /// The next version, if there is one.
    pub(super) async fn peek(&mut self) -> Result<Option<&ObjectEntry>, Error> {
        while self.page.is_empty() {
            let Some((marker, marker_version)) = self.next.take() else { break };
            let query = ListQuery {
                marker,
                marker_version,
                versions: true,
                limit: PAGE,
                ..ListQuery::default()
            };
            let page = self.list(query).await?;
            self.next = page.next;
            self.page.extend(page.items.into_iter().filter_map(|item| match item {
                ListedName::Entry(entry) => Some(entry),
                ListedName::Prefix(_) => None,
            }));
        }
        Ok(self.page.front())
    }

    /// Takes the version that was looked at.
    pub(super) fn take(&mut self) -> Option<ObjectEntry> {
        self.page.pop_front()
    }

    async fn list(&self, query: ListQuery) -> Result<Listing<ObjectEntry>, Error> {
        let (metadata, route) = (&self.place.metadata, self.place.route());
        let (account, container) =
            (self.place.account.to_string(), self.place.container.to_string());
        let query = Some(query.into());
        let answer = match self.job {
            None => {
                let request = v1::ListObjectsRequest { account, container, query };
                ask!(metadata, route, Read, MetadataClient::list_objects, request).await?
            }
            Some(job) => {
                let job = job.0.to_vec();
                let request = v1::ListSnapshotRequest { account, container, job, query };
                ask!(metadata, route, Read, MetadataClient::list_snapshot, request).await?
            }
        };
        Ok(answer.try_into()?)
    }
}

/// The order of listings.
pub(super) fn compare(a: &ObjectEntry, b: &ObjectEntry) -> Ordering {
    let key = |e: &ObjectEntry| (e.name.clone(), Reverse(e.version));
    key(a).cmp(&key(b))
}
