//! Making an upload a version.

use crate::{
    Error, Stored,
    conclude::conclude,
    counters::Counters,
    metadata::{Metadata, ask},
    prepare::Prepared,
    put::Upload,
    traces::Traces,
    writer::Written,
};
use model::{Extent, Version};
use proto::{
    convert::properties_to,
    v1::{self, metadata_client::MetadataClient},
};
use std::sync::Arc;

/// The media type of objects whose writer gave none.
const DEFAULT_MIME_TYPE: &str = "application/octet-stream";

/// The end of an upload whose chunks are durable.
pub(crate) struct Commit<'a> {
    pub(crate) upload: &'a Upload,
    pub(crate) prepared: &'a Prepared,
    pub(crate) traces: Arc<Traces>,
}

impl Commit<'_> {
    pub(crate) async fn run(self, written: Written) -> Result<Stored, Error> {
        let request = self.request(&written);
        let place = &self.upload.place;
        let send = |metadata: Arc<Metadata>| {
            let request = request.clone();
            async move { ask!(metadata, place.route(), Write, MetadataClient::commit, request).await }
        };
        let answer = conclude(place, &[self.prepared.blob], &self.traces, send).await?;
        Ok(self.stored(written, answer))
    }

    fn request(&self, written: &Written) -> v1::CommitRequest {
        let (upload, prepared) = (self.upload, self.prepared);
        let extent = (written.size > 0).then(|| Extent {
            blob: prepared.blob,
            origin: prepared.blob,
            policy: prepared.policy.name.clone(),
            method: prepared.policy.method,
            chunk_blocks: prepared.policy.chunk_blocks,
            metachunks: written.metachunks.clone(),
        });
        v1::CommitRequest {
            request_id: upload.place.metadata.request_id(),
            account: upload.place.account.to_string(),
            container: upload.place.container.to_string(),
            incarnation: prepared.incarnation,
            object: upload.object.to_string(),
            blob: prepared.blob.0.to_vec(),
            extent: extent.map(Into::into),
            size: written.size,
            hash: Some(written.hash.0.to_vec()),
            md5: written.md5.map(|md5| md5.to_vec()),
            mime_type: upload.mime_type.clone().unwrap_or_else(|| DEFAULT_MIME_TYPE.to_owned()),
            policy: prepared.policy.name.to_string(),
            properties: properties_to(upload.properties.clone()),
            precondition: Some(upload.precondition.clone().into()),
        }
    }

    fn stored(&self, written: Written, answer: v1::CommitResponse) -> Stored {
        Counters::add(&self.upload.client.counters.bytes_written, written.size);
        Stored {
            content: self.prepared.blob.into(),
            version: Version(answer.version),
            size: written.size,
            hash: written.hash,
            md5: written.md5.map(hex::encode),
            policy: self.prepared.policy.name.clone(),
            tolerance: answer.tolerance,
            dropped: answer.dropped,
            failures: written.failures,
        }
    }
}
