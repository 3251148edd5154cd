//! Chunk tables on their way into a commit: in it while they are short, staged before it beyond.

use crate::{Error, container::Place, metadata::ask};
use futures::{StreamExt, TryStreamExt, stream};
use model::Extent;
use proto::v1::{self, metadata_client::MetadataClient};

/// Rows that all the extents of a commit may bring themselves.
const INLINE_ROWS: usize = 32;

/// Rows of a staged page.
const PAGE_ROWS: usize = 256;

/// Extents whose pages are staged at the same time; those of one go in order.
const STAGED_AT_ONCE: usize = 4;

/// The extents as a commit brings them. What is staged and not committed expires by itself, and
/// goes with the abort of its blob.
pub(crate) async fn new_extents(
    place: &Place,
    incarnation: u64,
    extents: Vec<Extent>,
) -> Result<Vec<v1::NewExtent>, Error> {
    let mut room = INLINE_ROWS;
    let mut staging = Vec::new();
    for mut extent in extents {
        let rows = extent.metachunks.len();
        let staged = if rows <= room {
            room -= rows;
            None
        } else {
            Some(std::mem::take(&mut extent.metachunks))
        };
        staging.push(stage(place, incarnation, extent, staged));
    }
    stream::iter(staging).buffered(STAGED_AT_ONCE).try_collect().await
}

async fn stage(
    place: &Place,
    incarnation: u64,
    extent: Extent,
    staged: Option<Vec<model::Metachunk>>,
) -> Result<v1::NewExtent, Error> {
    let Some(rows) = staged else {
        return Ok(v1::NewExtent { extent: Some(extent.into()), staged_rows: None });
    };
    let metadata = &place.metadata;
    for (page, rows) in (0..).zip(rows.chunks(PAGE_ROWS)) {
        let request = v1::StagePageRequest {
            request_id: metadata.request_id(),
            account: place.account.to_string(),
            container: place.container.to_string(),
            incarnation,
            blob: extent.blob.0.to_vec(),
            chunk_method: extent.method.to_string(),
            chunk_blocks: extent.chunk_blocks,
            page,
            rows: rows.iter().cloned().map(Into::into).collect(),
        };
        ask!(metadata, place.route(), Write, MetadataClient::stage_page, request).await?;
    }
    let staged_rows = Some(rows.len() as u32);
    Ok(v1::NewExtent { extent: Some(extent.into()), staged_rows })
}
