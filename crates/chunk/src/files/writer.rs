//! Writing a chunk from asynchronous code.

use super::temporary::Temporary;
use crate::{VolumeError, engine::ChunkWriter};
use async_trait::async_trait;
use bytes::Bytes;
use disk::offload;
use model::ChunkName;

pub(super) struct FileWriter {
    name: ChunkName,
    /// Away while a write is under way, and for good after one that failed.
    temporary: Option<Temporary>,
}

impl FileWriter {
    pub(super) fn new(name: ChunkName, temporary: Temporary) -> Self {
        Self { name, temporary: Some(temporary) }
    }

    /// Runs blocking work on the temporary. Should this future be dropped, the work goes on to
    /// its end, and the temporary is then dropped with it.
    async fn with<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(Temporary) -> Result<T, VolumeError> + Send + 'static,
    ) -> Result<T, VolumeError> {
        let Some(temporary) = self.temporary.take() else {
            // A caller that goes on after an error gets the name's absence as an answer.
            return Err(VolumeError::NotFound(self.name));
        };
        let disk = temporary.shared().disk.clone();
        offload(&*disk, move || work(temporary)).await
    }
}

#[async_trait]
impl ChunkWriter for FileWriter {
    async fn write(&mut self, slices: Vec<Bytes>) -> Result<(), VolumeError> {
        if slices.is_empty() {
            return Ok(());
        }
        let work = move |mut temporary: Temporary| temporary.append(&slices).map(|()| temporary);
        self.temporary = Some(self.with(work).await?);
        Ok(())
    }

    async fn commit(mut self: Box<Self>) -> Result<(), VolumeError> {
        let name = self.name;
        self.with(move |temporary| temporary.commit(&name)).await
    }
}
