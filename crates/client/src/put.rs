//! Storing an object: prepare, write, commit.

use crate::{
    Error, VolumeFailure,
    changes::{awaitable, takes_properties},
    client::Inner,
    commit::Commit,
    container::Place,
    prepare::{MetadataPlacer, Prepared},
    source::Source,
    timings::{Stopwatch, Timings},
    traces::Traces,
    writer::{MOST_PLACED, Written},
    writing::Writing,
};
use model::{ContentId, Hash, ObjectName, Policy, PolicyName, Precondition, Properties, Version};
use proto::v1::CommitMode;
use serde::Serialize;
use std::{future::Future, sync::Arc};
use tokio::time::Instant;

/// What was stored.
#[derive(Debug, Clone, Serialize)]
pub struct Stored {
    /// The id of the content.
    pub content: ContentId,
    /// The version it became.
    pub version: Version,
    /// Bytes that were uploaded.
    pub size: u64,
    /// Bytes of the version's content: more than were uploaded, after an append.
    pub total: u64,
    /// BLAKE3 of what was uploaded.
    pub hash: Hash,
    /// MD5 of what was uploaded in hexadecimal, if it was asked for.
    pub md5: Option<String>,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// Losses that the metachunk with the fewest durable chunks survives.
    pub tolerance: u32,
    /// Chunks that are not durable and were queued for repair.
    pub dropped: u32,
    /// Volumes that failed on the way.
    pub failures: Vec<VolumeFailure>,
}

impl Stored {
    /// The entity tag in hexadecimal: MD5 where there is one, else BLAKE3.
    pub fn etag(&self) -> String {
        self.md5.clone().unwrap_or_else(|| self.hash.to_string())
    }
}

/// What the content must hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Expected {
    Blake3(String),
    Md5(String),
}

impl Expected {
    fn parse(text: &str) -> Result<Self, Error> {
        let digits = text.trim_matches('"').to_ascii_lowercase();
        let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
        match digits.len() {
            64 if is_hex => Ok(Self::Blake3(digits)),
            32 if is_hex => Ok(Self::Md5(digits)),
            _ => Err(Error::Invalid(model::Error::invalid(
                "an expected etag must be a BLAKE3 (64) or an MD5 (32 hexadecimal digits)",
            ))),
        }
    }

    fn check(&self, written: &Written) -> Result<(), Error> {
        let (algorithm, expected, actual) = match self {
            Self::Blake3(expected) => ("BLAKE3", expected, written.hash.to_string()),
            Self::Md5(expected) => {
                ("MD5", expected, written.md5.map(hex::encode).unwrap_or_default())
            }
        };
        if *expected == actual {
            return Ok(());
        }
        Err(Error::EtagMismatch { algorithm, expected: expected.clone(), actual })
    }
}

/// Stores an object when awaited. Dropped before that, it leaves nothing behind; dropped while
/// the commit is under way, the object may or may not be there.
#[must_use = "nothing happens until it is awaited"]
pub struct PutObject {
    source: Source,
    upload: Upload,
}

/// Everything about an upload but its bytes.
pub(crate) struct Upload {
    pub(crate) client: Arc<Inner>,
    pub(crate) place: Place,
    pub(crate) object: ObjectName,
    pub(crate) mime_type: Option<String>,
    policy: Option<PolicyName>,
    etag: Option<String>,
    pub(crate) precondition: Precondition,
    md5: bool,
    autocreate: bool,
    pub(crate) content: Option<ContentId>,
    pub(crate) mode: CommitMode,
    timings: Option<Timings>,
    pub(crate) properties: Properties,
    pub(crate) delete_at: Option<u64>,
}

takes_properties!(PutObject: upload.properties);
awaitable!(PutObject => Stored);

impl PutObject {
    pub(crate) fn new(
        client: Arc<Inner>,
        place: Place,
        object: &ObjectName,
        source: Source,
    ) -> Self {
        let upload = Upload {
            client,
            place,
            object: object.clone(),
            mime_type: None,
            policy: None,
            etag: None,
            precondition: Precondition::None,
            md5: false,
            autocreate: true,
            content: None,
            mode: CommitMode::Create,
            timings: None,
            properties: Properties::new(),
            delete_at: None,
        };
        Self { source, upload }
    }

    /// The media type; `application/octet-stream` otherwise.
    pub fn mime_type(mut self, mime_type: impl Into<String>) -> Self {
        self.upload.mime_type = Some(mime_type.into());
        self
    }

    /// When the version goes by itself, in seconds since 1970: for good, within moments of that
    /// time. An append leaves it as it is unless this says when.
    pub fn delete_at(mut self, seconds: u64) -> Self {
        self.upload.delete_at = Some(seconds);
        self
    }

    /// Stores it only as a version beside those there are; [`Error::Conflict`] where versions are
    /// not kept.
    pub fn as_version(mut self) -> Self {
        self.upload.mode = CommitMode::Version;
        self
    }

    /// Lets the version that it takes the place of stay as an older one also where versions are not
    /// kept, for who has a use for it and deletes it then.
    pub fn keep_latest(mut self) -> Self {
        self.upload.mode = CommitMode::Keep;
        self
    }

    /// The policy to keep it with; the container's otherwise.
    pub fn policy(mut self, policy: PolicyName) -> Self {
        self.upload.policy = Some(policy);
        self
    }

