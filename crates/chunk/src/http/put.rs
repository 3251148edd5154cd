//! Receiving a chunk: verified in passing, written as it came.

use super::{
    HttpError,
    answer::{ORIGIN, created, header_text},
};
use crate::volume::Volume;
use bytes::Bytes;
use http::{HeaderMap, Response, header};
use http_body::Body as HttpBody;
use http_body_util::BodyExt;
use layout::{MAX_CHUNK_BYTES, Verifier, VerifyError};
use model::{BlobId, ChunkName, Error};
use std::{pin::Pin, time::Duration};
use transport::Body;

/// A body that stalls for so long is given up.
const STALL: Duration = Duration::from_secs(60);

pub(super) async fn put<B>(
    volume: &Volume,
    name: ChunkName,
    headers: &HeaderMap,
    body: &mut Pin<Box<B>>,
) -> Result<Response<Body>, HttpError>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: std::fmt::Display + Send,
{
    let origin = match header_text(headers, &ORIGIN)? {
        Some(text) => text.parse::<BlobId>()?,
        None => name.blob,
    };
    let announced = header_text(headers, &header::CONTENT_LENGTH)?;
    let announced = announced.map(str::parse::<u64>).transpose();
    let announced = announced.map_err(|_| HttpError::invalid("content-length is no number"))?;
    if announced.is_some_and(|bytes| bytes > MAX_CHUNK_BYTES) {
        return Err(HttpError::too_large(VerifyError::TooLong.to_string()));
    }
    let _under_way = volume.health().admit()?;
    let mut writer = volume.engine()?.put(&name, announced).await?;
    let mut verifier = Verifier::new(&name, origin);
    // What comes while a batch is written waits in the socket: a second batch for it would take as
    // much memory again, which makes larger batches, and fewer hops, where there are many streams.
    loop {
        let Received { batch, ended } = receive(volume, body, &mut verifier).await?;
        if !ended {
            writer.write(batch).await?;
            continue;
        }
        // Nothing is durable before the last check: what fails it was never there.
        let whole = verifier.finish().map_err(refused)?;
        writer.write(batch).await?;
        writer.commit().await?;
        metrics::counter!("cairn_chunk_puts_total").increment(1);
        metrics::counter!("cairn_chunk_put_bytes_total").increment(whole.bytes);
        return Ok(created(whole.bytes));
    }
}

struct Received {
    batch: Vec<Bytes>,
    ended: bool,
}

/// Receives and checks the next batch.
async fn receive<B>(
    volume: &Volume,
    body: &mut Pin<Box<B>>,
    verifier: &mut Verifier,
) -> Result<Received, HttpError>
where
    B: HttpBody<Data = Bytes> + Send,
    B::Error: std::fmt::Display + Send,
{
    // Enough that the hop to a thread that may block, and the call, cost little beside them.
    let enough = volume.health().batch_bytes();
    let (mut batch, mut bytes) = (Vec::new(), 0);
    while bytes < enough {
        let frame = tokio::time::timeout(STALL, body.frame()).await;
        let frame = frame.map_err(|_| {
            HttpError::from(Error::unavailable(format!("the body stalled for {STALL:?}")))
        })?;
        let Some(frame) = frame else { return Ok(Received { batch, ended: true }) };
        let frame = frame.map_err(|e| HttpError::invalid(format!("the body broke off: {e}")))?;
        // Trailers say nothing of interest.
        let Ok(data) = frame.into_data() else { continue };
        bytes += data.len();
        verifier.push(data.clone()).map_err(refused)?;
        batch.push(data);
    }
    Ok(Received { batch, ended: false })
}

/// Takes what is still coming of a refused body, within bounds, beside the answer. Otherwise the
/// connection would be reset with bytes unread, and the client may lose the answer with it.
pub(super) fn drain<B>(mut body: Pin<Box<B>>)
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Send,
{
    // What a chunk can have: some clients look for an answer only when all is sent.
    const DRAINED_BYTES: u64 = MAX_CHUNK_BYTES;
    const DRAINED_FOR: Duration = Duration::from_secs(5);
    if body.is_end_stream() {
        return;
    }
    tokio::spawn(tokio::time::timeout(DRAINED_FOR, async move {
        let mut bytes = 0;
        while let Some(Ok(frame)) = body.frame().await {
            bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
            if bytes > DRAINED_BYTES {
                break;
            }
            // An endless body that is always ready must let others run.
            tokio::task::consume_budget().await;
        }
    }));
}

fn refused(error: VerifyError) -> HttpError {
    let message = format!("nothing was stored: {error}");
    match error {
        VerifyError::TooLong => HttpError::too_large(message),
        VerifyError::Block(_) | VerifyError::Footer(_) => HttpError::invalid(message),
    }
}
