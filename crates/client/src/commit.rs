//! Making an upload a version, or finding out that it became none.
//!
//! The upload's chunks are deleted only if no commit was sent, or if an abort, which bars the
//! blob from ever being committed, was answered with success. Otherwise nothing is deleted.

use crate::{
    Error, Stored, counters::Counters, metadata::ask, prepare::Prepared, put::Upload,
    traces::Traces, writer::Written,
};
use model::{ErrorKind, Extent, Version};
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
        // From here on the chunks may be part of a version.
        let chunks = self.traces.disarm();
        let error = match self.commit(&request).await {
            Ok(answer) => return Ok(self.stored(written, answer)),
            Err(error) => error,
        };
        let outcome_open = error.kind() == ErrorKind::Indeterminate;
        match self.abort().await {
            Ok(()) => {
                self.traces.restore(chunks);
                Err(if outcome_open {
                    Error::unavailable(format!("the upload was aborted; {error}"))
                } else {
                    error
                })
            }
            // It was committed after all: the same request gets the answer that was lost.
            Err(Error::Conflict(_) | Error::AlreadyExists(_)) if outcome_open => {
                match self.commit(&request).await {
                    Ok(answer) => Ok(self.stored(written, answer)),
                    Err(again) => Err(Error::indeterminate(format!(
                        "the upload was committed, but its answer is lost: {again}"
                    ))),
                }
            }
            // A refusal is definite even if the abort is not; the chunks are left to garbage
            // collection.
            Err(_) => Err(error),
        }
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

    async fn commit(&self, request: &v1::CommitRequest) -> Result<v1::CommitResponse, Error> {
        let (metadata, route) = (&self.upload.place.metadata, self.upload.place.route());
        ask!(metadata, route, Write, MetadataClient::commit, request.clone()).await
    }

    async fn abort(&self) -> Result<(), Error> {
        let metadata = &self.upload.place.metadata;
        let request = v1::AbortRequest {
            request_id: metadata.request_id(),
            account: self.upload.place.account.to_string(),
            container: self.upload.place.container.to_string(),
            blob: self.prepared.blob.0.to_vec(),
        };
        let route = self.upload.place.route();
        ask!(metadata, route, Write, MetadataClient::abort, request).await?;
        Ok(())
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
