//! Cutting objects short.

use crate::{
    Client, Error, Source, VolumeRef,
    changes::awaitable,
    client::Inner,
    conclude::conclude,
    container::Place,
    get,
    locate::locate,
    metadata::{Metadata, ask},
    prepare::{MetadataPlacer, Prepared},
    table::new_extents,
    traces::Traces,
    writer::Written,
    writing::Writing,
};
use model::{
    AccountName, BlobId, ContainerName, ErrorKind, Extent, Object, ObjectName, Subject, Version,
};
use proto::v1::{self, metadata_client::MetadataClient};
use serde::Serialize;
use std::sync::Arc;

/// How often a truncation begins anew because the object was changed meanwhile.
const ATTEMPTS: usize = 8;

impl Client {
    /// Cuts an object to its first `size` bytes, 0 and its present size included. The version
    /// and the content id stay; the hash of the content is not known afterwards.
    ///
    /// The cut is one commit: whoever reads sees the object before or after it. Only what is in
    /// the metachunk that is cut is read and written anew.
    pub fn truncate_object(
        &self,
        account: &AccountName,
        container: &ContainerName,
        object: &ObjectName,
        size: u64,
    ) -> TruncateObject {
        TruncateObject {
            client: self.inner.clone(),
            place: self.place(account, container),
            object: object.clone(),
            version: None,
            size,
        }
    }
}

/// What a truncation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Truncated {
    /// The version that was cut.
    pub version: Version,
    /// Bytes of content that it had.
    pub before: u64,
    /// Bytes of content that it has.
    pub size: u64,
    /// Bytes that were read and written anew.
    pub rewritten: u64,
}

/// Cuts an object when awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct TruncateObject {
    client: Arc<Inner>,
    place: Place,
    object: ObjectName,
    version: Option<Version>,
    size: u64,
}

awaitable!(TruncateObject => Truncated);

/// Where a content is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Cut {
    /// Extents kept, the last of them perhaps in part.
    extents: u32,
    /// Rows kept of that.
    rows: u32,
    /// First byte of the metachunk that is cut; the size, if none is.
    start: u64,
    /// The extent of the metachunk that is cut.
    within: Option<usize>,
}

/// Where a content of these extents is cut to `size`.
fn cut(extents: &[Extent], size: u64) -> Cut {
    let mut cut = Cut::default();
    for (index, extent) in extents.iter().enumerate() {
        for (number, row) in extent.metachunks.iter().enumerate() {
            let end = cut.start + row.length;
            if end > size {
                cut.within = (cut.start < size).then_some(index);
                return cut;
            }
            (cut.extents, cut.rows, cut.start) = (index as u32 + 1, number as u32 + 1, end);
        }
    }
    cut
}

