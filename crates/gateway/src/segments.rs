//! Several objects read as one.

use crate::{
    content::{Flow, Origin},
    object::Names,
    reader::{How, Reader},
    refusal::Refusal,
};
use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::BoxFuture, stream};
use http::StatusCode;
use std::{ops::Range, sync::Arc};
use tokio_util::task::AbortOnDropHandle;

/// Manifests within manifests that are followed.
pub const MOST_LEVELS: u8 = 10;

/// A part of a large object.
#[derive(Debug, Clone)]
pub enum Segment {
    /// Bytes that the manifest has itself.
    Data(Bytes),
    /// A part of an object.
    Part {
        /// The object.
        named: Names,
        /// The entity tag it must have.
        etag: String,
        /// The bytes it must have.
        size: u64,
        /// What of it belongs to the large object.
        range: Range<u64>,
    },
}

impl Segment {
    fn length(&self) -> u64 {
        match self {
            Self::Data(bytes) => bytes.len() as u64,
            Self::Part { range, .. } => range.end - range.start,
        }
    }
}

/// Segments, one behind the other.
#[derive(Clone)]
pub struct Segments(Arc<Inner>);

struct Inner {
    reader: Reader,
    /// How segments are read.
    how: How,
    segments: Vec<Segment>,
    /// Where each ends in the whole.
    ends: Vec<u64>,
}

impl Segments {
    /// Segments that `reader` reads. `how.depth` is the number of manifests that led to this one;
    /// `how.manifests` is whether segments that are manifests stand for what they name.
    ///
    /// # Errors
    /// 409 if that are too many.
    pub fn new(reader: Reader, how: How, segments: Vec<Segment>) -> Result<Self, Refusal> {
        if how.depth > MOST_LEVELS {
            tracing::info!("manifests are nested more than {MOST_LEVELS} levels deep");
            return Err(Refusal::new(StatusCode::CONFLICT));
        }
        let mut end = 0_u64;
        let ends = segments.iter().map(|segment| {
            end = end.saturating_add(segment.length());
            end
        });
        let ends = ends.collect();
        Ok(Self(Arc::new(Inner { reader, how, segments, ends })))
    }

    /// Bytes of all segments.
    pub fn size(&self) -> u64 {
        self.0.ends.last().copied().unwrap_or(0)
    }

    /// Opens a segment in a task of its own, so that it is there when the one before it ends.
    fn opening(&self, index: usize, part: Range<u64>) -> AbortOnDropHandle<Result<Flow, Refusal>> {
        let this = self.0.clone();
        AbortOnDropHandle::new(tokio::spawn(async move { this.open(index, part).await }))
    }
}

/// The segments that a range of the whole touches, by where each ends in the whole, and what of
/// each.
fn touched(ends: &[u64], range: Range<u64>) -> impl Iterator<Item = (usize, Range<u64>)> {
    let first = ends.partition_point(|end| *end <= range.start);
    let start = |index: usize| if index == 0 { 0 } else { ends[index - 1] };
    (first..ends.len())
        .map(move |index| (index, start(index), ends[index]))
        .take_while(move |(_, start, _)| *start < range.end)
        .filter(|(_, start, end)| start < end)
        .map(move |(index, start, end)| {
            (index, range.start.max(start) - start..range.end.min(end) - start)
        })
}

impl Origin for Segments {
    fn read(&self, range: Range<u64>) -> Result<Flow, Refusal> {
        let parts: Vec<_> = touched(&self.0.ends, range).collect();
        let this = self.clone();
        let flows = stream::unfold((parts.into_iter(), None), move |(mut parts, ahead)| {
            let this = this.clone();
            async move {
                let opening = match ahead {
                    Some(opening) => opening,
                    None => parts.next().map(|(index, part)| this.opening(index, part))?,
                };
                let flow = opening.await.unwrap_or_else(|_| {
                    let text = "a segment could not be opened";
                    Err(Refusal::says(StatusCode::INTERNAL_SERVER_ERROR, text))
                });
                // One is opened while the one before it flows, and no more than one.
                let ahead = parts.next().map(|(index, part)| this.opening(index, part));
                Some((flow, (parts, ahead)))
            }
        });
        let flows = flows.flat_map(|flow| match flow {
            Ok(flow) => flow,
            Err(refusal) => stream::once(async move { Err(refusal) }).boxed(),
        });
        Ok(flows.boxed())
    }
}

impl Inner {
    /// Boxed: a segment can be a large object itself.
    fn open(&self, index: usize, part: Range<u64>) -> BoxFuture<'_, Result<Flow, Refusal>> {
        async move {
            match &self.segments[index] {
                Segment::Data(bytes) => bytes.read(part),
                Segment::Part { named, etag, size, range } => {
                    let opened = self.open_part(named, etag, *size).await;
                    let origin = opened.map_err(|refusal| unreadable(named, refusal))?;
                    origin.read(range.start + part.start..range.start + part.end)
                }
            }
        }
        .boxed()
    }

    async fn open_part(
        &self,
        named: &Names,
        etag: &str,
        size: u64,
    ) -> Result<Box<dyn Origin>, Refusal> {
        self.reader.may_read(&named.account, &named.container).await?;
        let content = self.reader.find(named.place(), self.how).await?.content;
        let changed = || Refusal::says(StatusCode::CONFLICT, "it was changed");
        if content.open_ended
            || content.size != size
            || content.etag.as_deref().unwrap_or_default() != etag
        {
            return Err(changed());
        }
        content.origin.ok_or_else(changed)
    }
}

/// What a reader of the whole is told of a segment that it does not get: 409, unless it is the
/// store that fails. It does not learn which: it may have no right to know what there is.
fn unreadable(named: &Names, refusal: Refusal) -> Refusal {
    let Names { container, object, .. } = named;
    tracing::info!(%container, %object, %refusal, "a segment cannot be read");
    if refusal.status.is_server_error() {
        return refusal;
    }
    Refusal::new(StatusCode::CONFLICT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_range_touches_what_it_covers() {
        let ends = [3, 3, 7, 10];
        type Case<'a> = (Range<u64>, &'a [(usize, Range<u64>)]);
        let table: [Case<'_>; 6] = [
            (0..10, &[(0, 0..3), (2, 0..4), (3, 0..3)]),
            (0..1, &[(0, 0..1)]),
            (2..4, &[(0, 2..3), (2, 0..1)]),
            (3..7, &[(2, 0..4)]),
            (9..10, &[(3, 2..3)]),
            (7..8, &[(3, 0..1)]),
        ];
        for (range, expected) in table {
            assert_eq!(touched(&ends, range.clone()).collect::<Vec<_>>(), expected, "{range:?}");
        }
    }

    proptest! {
        #[test]
        fn every_byte_of_a_range_is_read_once(
            lengths in prop::collection::vec(0_u64..20, 1..20), a in 0_u64..400, b in 0_u64..400,
        ) {
            let mut bytes: Vec<(usize, u64)> = Vec::new();
            let mut ends = Vec::new();
            for (index, length) in lengths.iter().enumerate() {
                bytes.extend((0..*length).map(|at| (index, at)));
                ends.push(bytes.len() as u64);
            }
            let size = bytes.len() as u64;
            let (first, last) = (a.min(b).min(size), a.max(b).min(size));
            let read: Vec<_> = touched(&ends, first..last)
                .flat_map(|(index, part)| part.map(move |at| (index, at)))
                .collect();
            prop_assert_eq!(read, bytes[first as usize..last as usize].to_vec());
        }
    }
}
