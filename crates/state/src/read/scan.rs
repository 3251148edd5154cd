//! Scans of all chunk tables for the chunks of a volume.

use crate::{
    Damage, Failure, Fatal, PAGE_ROWS, ScanCursor,
    kv::{
        self, chunks,
        head::{self, Head},
        key::Key,
        scan::{self, VolumeScan},
    },
};
use model::{ContainerId, Metachunk, ObjectName, Version, VolumeId};
use std::ops::Bound;
use store::Read;

/// Versions that one page looks at, at most.
const MAX_VERSIONS: u64 = 2000;

/// Rows that one page looks at, roughly at most.
const MAX_ROWS: u64 = 16_384;

/// A part of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScanPage {
    /// Every chunk of the volume in this part.
    pub found: Vec<Damage>,
    /// Versions whose tables this part has come to the end of.
    pub versions: u64,
    /// Where the next part begins; none at the end.
    pub next: Option<ScanCursor>,
}

/// The chunks of a volume in the chunk tables of this partition's versions, those of hidden
/// containers too, from a place on: at most `limit` of them
/// (0 counts as 1). The page may have none and yet not be the last.
pub fn scan_volume(
    view: &dyn Read,
    volume: VolumeId,
    from: Option<&ScanCursor>,
    limit: usize,
) -> Result<ScanPage, Failure> {
    let limit = limit.max(1);
    let all = Key::new(kv::Kind::Head);
    let start = from.map_or_else(
        || all.clone().into_bytes(),
        |from| head::key(&from.container, from.object.as_str(), from.version).into_bytes(),
    );
    let end = all.successor();
    let mut page = ScanPage { found: Vec::new(), versions: 0, next: None };
    let mut rows = 0;
    for pair in view.range(Bound::Included(&start), Bound::Excluded(&end), false) {
        let (key, value) = pair?;
        let version = Scanned::decode(&key, &value)?;
        let first = from.filter(|from| version.is_at(from)).map_or((0, 0), |f| (f.extent, f.row));
        let full = page.found.len() >= limit || page.versions >= MAX_VERSIONS || rows >= MAX_ROWS;
        if full {
            page.next = Some(version.cursor(first));
            return Ok(page);
        }
        if let Some(rest) = version.scan(view, volume, first, limit, &mut rows, &mut page.found)? {
            page.next = Some(version.cursor(rest));
            return Ok(page);
        }
        page.versions += 1;
    }
    Ok(page)
}

/// A version under the scan.
struct Scanned {
    container: ContainerId,
    object: ObjectName,
    version: Version,
    head: Head,
}

impl Scanned {
    fn decode(key: &[u8], value: &[u8]) -> Result<Self, Fatal> {
        Ok(Self {
            container: head::container(key)?,
            object: head::name(key)?.parse().map_err(|_| kv::misshapen(key))?,
            version: head::split(key)?.1,
            head: kv::decode(key, value)?,
        })
    }

    fn is_at(&self, at: &ScanCursor) -> bool {
        (self.container, &self.object, self.version) == (at.container, &at.object, at.version)
    }

    fn cursor(self, (extent, row): (u32, u32)) -> ScanCursor {
        let Self { container, object, version, .. } = self;
        ScanCursor { container, object, version, extent, row }
    }

    /// Scans the rows from one on, a run at a time. Where to go on if that was enough for now.
    fn scan(
        &self,
        view: &dyn Read,
        volume: VolumeId,
        (extent, row): (u32, u32),
        limit: usize,
        rows: &mut u64,
        found: &mut Vec<Damage>,
    ) -> Result<Option<(u32, u32)>, Fatal> {
        for (number, table) in (0..).zip(self.head.extents()).skip(extent as usize) {
            let mut at = if number == extent { row } else { 0 };
            while at < table.rows {
                if found.len() >= limit || *rows >= MAX_ROWS {
                    return Ok(Some((number, at)));
                }
                let Some(run) = chunks::runs_from(view, table, at).next() else { break };
                let (first, run) = run?;
                for (metachunk, row) in (first..).zip(&run).skip((at - first) as usize) {
                    if found.len() >= limit {
                        return Ok(Some((number, metachunk)));
                    }
                    *rows += 1;
                    found.extend(self.damage(table, metachunk, row, volume));
                }
                at = first + (run.len() as u32).max(PAGE_ROWS as u32);
            }
        }
        Ok(None)
    }

    /// The chunk of a row that is on the volume: there is never more than one.
    fn damage(
        &self,
        extent: &head::Extent,
        metachunk: u32,
        row: &Metachunk,
        volume: VolumeId,
    ) -> Option<Damage> {
        let position = row.volumes.iter().position(|place| *place == Some(volume))? as u8;
        Some(Damage {
            container: self.container,
            object: self.object.clone(),
            version: self.version,
            blob: extent.blob,
            metachunk,
            position,
            volume,
            write: row.write_of(position),
        })
    }
}

/// The scan for the chunks of a volume, if there is one.
pub fn volume_scan(view: &dyn Read, volume: VolumeId) -> Result<Option<VolumeScan>, Failure> {
    Ok(kv::get(view, scan::key(volume).as_bytes())?)
}

/// All scans, in the order of their volumes.
pub fn volume_scans(view: &dyn Read) -> Result<Vec<VolumeScan>, Failure> {
    let decode = |pair: Result<store::Pair, store::Error>| {
        let (key, value) = pair?;
        Ok(kv::decode(&key, &value)?)
    };
    kv::scan(view, &scan::all()).map(decode).collect()
}
