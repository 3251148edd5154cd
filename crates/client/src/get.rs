//! Reading an object: locate, then stream.

use crate::{ByteRange, Download, Error, client::Inner, container::Place, object::locate};
use model::{ObjectName, Version};
use std::sync::Arc;

/// Reads an object when awaited: what is known of it, and its bytes as a stream.
#[must_use = "nothing happens until it is awaited"]
pub struct GetObject {
    pub(crate) client: Arc<Inner>,
    pub(crate) place: Place,
    pub(crate) object: ObjectName,
    pub(crate) version: Option<Version>,
    pub(crate) ranges: Vec<ByteRange>,
}

crate::changes::awaitable!(GetObject => Download);

impl GetObject {
    /// The version to read; the latest otherwise.
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }

    /// Adds a range. Several give their bytes one after the other, in the order they were
    /// added; they may overlap. Without any, the whole content is read.
    pub fn range(mut self, range: impl Into<ByteRange>) -> Self {
        self.ranges.push(range.into());
        self
    }

    /// Adds ranges.
    pub fn ranges<R: Into<ByteRange>>(mut self, ranges: impl IntoIterator<Item = R>) -> Self {
        self.ranges.extend(ranges.into_iter().map(Into::into));
        self
    }

    async fn run(self) -> Result<Download, Error> {
        let (object, volumes) = locate(&self.place, &self.object, self.version).await?;
        let _ = (object, volumes, self.client);
        Err(Error::internal("not implemented"))
    }
}
