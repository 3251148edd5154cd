//! Leave to read and write chunks, given by those who have checked that the caller may.

use super::Services;
use model::{BlobId, ContainerId, Error, ErrorKind, Subject, VolumeId};
use proto::v1;
use std::collections::BTreeSet;
use transport::{ANY_VOLUME, Verbs, denied};

/// What who uploads may do with its chunks.
const OF_WRITERS: Verbs = Verbs::PUT.and(Verbs::DELETE);

/// What who links may do with the chunks of the link.
const OF_COPIERS: Verbs = Verbs::COPY.and(Verbs::DELETE);

impl Services {
    /// How long what is given now is good, in seconds.
    pub(super) fn leave_seconds(&self) -> u32 {
        let seconds = self.0.0.config.capability_lifetime.as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX)
    }

    /// Leave to write the chunks of a blob on these volumes.
    pub(super) fn leave_to_write(
        &self,
        blob: &BlobId,
        volumes: impl Iterator<Item = VolumeId>,
    ) -> Vec<v1::Capability> {
        self.leave(volumes.map(|volume| (*blob, volume)), OF_WRITERS)
    }

    /// Leave to make the chunks of blobs as copies, wherever there is leave to read what is copied.
    pub(super) fn leave_to_copy(&self, blobs: &[BlobId]) -> Vec<v1::Capability> {
        self.leave(blobs.iter().map(|blob| (*blob, ANY_VOLUME)), OF_COPIERS)
    }

    /// Leave to read every chunk of an object.
    pub(super) fn leave_to_read(&self, object: &model::Object) -> Vec<v1::Capability> {
        let extents = object.extents().iter();
        let chunks = extents.flat_map(|e| e.chunks().map(|(volume, _)| (e.blob, volume)));
        self.leave(chunks, Verbs::GET)
    }

    fn leave(
        &self,
        chunks: impl Iterator<Item = (BlobId, VolumeId)>,
        verbs: Verbs,
    ) -> Vec<v1::Capability> {
        let key = &self.0.0.keys.capabilities;
        let expires = self.0.now() / 1_000_000 + u64::from(self.leave_seconds());
        let chunks: BTreeSet<_> = chunks.collect();
        chunks
            .into_iter()
            .map(|(blob, volume)| v1::Capability {
                blob: blob.0.to_vec(),
                volume: volume.0,
                proof: key.mint(&blob, volume, verbs, expires).as_bytes().to_vec(),
            })
            .collect()
    }

    /// What shows that a blob was prepared for this container, so that nobody gets leave to
    /// write the chunks of somebody else's.
    pub(super) fn vouch(
        &self,
        blob: &BlobId,
        container: &ContainerId,
        incarnation: u64,
    ) -> Vec<u8> {
        self.0.0.keys.capabilities.vouch(blob, container, incarnation).to_vec()
    }

    /// Refuses a blob that was not prepared for this container, or was committed since: its
    /// chunks are not its writer's any more.
    pub(super) fn check_upload(
        &self,
        view: &dyn store::Read,
        blob: &BlobId,
        container: &model::Container,
        shown: &[u8],
    ) -> Result<(), Error> {
        let keys = &self.0.0.keys.capabilities;
        if !keys.vouches(shown, blob, &container.id, container.incarnation) {
            return Err(denied());
        }
        let owner = state::read::blob_owner(view, blob);
        if owner.map_err(|e| Error::internal(e.to_string()))?.is_some() {
            let why = "the upload was committed already: it cannot be gone on with";
            return Err(Error::new(ErrorKind::Conflict, Subject::Object, why));
        }
        Ok(())
    }
}
