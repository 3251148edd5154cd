//! The end of a write: making it part of the metadata, or finding out that it became none.
//!
//! The chunks of a write are deleted only if nothing was sent that could name them, or if an
//! abort, which bars a blob from ever being committed, was answered with success. Otherwise
//! nothing is deleted.

use crate::{
    Error,
    container::Place,
    metadata::{Metadata, ask},
    traces::Traces,
};
use model::{BlobId, ErrorKind};
use proto::v1::{self, metadata_client::MetadataClient};
use std::{future::Future, sync::Arc};
use tokio::time::Instant;

/// Sends the command that names the chunks of `blobs`, and finds out what became of it. `send`
/// sends the same request, with the same id, each time.
pub(crate) async fn conclude<T, Fut>(
    place: &Place,
    blobs: &[BlobId],
    traces: &Traces,
    send: impl Fn(Arc<Metadata>) -> Fut,
) -> Result<T, Error>
where
    Fut: Future<Output = Result<T, Error>>,
{
    let metadata = &place.metadata;
    let late = || metadata.end().is_some_and(|end| end <= Instant::now());
    if late() {
        return Err(Error::DeadlineReached { stage: "writing" });
    }
    // From here on the chunks may be part of a version.
    let chunks = traces.disarm();
    let error = match send(metadata.clone()).await {
        Ok(answer) => {
            traces.restore_unnamed();
            return Ok(answer);
        }
        Err(error) => error,
    };
    if blobs.is_empty() {
        // There is nothing to bar, so what became of it stays open if it is open.
        return Err(error);
    }
    let outcome_open = error.kind() == ErrorKind::Indeterminate;
    match abort(place, blobs).await {
        Ok(()) => {
            traces.restore(chunks);
            Err(if late() && (outcome_open || error.kind() == ErrorKind::Unavailable) {
                Error::DeadlineReached { stage: "the commit" }
            } else if outcome_open {
                Error::unavailable(format!("the write was aborted; {error}"))
            } else {
                error
            })
        }
        // It was committed after all: the same request gets the answer that was lost, if it is
        // kept still. A refusal came from a try behind the one that committed it.
        Err(Error::Conflict(_) | Error::AlreadyExists(_)) => {
            let again = send(metadata.without_end()).await;
            again.map_err(|again| {
                Error::indeterminate(format!(
                    "the write was committed, but its answer is lost: {again}"
                ))
            })
        }
        // A refusal is definite even if the abort is not; the chunks are left to garbage
        // collection.
        Err(_) => Err(error),
    }
}

/// Bars blobs from being committed. They are committed together or not at all: the first that
/// is barred, or that was committed, says what holds for all.
///
/// It has a deadline of its own: that of the write may be what ended its commit.
pub(crate) async fn abort(place: &Place, blobs: &[BlobId]) -> Result<(), Error> {
    let metadata = place.metadata.without_end();
    for blob in blobs {
        let request = v1::AbortRequest {
            request_id: metadata.request_id(),
            account: place.account.to_string(),
            container: place.container.to_string(),
            blob: blob.0.to_vec(),
        };
        ask!(metadata, place.route(), Write, MetadataClient::abort, request).await?;
    }
    Ok(())
}
