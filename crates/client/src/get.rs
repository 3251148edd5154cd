//! Reading an object: locate, then stream.

use crate::{
    ByteRange, Damage, Damages, Download, Error, VolumeRef,
    client::Inner,
    container::Place,
    locate::locate,
    metadata::ask,
    reader::{self, Contents, ReadContext, Whereabouts},
    timings::{Stopwatch, Timings},
};
use futures::future::BoxFuture;
use model::{Object, ObjectName, Subject, Version};
use proto::v1::{self, metadata_client::MetadataClient};
use std::{ops::Range, sync::Arc};

/// Reads an object when awaited: what is known of it, and its bytes as a stream.
#[must_use = "nothing happens until it is awaited"]
pub struct GetObject {
    pub(crate) client: Arc<Inner>,
    pub(crate) place: Place,
    pub(crate) object: ObjectName,
    pub(crate) version: Option<Version>,
    pub(crate) ranges: Vec<ByteRange>,
    pub(crate) timings: Option<Timings>,
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

    /// Measures the stages. The last of them ends with the stream.
    pub fn timings(mut self, timings: &Timings) -> Self {
        self.timings = Some(timings.clone());
        self
    }

    /// Locates the object and reads nothing of it yet: for who must know what it is, its size
    /// above all, before it can say which bytes it wants. Ranges that were added are ignored.
    ///
    /// # Errors
    /// As awaiting it.
    pub async fn open(self) -> Result<OpenObject, Error> {
        let (object, volumes) = locate(&self.place, &self.object, self.version).await?;
        if object.entry.marker {
            return Err(Error::from(model::Error::not_found(
                Subject::Object,
                format!("version {} of {} is a delete marker", object.entry.version, self.object),
            )));
        }
        Ok(OpenObject { client: self.client, place: self.place, object, volumes })
    }

    async fn run(mut self) -> Result<Download, Error> {
        let watch = Stopwatch::start(self.timings.take());
        let ranges = std::mem::take(&mut self.ranges);
        let opened = self.open().await?;
        watch.split(|s| &mut s.resolve);
        Ok(opened.read(ranges)?.timed(watch))
    }
}

/// A version of an object that was located: what is known of it, and its bytes on demand.
#[derive(Clone)]
pub struct OpenObject {
    client: Arc<Inner>,
    place: Place,
    object: Object,
    volumes: Vec<VolumeRef>,
}

impl OpenObject {
    /// The object, with its properties.
    pub fn object(&self) -> &Object {
        &self.object
    }

    /// Starts reading ranges, one after the other, or without any the whole content.
    ///
    /// # Errors
    /// As [`ByteRange::resolve`]; [`Error::Corrupt`] if the metadata contradicts itself.
    pub fn read(
        &self,
        ranges: impl IntoIterator<Item = impl Into<ByteRange>>,
    ) -> Result<Download, Error> {
        let size = self.object.entry.size;
        let mut wanted = Vec::new();
        for range in ranges {
            wanted.push(range.into().resolve(size)?);
        }
        if wanted.is_empty() {
            wanted.push(0..size);
        }
        let (place, volumes) = (self.place.clone(), self.volumes.clone());
        open(&self.client, place, self.object.clone(), volumes, wanted)
    }
}

/// Starts reading ranges of a version that was located.
pub(crate) fn open(
    client: &Arc<Inner>,
    place: Place,
    object: Object,
    volumes: Vec<VolumeRef>,
    ranges: Vec<Range<u64>>,
) -> Result<Download, Error> {
    let (name, size) = (object.entry.name.clone(), object.entry.size);
    let stored: u64 = object.extents().iter().map(model::Extent::length).sum();
    if stored != size {
        return Err(Error::corrupt(format!(
            "{name} has {size} bytes, but its chunk tables have {stored}"
        )));
    }
    let damages = Damages::default();
    let contents = OfMetadata { place, object: name, version: object.entry.version };
    let context = ReadContext {
        servers: client.servers.clone(),
        memory: client.memory.clone(),
        counters: client.counters.clone(),
        contents: Arc::new(contents),
        damages: damages.clone(),
    };
    let whole = matches!(ranges.as_slice(), [one] if *one == (0..size));
    let whereabouts = Whereabouts::new(object.clone(), volumes);
    let (parts, task) = reader::start(context, whereabouts, ranges.clone(), whole);
    Ok(Download::new(object, ranges, damages, parts, task))
}

/// A version, as the metadata servers know it.
struct OfMetadata {
    place: Place,
    object: ObjectName,
    version: Version,
}

impl Contents for OfMetadata {
    fn locate(&self) -> BoxFuture<'static, Result<(Object, Vec<VolumeRef>), Error>> {
        let (place, object, version) = (self.place.clone(), self.object.clone(), self.version);
        Box::pin(async move { locate(&place, &object, Some(version)).await })
    }

    fn report(&self, damages: Vec<Damage>) -> BoxFuture<'static, Result<(), Error>> {
        let damage = |d: Damage| v1::report_damage_request::Damage {
            chunk: d.chunk.to_string(),
            volume: d.volume.0,
            reason: d.kind.to_string(),
        };
        let request = v1::ReportDamageRequest {
            account: self.place.account.to_string(),
            container: self.place.container.to_string(),
            object: self.object.to_string(),
            version: self.version.0,
            damages: damages.into_iter().map(damage).collect(),
        };
        let place = self.place.clone();
        Box::pin(async move {
            let route = place.route();
            // Told twice, it is checked twice.
            ask!(place.metadata, route, Read, MetadataClient::report_damage, request).await?;
            Ok(())
        })
    }
}
