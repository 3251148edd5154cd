//! Talking to chunk servers: one chunk, one request.

use crate::{health::VolumeHealth, lane::LaneBody, leave::Leave};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy::connect::{CaptureConnection, capture_connection};
use layout::{Footer, MAX_FOOTER_BYTES};
use model::{
    AccountName, BlobId, ChunkName, ContainerName, Hash, ObjectName, PolicyName, VolumeId,
};
use recovery::Loss;
use serde::Serialize;
use std::{ops::Range, time::Duration};
use tokio::time::timeout;
use transport::{CAPABILITY, DESTINATION_CAPABILITY, HttpPool, PoolError};

/// Where a volume is reached, and whether trying is worth it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VolumeRef {
    /// The volume.
    pub id: VolumeId,
    /// Its chunk server, `host:port`.
    pub address: String,
    /// Whether the directory believes that it answers.
    pub up: bool,
    /// 0 (poor) to 100.
    pub score: u32,
    /// What its chunk server is shown.
    #[serde(skip)]
    pub(crate) leave: Leave,
}

impl VolumeRef {
    /// A volume that the answer at hand does not tell of.
    pub(crate) fn unknown(id: VolumeId) -> Self {
        Self { id, address: String::new(), up: false, score: 0, leave: Leave::default() }
    }
}

impl From<proto::v1::VolumeRef> for VolumeRef {
    fn from(m: proto::v1::VolumeRef) -> Self {
        let (id, leave) = (VolumeId(m.id), Leave::default());
        Self { id, address: m.address, up: m.up, score: m.score, leave }
    }
}

/// What a chunk server says of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum ChunkState {
    /// It has it.
    Present {
        /// Bytes of the chunk, footer included.
        bytes: u64,
        /// What the chunk says of itself, if that was read.
        #[serde(flatten, skip_serializing_if = "Option::is_none")]
        footer: Option<Box<ChunkFooter>>,
    },
    /// It does not.
    Missing,
    /// It has something that does not end as a chunk does.
    Damaged {
        /// What is wrong.
        reason: String,
    },
    /// It did not say.
    Unknown {
        /// Why.
        reason: String,
    },
}

/// What a chunk says of itself: where its bytes were first written, which a link does not
/// change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChunkFooter {
    /// The blob its bytes were first written under.
    pub origin: BlobId,
    /// The account of the object they were written for.
    pub account: AccountName,
    /// Its container.
    pub container: ContainerName,
    /// Its name.
    pub object: ObjectName,
    /// The policy they were written with.
    pub policy: PolicyName,
    /// How they were encoded.
    pub method: model::Method,
    /// Bytes of content in the metachunk.
    pub metachunk_length: u64,
    /// BLAKE3 over the check sums of the metachunk's stripes, the same in all its chunks.
    pub metachunk_hash: Hash,
}

impl From<Footer> for ChunkFooter {
    fn from(footer: Footer) -> Self {
        Self {
            origin: footer.origin,
            account: footer.account,
            container: footer.container,
            object: footer.object,
            policy: footer.policy,
            method: footer.method,
            metachunk_length: footer.length,
            metachunk_hash: footer.stripes,
        }
    }
}

/// The header with the blob that a chunk's bytes were first written under.
const ORIGIN: &str = "x-cairn-origin";

/// How long a question about one chunk may take.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of an error's explanation that are read.
const MAX_EXPLANATION_BYTES: usize = 4096;

/// How long the copy of a chunk may take: where a volume knows no links, its bytes are copied.
const COPY_TIMEOUT: Duration = Duration::from_secs(60);

/// Why a chunk was not copied.
#[derive(Debug)]
pub(crate) enum NotCopied {
    /// The volume has no such chunk.
    Missing,
    /// It refused, or did not answer.
    Failed {
        /// For people.
        reason: String,
        /// Whether the volume had no room for it.
        full: bool,
    },
}

/// Why a chunk was not stored.
#[derive(Debug)]
pub(crate) struct NotStored {
    /// For people.
    pub(crate) reason: String,
    /// Whether the volume had no room for it.
    pub(crate) full: bool,
}

impl NotStored {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), full: false }
    }
}

