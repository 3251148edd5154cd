//! Who may do what with a chunk.

use super::{
    HttpError,
    answer::header_text,
    target::{Target, destination},
};
use http::{HeaderMap, HeaderName, request::Parts};
use model::{BlobId, Error, ErrorKind, Subject, VolumeId};
use std::sync::Arc;
use transport::{
    ANY_VOLUME, CAPABILITY, Caller, Capability, CapabilityKey, DESTINATION_CAPABILITY, Verbs,
};

/// Lets in daemons, and others as far as their capabilities go.
#[derive(Clone)]
pub(super) struct Admission {
    key: CapabilityKey,
    now: Arc<dyn Fn() -> u64 + Send + Sync>,
}

impl Admission {
    pub(super) fn new(key: CapabilityKey, now: Arc<dyn Fn() -> u64 + Send + Sync>) -> Self {
        Self { key, now }
    }

    pub(super) fn check(&self, parts: &Parts, target: &Target) -> Result<(), HttpError> {
        let verb = match parts.method.as_str() {
            "PUT" => Verbs::PUT,
            "GET" | "HEAD" | "COPY" => Verbs::GET,
            "DELETE" => Verbs::DELETE,
            _ => return Err(HttpError::method_not_allowed()),
        };
        if parts.extensions.get() == Some(&Caller::Daemon) {
            return Ok(());
        }
        let (headers, volume) = (&parts.headers, target.volume);
        self.check_one(headers, &CAPABILITY, &target.chunk.blob, volume, verb)?;
        if parts.method.as_str() == "COPY" {
            let blob = destination(headers)?.blob;
            self.check_one(headers, &DESTINATION_CAPABILITY, &blob, volume, Verbs::COPY)?;
        }
        Ok(())
    }

    fn check_one(
        &self,
        headers: &HeaderMap,
        name: &HeaderName,
        blob: &BlobId,
        volume: VolumeId,
        verb: Verbs,
    ) -> Result<(), HttpError> {
        let refused = |kind, why: String| Err(Error::new(kind, Subject::Chunk, why).into());
        let Some(shown) = header_text(headers, name)? else {
            let why = format!("the header {name} is missing: a leader gives it");
            return refused(ErrorKind::Unauthenticated, why);
        };
        let now = (self.now)() / 1000;
        // Copies are made, and removed again, wherever their sources are.
        let anywhere = verb == Verbs::COPY || verb == Verbs::DELETE;
        let allows = |shown| {
            self.key.allows(&shown, blob, volume, verb, now)
                || (anywhere && self.key.allows(&shown, blob, ANY_VOLUME, verb, now))
        };
        match Capability::parse(shown).is_some_and(allows) {
            true => Ok(()),
            false => refused(
                ErrorKind::Denied,
                format!("the header {name} does not allow this, or not any more"),
            ),
        }
    }
}
