//! Writing what was prepared: the chunks of one blob.

use crate::{
    Error,
    client::Inner,
    container::Place,
    prepare::{MetadataPlacer, Prepared},
    row::RowContext,
    source::Source,
    traces::Traces,
    writer::{SOURCE_STALL, Spec, Writer, Written},
};
use model::ObjectName;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A body that is about to be written under the blob of a prepare.
pub(crate) struct Writing<'a> {
    pub(crate) client: &'a Arc<Inner>,
    pub(crate) place: &'a Place,
    pub(crate) object: &'a ObjectName,
    pub(crate) prepared: &'a Prepared,
    pub(crate) traces: &'a Arc<Traces>,
    /// It takes the place of more than it is.
    pub(crate) shrinks: bool,
}

impl Writing<'_> {
    /// Writes the whole source. After an error nothing of it is of use.
    pub(crate) async fn run(self, source: Source, md5: bool) -> Result<Written, Error> {
        let prepared = self.prepared;
        let spec = Spec {
            account: self.place.account.clone(),
            container: self.place.container.clone(),
            object: self.object.clone(),
            policy: prepared.policy.clone(),
            md5: md5.then(|| self.client.hashers().md5()),
            length: source.size,
            stall: SOURCE_STALL,
        };
        let context = RowContext {
            servers: self.client.servers.clone(),
            counters: self.client.counters.clone(),
            traces: self.traces.clone(),
            blob: prepared.blob,
            quorum: prepared.policy.method.quorum(),
            failed: CancellationToken::new(),
            error: Default::default(),
        };
        let placer = MetadataPlacer {
            // A size that is known by now must not choose another policy in mid-content.
            policy: Some(prepared.policy.name.clone()),
            blob: prepared.blob.0.to_vec(),
            upload: prepared.upload.clone(),
            shrinks: self.shrinks,
            ..MetadataPlacer::first(self.place)
        };
        let memory = self.client.memory.clone();
        let placed = prepared.placed.clone();
        let writer = Writer::new(spec, Arc::new(context), Arc::new(placer), memory, placed)?;
        writer.write(source).await
    }
}