    /// What the content must hash to, in hexadecimal: BLAKE3 (64 digits) or MD5 (32 digits).
    /// A content that does not is not stored.
    pub fn expect_etag(mut self, etag: impl Into<String>) -> Self {
        self.upload.etag = Some(etag.into());
        self
    }

    /// How many bytes must come. Another number is not stored.
    pub fn expect_length(mut self, bytes: u64) -> Self {
        // A source that knows better shows the mismatch when it is read.
        self.source.size = Some(bytes);
        self
    }

    /// What must hold of the object when it is committed.
    pub fn precondition(mut self, precondition: Precondition) -> Self {
        self.upload.precondition = precondition;
        self
    }

    /// Computes the MD5 too and makes it the entity tag. Other threads do it, of all uploads
    /// together, but no upload is faster than its own MD5: 0.6 to 0.8 GB/s.
    pub fn md5(mut self, md5: bool) -> Self {
        self.upload.md5 = md5;
        self
    }

    /// Whether a container that does not exist is created; it is unless this says otherwise.
    pub fn autocreate(mut self, autocreate: bool) -> Self {
        self.upload.autocreate = autocreate;
        self
    }

    /// The id of the content, which must be new in the container; of an append to an object that
    /// is there, it must be that object's. One is drawn otherwise.
    pub fn content(mut self, content: ContentId) -> Self {
        self.upload.content = Some(content);
        self
    }

    /// Adds to the object, if it is there.
    pub(crate) fn append(mut self) -> Self {
        self.upload.mode = CommitMode::Append;
        self
    }

    /// When the upload is given up, if it is not committed by then: no object is left.
    pub fn deadline(mut self, deadline: impl Into<Instant>) -> Self {
        let place = &mut self.upload.place;
        place.metadata = Arc::new(place.metadata.until(deadline.into()));
        self
    }

    /// Measures the stages.
    pub fn timings(mut self, timings: &Timings) -> Self {
        self.upload.timings = Some(timings.clone());
        self
    }

    async fn run(self) -> Result<Stored, Error> {
        let Self { upload, source } = self;
        model::check_properties(&upload.properties)?;
        let expected = upload.etag.as_deref().map(Expected::parse).transpose()?;
        let mut watch = Stopwatch::start(upload.timings.clone());
        upload.place.metadata.map().await?;
        watch.lap(|s| &mut s.resolve);
        let source = upload.in_time("reading the source", upload.with_known_size(source)).await?;
        let prepared = upload.in_time("preparing", upload.prepare(source.size)).await?;
        watch.lap(|s| &mut s.prepare);
        let traces = Arc::new(Traces::new(upload.client.servers.clone()));
        let md5 = upload.md5 || matches!(expected, Some(Expected::Md5(_)));
        let outcome = async {
            let writing = Writing {
                client: &upload.client,
                place: &upload.place,
                object: &upload.object,
                prepared: &prepared,
                traces: &traces,
                shrinks: false,
            };
            let written = upload.in_time("writing", writing.run(source, md5)).await?;
            watch.lap(|s| &mut s.upload);
            if let Some(expected) = &expected {
                expected.check(&written)?;
            }
            let traces = traces.clone();
            let committing = Commit { upload: &upload, prepared: &prepared, traces };
            let stored = committing.run(written).await;
            watch.lap(|s| &mut s.commit);
            stored
        }
        .await;
        if outcome.is_err() {
            traces.tidy().await;
        }
        outcome
    }
}

impl Upload {
    /// Does a part of the upload, unless its deadline passes meanwhile.
    async fn in_time<T>(
        &self,
        stage: &'static str,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Some(end) = self.place.metadata.end() else { return work.await };
        let late = || Error::DeadlineReached { stage };
        match tokio::time::timeout_at(end, work).await {
            Ok(Err(Error::Unavailable(_))) if Instant::now() >= end => Err(late()),
            Ok(outcome) => outcome,
            Err(_) => Err(late()),
        }
    }

    /// Where a policy treats small objects apart, reads ahead until the size is known to be
    /// small or not.
    async fn with_known_size(&self, source: Source) -> Result<Source, Error> {
        if source.size.is_some() {
            return Ok(source);
        }
        let map = self.place.metadata.map().await?;
        let may_be = |policy: &&Policy| self.policy.as_ref().is_none_or(|p| *p == policy.name);
        let small = map.policies.iter().filter(may_be).filter_map(|p| p.small.as_ref());
        let threshold = small.map(|s| s.bytes).max();
        match threshold {
            Some(threshold) => source.read_ahead(threshold).await.map_err(Error::Source),
            None => Ok(source),
        }
    }

    async fn prepare(&self, size: Option<u64>) -> Result<Prepared, Error> {
        let appends = self.mode == CommitMode::Append;
        let placer = MetadataPlacer {
            policy: self.policy.clone(),
            size,
            object: (!appends).then(|| self.object.clone()),
            append_to: appends.then(|| self.object.clone()),
            ..MetadataPlacer::first(&self.place)
        };
        // The policy is not known yet; what it does not need of this is cheap.
        let count = match size {
            Some(size) => (size >> 26).clamp(1, u64::from(MOST_PLACED)) as u32,
            None => 1,
        };
        match placer.prepare(count, Vec::new()).await {
            Err(Error::NoSuchContainer(_) | Error::NoSuchAccount(_)) if self.autocreate => {
                self.place.create_container().await?;
                placer.prepare(count, Vec::new()).await
            }
            other => other,
        }
    }
}
