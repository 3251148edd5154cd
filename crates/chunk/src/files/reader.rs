//! Reading a chunk.

use super::Shared;
use crate::{
    VolumeError,
    engine::{ChunkReader, READ_BYTES},
};
use async_trait::async_trait;
use bytes::Bytes;
use disk::{File, offload};
use model::ChunkName;
use std::{io, sync::Arc};

/// An open chunk.
#[derive(Clone)]
pub(super) struct FileReader {
    shared: Arc<Shared>,
    file: Arc<dyn File>,
    name: ChunkName,
    bytes: u64,
}

impl FileReader {
    /// Opens a chunk; blocking.
    pub(super) fn open(shared: &Arc<Shared>, name: ChunkName) -> Result<Self, VolumeError> {
        let file = shared.open_for_reading(&name)?;
        let bytes = file.len().map_err(|e| shared.read_failed(name, e))?;
        Ok(Self { shared: shared.clone(), file, name, bytes })
    }

    /// Reads; blocking.
    pub(super) fn read_now(&self, offset: u64, bytes: usize) -> Result<Bytes, VolumeError> {
        self.shared.health.check()?;
        let left = usize::try_from(self.bytes.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut buffer = self.shared.buffers.take(bytes.min(left));
        let failed = |e| self.shared.read_failed(self.name, e);
        let wanted = buffer.as_mut().len();
        let read = self.file.read_at(buffer.as_mut(), offset).map_err(failed)?;
        if read < wanted {
            return Err(failed(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                format!("the file ends at {}, not at {}", offset + read as u64, self.bytes),
            )));
        }
        Ok(buffer.freeze())
    }
}

#[async_trait]
impl ChunkReader for FileReader {
    fn bytes(&self) -> u64 {
        self.bytes
    }

    async fn read(&self, offset: u64, bytes: usize) -> Result<Bytes, VolumeError> {
        let reader = self.clone();
        let bytes = bytes.min(READ_BYTES);
        offload(&*self.shared.disk, move || {
            let read = reader.read_now(offset, bytes)?;
            if read.len() < bytes {
                let short = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(reader.shared.read_failed(reader.name, short));
            }
            Ok(read)
        })
        .await
    }
}
