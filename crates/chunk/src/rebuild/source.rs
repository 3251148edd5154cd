//! Reading one source over HTTP.

use super::{Source, Wanted};
use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use layout::{Footer, MAX_FOOTER_BYTES, Seed, Stripe};
use model::BlobId;
use recovery::{Blocks, Fragment, Loss};
use std::time::Duration;
use tokio::time::timeout;
use transport::{HttpPool, full_body};

/// How long a source may send nothing.
const STALL: Duration = Duration::from_secs(5);

/// One GET of a source's blocks, from some stripe on.
pub(super) struct BlockStream {
    pool: HttpPool,
    source: Source,
    blocks: Blocks,
    body: Option<Incoming>,
    next: u32,
}

impl BlockStream {
    /// Will read from a stripe on.
    pub(super) fn new(pool: &HttpPool, source: Source, origin: BlobId, first: u32) -> Self {
        let blocks = Blocks::new(Seed::of(&source.name, origin));
        Self { pool: pool.clone(), source, blocks, body: None, next: first }
    }

    /// Whether the block of a stripe comes next.
    pub(super) fn is_at(&self, stripe: u32) -> bool {
        self.next == stripe
    }

    /// The block of `stripe`, which comes next.
    pub(super) async fn next(&mut self, stripe: &Stripe) -> Result<Fragment, Loss> {
        if self.body.is_none() {
            let range = format!("bytes={}-", stripe.block().start);
            let get = get(&self.pool, &self.source, range);
            self.body = Some(timeout(STALL, get).await.map_err(|_| Loss::Slow)??);
        }
        while !self.blocks.has(stripe) {
            let Some(body) = &mut self.body else { return Err(Loss::Slow) };
            match timeout(STALL, body.frame()).await.map_err(|_| Loss::Slow)? {
                // Trailers say nothing of interest.
                Some(Ok(frame)) => frame.into_data().into_iter().for_each(|d| self.blocks.push(d)),
                Some(Err(error)) => {
                    return Err(Loss::Unreachable(format!("it broke off: {error}")));
                }
                None => return Err(Loss::Corrupt("the chunk is cut short".to_owned())),
            }
        }
        self.next += 1;
        self.blocks.take(stripe)
    }
}

/// The footer of a source, if it is one of the metachunk.
pub(super) async fn footer(
    pool: &HttpPool,
    source: &Source,
    wanted: &Wanted,
) -> Result<Footer, Loss> {
    let corrupt = |why: &dyn std::fmt::Display| Loss::Corrupt(why.to_string());
    let read = async {
        let body = get(pool, source, format!("bytes=-{MAX_FOOTER_BYTES}")).await?;
        let body = Limited::new(body, MAX_FOOTER_BYTES).collect().await;
        Ok(body.map_err(|error| Loss::Unreachable(error.to_string()))?.to_bytes())
    };
    let end = timeout(STALL, read).await.map_err(|_| Loss::Slow)??;
    let (footer, _) = Footer::parse(&end).map_err(|e| corrupt(&e))?;
    footer.check_name(&source.name, wanted.origin).map_err(|e| corrupt(&e))?;
    if !wanted.is_of_metachunk(&footer) {
        return Err(corrupt(&"its footer is that of another metachunk"));
    }
    Ok(footer)
}

async fn get(pool: &HttpPool, source: &Source, range: String) -> Result<Incoming, Loss> {
    let unreachable = |error: &dyn std::fmt::Display| Loss::Unreachable(error.to_string());
    let request = Request::builder()
        .method(Method::GET)
        .uri(format!("/v1/volumes/{}/chunks/{}", source.volume, source.name))
        .header(header::RANGE, range)
        .body(full_body(Bytes::new()))
        .map_err(|e| unreachable(&e))?;
    let response = pool.send(&source.address, request).await.map_err(|e| unreachable(&e))?;
    match response.status() {
        StatusCode::PARTIAL_CONTENT => Ok(response.into_body()),
        StatusCode::NOT_FOUND => Err(Loss::Missing),
        StatusCode::RANGE_NOT_SATISFIABLE => {
            Err(Loss::Corrupt("the chunk is cut short".to_owned()))
        }
        status => Err(unreachable(&format!("{} answered {status}", source.address))),
    }
}
