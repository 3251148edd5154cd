//! `cairn object locate`.

use super::{Place, names};
use crate::{
    arguments::ObjectArgs,
    output::{Table, printable, size},
};
use client::{ChunkFooter, ChunkState, Located, LocatedChunk};
use model::{AccountName, ChunkName, ClusterMap, ContainerName, PolicyName, Version, VolumeId};
use serde::Serialize;

/// Where an object is, as machines see it.
#[derive(Serialize)]
struct View<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    version: Version,
    size: u64,
    policy: &'a PolicyName,
    chunks: Vec<ChunkView<'a>>,
}

#[derive(Serialize)]
struct ChunkView<'a> {
    extent: usize,
    metachunk: u32,
    position: u8,
    chunk: ChunkName,
    /// Bytes of content in its metachunk.
    metachunk_length: u64,
    /// Null where no chunk is durable.
    volume: Option<VolumeId>,
    address: Option<&'a str>,
    location: Option<&'a str>,
    /// Whether the directory believes that the volume answers.
    up: bool,
    /// With `--check`: `whole`, `missing`, or `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    /// With `--check`: bytes of the chunk, its footer included.
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    /// With `--chunk-info`: what it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    footer: Option<&'a ChunkFooter>,
    /// Why the state is unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

pub async fn run(place: &Place, args: &ObjectArgs, check: bool, info: bool) -> anyhow::Result<()> {
    let (container, object) = names(args)?;
    let mut locate =
        place.client.locate_object(&place.account, &container, &object).ask_servers(check);
    if let Some(version) = args.version {
        locate = locate.version(Version(version));
    }
    let located = locate.await?;
    let map = place.client.cluster().cached_map().await?;
    let mut view = View::of(&place.account, &container, &located, &map);
    if !info {
        view.chunks.iter_mut().for_each(|chunk| chunk.footer = None);
    }
    Ok(place.output.show(&view, View::text)?)
}

impl<'a> View<'a> {
    fn of(
        account: &'a AccountName,
        container: &'a ContainerName,
        located: &'a Located,
        map: &'a ClusterMap,
    ) -> Self {
        let entry = &located.object.entry;
        Self {
            account: account.as_str(),
            container: container.as_str(),
            object: entry.name.as_str(),
            version: entry.version,
            size: entry.size,
            policy: &entry.policy,
            chunks: located.chunks.iter().map(|chunk| ChunkView::of(chunk, map)).collect(),
        }
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{} in {}: {}, policy {}, version {}\n",
            printable(self.object),
            printable(self.container),
            size::human(self.size),
            self.policy,
            self.version,
        );
        if self.chunks.is_empty() {
            text.push_str("It has no chunks.\n");
            return text;
        }
        let columns =
            [">METACHUNK", ">POSITION", ">VOLUME", "LOCATION", "ADDRESS", "CHUNK", "STATE"];
        let mut table = Table::new(&columns);
        for chunk in &self.chunks {
            table.row([
                chunk.metachunk.to_string(),
                chunk.position.to_string(),
                chunk.volume.map_or("-".to_owned(), |v| v.to_string()),
                chunk.location.unwrap_or("-").to_owned(),
                chunk.address.unwrap_or("-").to_owned(),
                chunk.chunk.to_string(),
                chunk.state_text(),
            ]);
        }
        text.push_str(&table.render());
        for chunk in &self.chunks {
            let (Some(footer), Some(bytes)) = (chunk.footer, chunk.bytes) else { continue };
            text.push_str(&format!(
                "{}: {bytes} bytes, {}, first written as {} for {}/{}/{}\n",
                chunk.chunk,
                footer.method,
                footer.origin,
                printable(footer.account.as_str()),
                printable(footer.container.as_str()),
                printable(footer.object.as_str()),
            ));
        }
        text
    }
}

impl<'a> ChunkView<'a> {
    fn of(chunk: &'a LocatedChunk, map: &'a ClusterMap) -> Self {
        let volume = chunk.volume.as_ref();
        let known = volume.and_then(|v| map.volume(v.id));
        let (state, reason) = match &chunk.state {
            None => (None, None),
            Some(ChunkState::Present { .. }) => (Some("whole"), None),
            Some(ChunkState::Damaged { reason }) => (Some("damaged"), Some(reason.as_str())),
            Some(ChunkState::Missing) => (Some("missing"), None),
            Some(ChunkState::Unknown { reason }) => (Some("unknown"), Some(reason.as_str())),
        };
        let (bytes, footer) = match &chunk.state {
            Some(ChunkState::Present { bytes, footer }) => (Some(*bytes), footer.as_deref()),
            _ => (None, None),
        };
        Self {
            bytes,
            footer,
            extent: chunk.extent,
            metachunk: chunk.name.metachunk,
            position: chunk.name.position,
            chunk: chunk.name,
            metachunk_length: chunk.metachunk_length,
            volume: volume.map(|v| v.id),
            address: volume.map(|v| v.address.as_str()),
            location: known.map(|v| v.location.as_str()),
            up: volume.is_some_and(|v| v.up),
            state,
            reason,
        }
    }

    fn state_text(&self) -> String {
        match (self.volume, self.state, self.reason) {
            (None, ..) => "dropped".to_owned(),
            (_, Some(state), Some(reason)) => format!("{state}: {reason}"),
            (_, Some(state), None) => state.to_owned(),
            (_, None, _) if self.up => "volume up".to_owned(),
            (_, None, _) => "volume down".to_owned(),
        }
    }
}