impl TruncateObject {
    /// The version to cut; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    async fn run(self) -> Result<Truncated, Error> {
        for _ in 1..ATTEMPTS {
            match self.attempt().await {
                // It was written to, or cut, in the middle: once more, as it is now.
                Err(Error::Conflict(error)) if error.subject == Subject::Object => {
                    tracing::debug!(%error, "a truncation begins anew");
                }
                outcome => return outcome,
            }
        }
        self.attempt().await
    }

    async fn attempt(&self) -> Result<Truncated, Error> {
        let (object, volumes) = locate(&self.place, &self.object, self.version).await?;
        let (entry, size) = (&object.entry, self.size);
        if entry.marker {
            let message = format!("version {} of {} is a delete marker", entry.version, entry.name);
            return Err(model::Error::not_found(Subject::Object, message).into());
        }
        let (version, before) = (entry.version, entry.size);
        if size > before {
            let message = format!("{} has {before} bytes and cannot be cut to {size}", entry.name);
            let error = model::Error::new(ErrorKind::Invalid, Subject::Object, message);
            return Err(Error::Invalid(error));
        }
        if size == before {
            return Ok(Truncated { version, before, size, rewritten: 0 });
        }
        let cut = cut(object.extents(), size);
        let traces = Arc::new(Traces::new(self.client.servers.clone()));
        let outcome = self.cut(object, volumes, cut, &traces).await;
        if outcome.is_err() {
            traces.tidy().await;
        }
        match outcome {
            Ok(()) => Ok(Truncated { version, before, size, rewritten: size - cut.start }),
            // The latest version was replaced or deleted in the middle: whether there is another,
            // the next attempt sees.
            Err(Error::NoSuchObject(error)) if self.version.is_none() => {
                let message = format!("{} was changed while it was cut: {error}", self.object);
                let error = model::Error::new(ErrorKind::Conflict, Subject::Object, message);
                Err(Error::Conflict(error))
            }
            Err(error) => Err(error),
        }
    }

    async fn cut(
        &self,
        object: Object,
        volumes: Vec<VolumeRef>,
        cut: Cut,
        traces: &Arc<Traces>,
    ) -> Result<(), Error> {
        let place = &self.place;
        let within = cut.within.and_then(|index| object.extents().get(index));
        let expected: Vec<BlobId> = object.extents().iter().map(|e| e.blob).collect();
        let (version, before) = (object.entry.version, object.entry.size);
        let (incarnation, tail, blobs) = match within {
            None => (place.show().await?.incarnation, None, Vec::new()),
            Some(extent) => {
                let (prepared, written) =
                    self.rewrite(extent.policy.clone(), &object, volumes, cut, traces).await?;
                let extent = prepared.extent(written.metachunks);
                let blobs = vec![extent.blob];
                let tail = new_extents(place, prepared.incarnation, vec![extent]).await?.pop();
                (prepared.incarnation, tail, blobs)
            }
        };
        let request = v1::TruncateObjectRequest {
            request_id: place.metadata.request_id(),
            account: place.account.to_string(),
            container: place.container.to_string(),
            incarnation,
            object: self.object.to_string(),
            version: Some(version.0),
            expected_size: before,
            expected_blobs: expected.iter().map(|blob| blob.0.to_vec()).collect(),
            keep_extents: cut.extents,
            keep_rows: cut.rows,
            tail,
            size: self.size,
        };
        let send = |metadata: Arc<Metadata>| {
            let request = request.clone();
            async move {
                ask!(metadata, place.route(), Write, MetadataClient::truncate_object, request).await
            }
        };
        conclude(place, &blobs, traces, send).await?;
        Ok(())
    }

    /// Writes what is left of the metachunk that is cut.
    async fn rewrite(
        &self,
        policy: model::PolicyName,
        object: &Object,
        volumes: Vec<VolumeRef>,
        cut: Cut,
        traces: &Arc<Traces>,
    ) -> Result<(Prepared, Written), Error> {
        let placer = MetadataPlacer {
            policy: Some(policy),
            shrinks: true,
            ..MetadataPlacer::first(&self.place)
        };
        let prepared = placer.prepare(1, Vec::new()).await?;
        let range = cut.start..self.size;
        let bytes = range.end - range.start;
        let place = self.place.clone();
        let kept = get::open(&self.client, place, object.clone(), volumes, vec![range])?;
        let writing = Writing {
            client: &self.client,
            place: &self.place,
            object: &self.object,
            prepared: &prepared,
            traces,
            shrinks: true,
        };
        let source = Source::reader(kept.into_reader()).sized(bytes);
        let written = writing.run(source, false).await.map_err(read_error)?;
        Ok((prepared, written))
    }
}

/// What failed to be read is inside what the source of the write says.
fn read_error(error: Error) -> Error {
    let Error::Source(error) = error else { return error };
    match error.downcast::<Error>() {
        Ok(inner) => inner,
        Err(error) => Error::Source(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Metachunk, WriteId};

    fn extent(lengths: &[u64]) -> Extent {
        let row = |length: &u64| Metachunk {
            length: *length,
            write: WriteId(1),
            volumes: Vec::new(),
            rewritten: Vec::new(),
        };
        Extent {
            blob: BlobId([1; 16]),
            origin: BlobId([1; 16]),
            policy: "EC".parse().unwrap(),
            method: "plain/nb_copy=1".parse().unwrap(),
            chunk_blocks: 1,
            metachunks: lengths.iter().map(row).collect(),
        }
    }

    #[test]
    fn a_cut_keeps_whole_metachunks_and_rewrites_one() {
        let extents = [extent(&[10, 10, 4]), extent(&[3]), extent(&[10, 1])];
        let table = [
            (0, (0, 0, 0, None)),
            (1, (0, 0, 0, Some(0))),
            (10, (1, 1, 10, None)),
            (15, (1, 1, 10, Some(0))),
            (20, (1, 2, 20, None)),
            (24, (1, 3, 24, None)),
            (25, (1, 3, 24, Some(1))),
            (27, (2, 1, 27, None)),
            (36, (2, 1, 27, Some(2))),
            (37, (3, 1, 37, None)),
            (38, (3, 2, 38, None)),
        ];
        for (size, (extents_kept, rows, start, within)) in table {
            let expected = Cut { extents: extents_kept, rows, start, within };
            assert_eq!(cut(&extents, size), expected, "cut to {size}");
        }
        assert_eq!(cut(&[], 0), Cut::default());
    }
}
