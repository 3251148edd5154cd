//! Making an upload a version.

use crate::{
    Error, Stored,
    conclude::{abort, conclude},
    counters::Counters,
    metadata::{Metadata, ask},
    prepare::Prepared,
    put::Upload,
    table::new_extents,
    traces::Traces,
    writer::Written,
};
use model::{ContentId, Version};
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
        let place = &self.upload.place;
        let blobs = [self.prepared.blob];
        let request = match self.request(&written).await {
            Ok(request) => request,
            Err(error) => {
                // Nothing that names the chunks was sent; what was staged expires otherwise.
                abort(place, &blobs).await.ok();
                return Err(error);
            }
        };
        let send = |metadata: Arc<Metadata>| {
            let request = request.clone();
            async move { ask!(metadata, place.route(), Write, MetadataClient::commit, request).await }
        };
        let answer = conclude(place, &blobs, &self.traces, send).await?;
        self.stored(written, answer)
    }

    async fn request(&self, written: &Written) -> Result<v1::CommitRequest, Error> {
        let (upload, prepared) = (self.upload, self.prepared);
        let extent = (written.size > 0).then(|| prepared.extent(written.metachunks.clone()));
        let extents = extent.into_iter().collect();
        Ok(v1::CommitRequest {
            request_id: upload.place.metadata.request_id(),
            account: upload.place.account.to_string(),
            container: upload.place.container.to_string(),
            incarnation: prepared.incarnation,
            object: upload.object.to_string(),
            blob: prepared.blob.0.to_vec(),
            extents: new_extents(&upload.place, prepared.incarnation, extents).await?,
            size: written.size,
            hash: Some(written.hash.0.to_vec()),
            md5: written.md5.map(|md5| md5.to_vec()),
            mime_type: upload.mime_type.clone().unwrap_or_else(|| DEFAULT_MIME_TYPE.to_owned()),
            policy: prepared.policy.name.to_string(),
            properties: properties_to(upload.properties.clone()),
            precondition: Some(upload.precondition.clone().into()),
            content: upload.content.map(|content| content.0.to_vec()),
            mode: upload.mode.into(),
            delete_at: upload.delete_at,
        })
    }

    fn stored(&self, written: Written, answer: v1::CommitResponse) -> Result<Stored, Error> {
        Counters::add(&self.upload.client.counters.bytes_written, written.size);
        Ok(Stored {
            content: ContentId::try_from(&answer.content[..])?,
            version: Version(answer.version),
            size: written.size,
            total: answer.size,
            hash: written.hash,
            md5: written.md5.map(hex::encode),
            policy: self.prepared.policy.name.clone(),
            tolerance: answer.tolerance,
            dropped: answer.dropped,
            failures: written.failures,
        })
    }
}
