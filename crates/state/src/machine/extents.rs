//! Extents that a command brings into a version.

mod check;

use super::{Context, blob, repair, stage};
use crate::{
    CommitExtent, Failure, MAX_EXTENTS, MAX_INLINE_ROWS, MAX_ROWS, PAGE_ROWS, Rows,
    kv::{
        self, chunks, head,
        owner::{self, Owner},
        staged::{self, Summary},
    },
};
use model::{ContainerId, Error, ErrorKind, MAX_WIDTH, Metachunk, ObjectName, Subject, Version};
use std::collections::BTreeSet;

pub(super) use check::{fence, prepared_for, table};

/// The version that extents become part of.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) container: &'a ContainerId,
    pub(super) object: &'a ObjectName,
    pub(super) version: Version,
}

/// Extents that may become part of a version.
pub(super) struct Checked<'a>(Vec<(&'a CommitExtent, Summary)>);

impl Checked<'_> {
    /// Bytes of content in them.
    pub(super) fn bytes(&self) -> u64 {
        self.0.iter().fold(0, |sum, (_, summary)| sum.saturating_add(summary.bytes))
    }

    /// The losses that their weakest metachunk survives.
    pub(super) fn tolerance(&self) -> u32 {
        let more = |(extent, summary): &(&CommitExtent, Summary)| {
            summary.durable.saturating_sub(extent.method.data() as u32)
        };
        self.0.iter().map(more).min().unwrap_or(MAX_WIDTH as u32)
    }

    /// Places without a chunk.
    pub(super) fn dropped(&self) -> u32 {
        self.0.iter().fold(0, |sum, (_, summary)| sum.saturating_add(summary.dropped))
    }
}

/// Checks extents, with the rows that were staged for them.
pub(super) fn check<'a>(
    cx: &Context,
    container: &ContainerId,
    extents: &'a [CommitExtent],
) -> Result<Checked<'a>, Failure> {
    let (mut blobs, mut inline) = (BTreeSet::new(), 0);
    let mut checked = Vec::new();
    for extent in extents {
        check::prepared_for(container, &extent.blob)?;
        check::shape(extent.method, extent.chunk_blocks)?;
        if !blobs.insert(extent.blob) {
            let message = format!("two extents have the blob {}", extent.blob);
            return Err(Error::invalid(message).into());
        }
        let summary = match &extent.rows {
            Rows::Inline(rows) => {
                inline += rows.len();
                check::table(extent.method, extent.chunk_blocks, rows)?
            }
            Rows::Staged(rows) => staged_summary(cx, extent, *rows)?,
        };
        check::fence(&summary, cx.partition.fence)?;
        blob::check_open(cx, &extent.blob)?;
        checked.push((extent, summary));
    }
    if inline > MAX_INLINE_ROWS {
        let message = format!(
            "the chunk tables have {inline} rows; those of more than {MAX_INLINE_ROWS} must be \
             staged"
        );
        return Err(Error::invalid(message).into());
    }
    Ok(Checked(checked))
}

fn staged_summary(cx: &Context, extent: &CommitExtent, rows: u32) -> Result<Summary, Failure> {
    let blob = &extent.blob;
    let record: Option<staged::Staged> = kv::get(&cx.txn, staged::key(blob).as_bytes())?;
    let Some(record) = record else {
        let message = format!("no rows are staged for blob {blob}, or they expired");
        return Err(Error::new(ErrorKind::Conflict, Subject::Object, message).into());
    };
    if (record.method, record.chunk_blocks) != (extent.method, extent.chunk_blocks) {
        let message = format!("the rows of blob {blob} were staged for another method");
        return Err(Error::invalid(message).into());
    }
    if record.summary.rows != rows {
        let staged = record.summary.rows;
        let message = format!("{staged} rows are staged for blob {blob}, not {rows}");
        return Err(Error::new(ErrorKind::Conflict, Subject::Object, message).into());
    }
    Ok(record.summary)
}

/// Writes what belongs to extents besides the head: pages, owners, repairs. The form in which
/// they go to the head, behind those that it has.
pub(super) fn write(
    cx: &mut Context,
    place: Place,
    before: &[head::Extent],
    added: &Checked,
) -> Result<Vec<head::Extent>, Failure> {
    check_room(before, added)?;
    let mut room =
        MAX_INLINE_ROWS.saturating_sub(before.iter().map(|extent| extent.inline.len()).sum());
    let mut extents = Vec::new();
    for (extent, summary) in &added.0 {
        let mut written = head::Extent {
            blob: extent.blob,
            origin: extent.origin,
            policy: extent.policy.clone(),
            method: extent.method,
            chunk_blocks: extent.chunk_blocks,
            bytes: summary.bytes,
            rows: summary.rows,
            inline: Vec::new(),
        };
        match &extent.rows {
            // What was staged under the blob is not its table, and would expire with it.
            Rows::Inline(_) => stage::discard(cx, &extent.blob)?,
            Rows::Staged(_) => stage::forget(cx, &extent.blob)?,
        }
        match &extent.rows {
            Rows::Inline(rows) if rows.len() <= room => {
                room -= rows.len();
                written.inline.clone_from(rows);
            }
            Rows::Inline(rows) => {
                chunks::write_page(&mut cx.txn, &extent.blob, 0, rows.clone())?;
            }
            Rows::Staged(_) => {}
        }
        let Place { container, object, version } = place;
        let owner = Owner { container: *container, object: object.clone(), version };
        kv::put(&mut cx.txn, owner::key(&extent.blob), &owner)?;
        if summary.dropped > 0 || !cx.partition.lost.is_empty() {
            queue_dropped(cx, place, &written)?;
        }
        extents.push(written);
    }
    Ok(extents)
}

fn check_room(before: &[head::Extent], added: &Checked) -> Result<(), Error> {
    let rows = |sum: u32, more: u32| sum.saturating_add(more);
    let count = before.len() + added.0.len();
    let all = before.iter().map(|extent| extent.rows).fold(0, rows);
    let all = added.0.iter().map(|(_, summary)| summary.rows).fold(all, rows);
    if count <= MAX_EXTENTS && all <= MAX_ROWS {
        return Ok(());
    }
    let message = format!(
        "the content would have {count} extents and {all} metachunks; at most {MAX_EXTENTS} and \
         {MAX_ROWS} are possible: store it anew, in larger chunks"
    );
    Err(Error::new(ErrorKind::Exhausted, Subject::Object, message))
}

/// Queues the places that no chunk is durable at.
fn queue_dropped(cx: &mut Context, place: Place, extent: &head::Extent) -> Result<(), Failure> {
    for page in 0..chunks::pages(extent.rows) {
        let rows: Vec<Metachunk> = match extent.inline.is_empty() {
            true => chunks::find_page(&cx.txn, &extent.blob, page)?.unwrap_or_default(),
            false => extent.inline.clone(),
        };
        for (number, row) in (page * PAGE_ROWS as u32..).zip(&rows) {
            let lost = repair::missing(row) | repair::on_lost_volumes(cx, row);
            if lost != 0 {
                let at = repair::Place {
                    container: *place.container,
                    object: place.object.clone(),
                    version: place.version,
                    blob: extent.blob,
                    metachunk: number,
                };
                repair::queue(cx, at, row, extent.method.data(), lost)?;
            }
        }
    }
    Ok(())
}