/// The chunk servers of a cluster. Shared by everything a client does.
pub(crate) struct ChunkServers {
    pool: HttpPool,
    pub(crate) health: VolumeHealth,
}

fn request(method: Method, volume: &VolumeRef, chunk: &ChunkName) -> http::request::Builder {
    let uri = format!("/v1/volumes/{}/chunks/{chunk}", volume.id);
    let request = Request::builder().method(method).uri(uri);
    match volume.leave.header(&chunk.blob, volume.id) {
        Some(shown) => request.header(CAPABILITY, shown),
        None => request,
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// What an answer that is not a success says.
async fn explain(response: Response<Incoming>) -> String {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_EXPLANATION_BYTES).collect();
    match timeout(ASK_TIMEOUT, body).await {
        Ok(Ok(body)) => {
            let text = String::from_utf8_lossy(&body.to_bytes()).trim().to_owned();
            if text.is_empty() { status.to_string() } else { format!("{status}: {text}") }
        }
        _ => status.to_string(),
    }
}

impl ChunkServers {
    pub(crate) fn new(pool: HttpPool) -> Self {
        Self { pool, health: VolumeHealth::default() }
    }

    async fn send(
        &self,
        volume: &VolumeRef,
        request: Result<Request<transport::Body>, http::Error>,
    ) -> Result<Response<Incoming>, String> {
        let request = request.map_err(|error| error.to_string())?;
        self.pool.send(&volume.address, request).await.map_err(|error: PoolError| chain(&error))
    }

    /// Starts writing a chunk. `wanted` is called when the server asks for the body; the first
    /// of the results tells when there is a connection.
    pub(crate) fn put(
        &self,
        volume: &VolumeRef,
        chunk: &ChunkName,
        origin: BlobId,
        body: LaneBody,
        wanted: impl Fn() + Send + Sync + 'static,
    ) -> (Option<CaptureConnection>, impl Future<Output = Result<(), NotStored>> + Send + 'static)
    {
        let request = request(Method::PUT, volume, chunk)
            .header(ORIGIN, origin.to_string())
            // The server says when it wants the body: until then it can be replaced.
            .header(header::EXPECT, HeaderValue::from_static("100-continue"))
            .body(body.boxed_unsync());
        let mut captured = None;
        let request = request.map(|mut request| {
            captured = Some(capture_connection(&mut request));
            hyper::ext::on_informational(&mut request, move |response| {
                if response.status() == StatusCode::CONTINUE {
                    wanted();
                }
            });
            request
        });
        let (pool, address) = (self.pool.clone(), volume.address.clone());
        let answer = async move {
            let request = request.map_err(|error| NotStored::new(error.to_string()))?;
            let sent = pool.send(&address, request).await;
            let response = sent.map_err(|error| NotStored::new(chain(&error)))?;
            match response.status() {
                StatusCode::CREATED => Ok(()),
                status => {
                    let full = status == StatusCode::INSUFFICIENT_STORAGE;
                    Err(NotStored { full, reason: explain(response).await })
                }
            }
        };
        (captured, answer)
    }

    /// The bytes of a part of a chunk.
    pub(crate) async fn get(
        &self,
        volume: &VolumeRef,
        chunk: &ChunkName,
        range: &Range<u64>,
    ) -> Result<Incoming, Loss> {
        let last = range.end.saturating_sub(1);
        let request = request(Method::GET, volume, chunk)
            .header(header::RANGE, format!("bytes={}-{last}", range.start))
            .body(transport::full_body(Bytes::new()));
        let response = self.send(volume, request).await.map_err(Loss::Unreachable)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => Ok(response.into_body()),
            StatusCode::OK if range.start == 0 => Ok(response.into_body()),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(Loss::Missing),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                Err(Loss::Corrupt("the chunk is cut short".to_owned()))
            }
            _ => Err(Loss::Unreachable(explain(response).await)),
        }
    }

    /// What a chunk server says of a chunk, and the chunk of itself.
    pub(crate) async fn inspect(&self, volume: &VolumeRef, chunk: &ChunkName) -> ChunkState {
        let unknown = |reason| ChunkState::Unknown { reason };
        match timeout(ASK_TIMEOUT, self.read_footer(volume, chunk)).await {
            Ok(Ok((bytes, end))) => match Footer::parse(&end) {
                Ok((footer, _))
                    if (footer.metachunk, footer.position) == (chunk.metachunk, chunk.position) =>
                {
                    ChunkState::Present { bytes, footer: Some(Box::new(footer.into())) }
                }
                Ok((footer, _)) => ChunkState::Damaged {
                    reason: format!(
                        "its footer is that of metachunk {}, position {}",
                        footer.metachunk, footer.position
                    ),
                },
                Err(error) => ChunkState::Damaged { reason: error.to_string() },
            },
            Ok(Err(Loss::Missing)) => ChunkState::Missing,
            Ok(Err(Loss::Corrupt(reason))) => ChunkState::Damaged { reason },
            Ok(Err(loss)) => unknown(loss.to_string()),
            Err(_) => unknown(format!("no answer within {ASK_TIMEOUT:?}")),
        }
    }

    /// Bytes of a chunk, and the last of them.
    async fn read_footer(
        &self,
        volume: &VolumeRef,
        chunk: &ChunkName,
    ) -> Result<(u64, Bytes), Loss> {
        let request = request(Method::GET, volume, chunk)
            .header(header::RANGE, format!("bytes=-{MAX_FOOTER_BYTES}"))
            .body(transport::full_body(Bytes::new()));
        let response = self.send(volume, request).await.map_err(Loss::Unreachable)?;
        match response.status() {
            StatusCode::PARTIAL_CONTENT => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Loss::Missing),
            StatusCode::RANGE_NOT_SATISFIABLE => {
                return Err(Loss::Corrupt("the chunk is empty".to_owned()));
            }
            _ => return Err(Loss::Unreachable(explain(response).await)),
        }
        let all = response.headers().get(header::CONTENT_RANGE);
        let all = all.and_then(|r| r.to_str().ok()?.rsplit_once('/')?.1.parse().ok());
        let all = all.ok_or_else(|| Loss::Unreachable("its length was not said".to_owned()))?;
        let end = Limited::new(response.into_body(), MAX_FOOTER_BYTES).collect().await;
        let end = end.map_err(|error| Loss::Unreachable(error.to_string()))?.to_bytes();
        Ok((all, end))
    }

    /// Gives a chunk a second name on its volume, durably. It is asked once: after an answer that
    /// was lost, nobody could tell whether the name that is there is durable.
    pub(crate) async fn copy(
        &self,
        volume: &VolumeRef,
        from: &ChunkName,
        to: &ChunkName,
        leave: &Leave,
    ) -> Result<(), NotCopied> {
        let failed = |reason| NotCopied::Failed { reason, full: false };
        let copy = Method::from_bytes(b"COPY").map_err(|error| failed(error.to_string()))?;
        let mut request = request(copy, volume, from).header("destination", to.to_string());
        if let Some(shown) = leave.header(&to.blob, volume.id) {
            request = request.header(DESTINATION_CAPABILITY, shown);
        }
        let request = request.body(transport::full_body(Bytes::new()));
        let response = timeout(COPY_TIMEOUT, self.send(volume, request))
            .await
            .map_err(|_| failed(format!("no answer within {COPY_TIMEOUT:?}")))?
            .map_err(failed)?;
        match response.status() {
            StatusCode::CREATED => Ok(()),
            StatusCode::NOT_FOUND | StatusCode::GONE => Err(NotCopied::Missing),
            status => {
                let full = status == StatusCode::INSUFFICIENT_STORAGE;
                Err(NotCopied::Failed { reason: explain(response).await, full })
            }
        }
    }

    /// Deletes a chunk; says whether it was there.
    pub(crate) async fn delete(
        &self,
        volume: &VolumeRef,
        chunk: &ChunkName,
    ) -> Result<bool, String> {
        let request =
            request(Method::DELETE, volume, chunk).body(transport::full_body(Bytes::new()));
        let response = timeout(ASK_TIMEOUT, self.send(volume, request))
            .await
            .map_err(|_| format!("no answer within {ASK_TIMEOUT:?}"))??;
        match response.status() {
            status if status.is_success() => Ok(true),
            StatusCode::NOT_FOUND | StatusCode::GONE => Ok(false),
            _ => Err(explain(response).await),
        }
    }
}
