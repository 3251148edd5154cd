//! Chunk tables: in the head while they are short, in pages of their own beyond.

use super::{Key, Kind, Record, get, head, put, unreadable};
use crate::{Fatal, PAGE_ROWS, txn::Txn};
use model::{BlobId, Extent, Metachunk};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use store::Read;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Page(Vec<Metachunk>);

impl Record for Page {}

pub(crate) fn page_key(blob: &BlobId, page: u32) -> Key {
    Key::new(Kind::ChunkPage).bytes(&blob.0).u32(page)
}

/// Writes a page.
pub(crate) fn write_page(
    txn: &mut Txn,
    blob: &BlobId,
    page: u32,
    rows: Vec<Metachunk>,
) -> Result<(), Fatal> {
    put(txn, page_key(blob, page), &Page(rows))
}

/// The rows of a page, if there is one.
pub(crate) fn find_page(
    view: &dyn Read,
    blob: &BlobId,
    page: u32,
) -> Result<Option<Vec<Metachunk>>, Fatal> {
    Ok(get::<Page>(view, page_key(blob, page).as_bytes())?.map(|page| page.0))
}

/// The rows of an extent in runs of at most [`PAGE_ROWS`], each with the number of its first.
pub(crate) fn runs<'a>(
    view: &'a dyn Read,
    extent: &'a head::Extent,
) -> impl Iterator<Item = Result<(u32, Vec<Metachunk>), Fatal>> + 'a {
    runs_from(view, extent, 0)
}

/// The runs from the one that has a row on.
pub(crate) fn runs_from<'a>(
    view: &'a dyn Read,
    extent: &'a head::Extent,
    row: u32,
) -> impl Iterator<Item = Result<(u32, Vec<Metachunk>), Fatal>> + 'a {
    let numbers = match extent.inline.is_empty() {
        true => row / PAGE_ROWS as u32..pages(extent.rows),
        false => 0..1,
    };
    numbers.map(move |number| {
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

/// Cuts a table off behind its first `keep` rows. The head must be written by the caller.
pub(crate) fn cut(txn: &mut Txn, extent: &mut head::Extent, keep: u32) -> Result<(), Fatal> {
    if extent.inline.is_empty() {
        let within = keep as usize % PAGE_ROWS;
        if within > 0 {
            let at = keep / PAGE_ROWS as u32;
            let mut rows = page(txn, &extent.blob, at)?;
            rows.truncate(within);
            write_page(txn, &extent.blob, at, rows)?;
        }
        remove_pages(txn, &extent.blob, pages(keep)..pages(extent.rows));
    }
    extent.inline.truncate(keep as usize);
    extent.rows = keep;
    Ok(())
}

/// Removes the pages of an extent.
pub(crate) fn remove(txn: &mut Txn, extent: &head::Extent) {
    if extent.inline.is_empty() {
        remove_pages(txn, &extent.blob, 0..pages(extent.rows));
    }
}

/// Removes some pages of a blob.
pub(crate) fn remove_pages(txn: &mut Txn, blob: &BlobId, pages: Range<u32>) {
    for page in pages {
        txn.delete(page_key(blob, page).into_bytes());
    }
}

/// Pages that as many rows take.
pub(crate) fn pages(rows: u32) -> u32 {
    rows.div_ceil(PAGE_ROWS as u32)
}

fn page(view: &dyn Read, blob: &BlobId, number: u32) -> Result<Vec<Metachunk>, Fatal> {
    let key = page_key(blob, number);
    let page: Option<Page> = get(view, key.as_bytes())?;
    Ok(page.ok_or_else(|| unreadable(key.as_bytes(), "it is missing".into()))?.0)
}
