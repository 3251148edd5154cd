//! Chunk tables: in the head while they are short, in pages of their own beyond.

use super::{Key, Kind, Record, get, head, put, unreadable};
use crate::{Fatal, txn::Txn};
use model::{BlobId, Extent, Metachunk};
use serde::{Deserialize, Serialize};
use store::Read;

/// The longest table that its head holds: about 1.5 KB at nine chunks a row.
pub(crate) const INLINE_ROWS: usize = 32;

/// Rows of a full page: about 12 KB.
pub(crate) const PAGE_ROWS: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page(Vec<Metachunk>);

impl Record for Page {}

pub(crate) fn page_key(blob: &BlobId, page: u32) -> Key {
    Key::new(Kind::ChunkPage).bytes(&blob.0).u32(page)
}

/// The form of an extent that goes to the head; its pages are written.
pub(crate) fn write(txn: &mut Txn, extent: &Extent) -> Result<head::Extent, Fatal> {
    let rows = &extent.metachunks;
    let inline = if rows.len() <= INLINE_ROWS { rows.clone() } else { Vec::new() };
    if inline.is_empty() {
        for (number, page) in (0..).zip(rows.chunks(PAGE_ROWS)) {
            put(txn, page_key(&extent.blob, number), &Page(page.to_vec()))?;
        }
    }
    Ok(head::Extent {
        blob: extent.blob,
        origin: extent.origin,
        policy: extent.policy.clone(),
        method: extent.method,
        chunk_blocks: extent.chunk_blocks,
        rows: rows.len() as u32,
        inline,
    })
}

/// The rows of an extent in runs of at most [`PAGE_ROWS`], each with the number of its first.
pub(crate) fn runs<'a>(
    view: &'a dyn Read,
    extent: &'a head::Extent,
) -> impl Iterator<Item = Result<(u32, Vec<Metachunk>), Fatal>> + 'a {
    let count = if extent.inline.is_empty() { pages(extent) } else { 1 };
    (0..count).map(move |number| {
        if !extent.inline.is_empty() {
            return Ok((0, extent.inline.clone()));
        }
        Ok((number * PAGE_ROWS as u32, page(view, &extent.blob, number)?))
    })
}

/// The whole extent.
pub(crate) fn read(view: &dyn Read, extent: &head::Extent) -> Result<Extent, Fatal> {
    let mut metachunks = Vec::new();
    for run in runs(view, extent) {
        metachunks.append(&mut run?.1);
    }
    Ok(Extent {
        blob: extent.blob,
        origin: extent.origin,
        policy: extent.policy.clone(),
        method: extent.method,
        chunk_blocks: extent.chunk_blocks,
        metachunks,
    })
}

/// One row, if there is one.
pub(crate) fn row(
    view: &dyn Read,
    extent: &head::Extent,
    number: u32,
) -> Result<Option<Metachunk>, Fatal> {
    if number >= extent.rows {
        return Ok(None);
    }
    if let Some(row) = extent.inline.get(number as usize) {
        return Ok(Some(row.clone()));
    }
    let rows = page(view, &extent.blob, number / PAGE_ROWS as u32)?;
    Ok(rows.into_iter().nth(number as usize % PAGE_ROWS))
}

/// Replaces a row. The head must be written by the caller.
pub(crate) fn replace(
    txn: &mut Txn,
    extent: &mut head::Extent,
    number: u32,
    row: Metachunk,
) -> Result<(), Fatal> {
    if let Some(inline) = extent.inline.get_mut(number as usize) {
        *inline = row;
        return Ok(());
    }
    let at = number / PAGE_ROWS as u32;
    let mut rows = page(txn, &extent.blob, at)?;
    if let Some(old) = rows.get_mut(number as usize % PAGE_ROWS) {
        *old = row;
    }
    put(txn, page_key(&extent.blob, at), &Page(rows))
}

/// Removes the pages of an extent.
pub(crate) fn remove(txn: &mut Txn, extent: &head::Extent) {
    if extent.inline.is_empty() {
        for page in 0..pages(extent) {
            txn.delete(page_key(&extent.blob, page).into_bytes());
        }
    }
}

fn pages(extent: &head::Extent) -> u32 {
    extent.rows.div_ceil(PAGE_ROWS as u32)
}

fn page(view: &dyn Read, blob: &BlobId, number: u32) -> Result<Vec<Metachunk>, Fatal> {
    let key = page_key(blob, number);
    let page: Option<Page> = get(view, key.as_bytes())?;
    Ok(page.ok_or_else(|| unreadable(key.as_bytes(), "it is missing".into()))?.0)
}
