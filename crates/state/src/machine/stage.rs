//! Chunk tables that are staged before their commit.

use super::{Context, blob, extents};
use crate::{
    Answer, Failure, Fatal, MAX_ROWS, PAGE_ROWS, StagePage,
    kv::{
        self, Present, chunks, container,
        staged::{self, Staged, Summary},
    },
};
use model::{BlobId, Error, ErrorKind, Subject};

/// How long staged rows wait for their commit, in microseconds of log time: longer than the
/// fence lets chunks wait that nothing names.
pub(crate) const KEPT: u64 = 3 * 24 * 3600 * 1_000_000;

/// Writes a page, behind those that are there.
pub(super) fn page(cx: &mut Context, command: &StagePage) -> Result<Answer, Failure> {
    let id = &command.container;
    // A hidden container takes them too: whoever knows its incarnation makes the snapshot.
    match container::any(&cx.txn, id)?.filter(|container| container.is_hidden()) {
        Some(hidden) => hidden.check_incarnation(command.incarnation)?,
        None => {
            container::writable(&cx.txn, id, cx.now())?.check_incarnation(command.incarnation)?;
        }
    }
    let blob = &command.blob;
    extents::prepared_for(id, blob)?;
    let rows = extents::table(command.method, command.chunk_blocks, &command.rows)?;
    if command.rows.len() > PAGE_ROWS {
        let message = format!("a page has at most {PAGE_ROWS} rows, not {}", command.rows.len());
        return Err(Error::invalid(message).into());
    }
    extents::fence(&rows, cx.partition.fence)?;
    blob::check_open(cx, blob)?;
    let before: Option<Staged> = kv::get(&cx.txn, staged::key(blob).as_bytes())?;
    let mut record = before.unwrap_or(Staged {
        at: cx.now(),
        method: command.method,
        chunk_blocks: command.chunk_blocks,
        summary: Summary::EMPTY,
    });
    if (record.method, record.chunk_blocks) != (command.method, command.chunk_blocks) {
        let message = format!("the rows of blob {blob} were staged for another method");
        return Err(Error::invalid(message).into());
    }
    if command.page < chunks::pages(record.summary.rows) {
        return repeated(cx, command);
    }
    check_next(command, record.summary.rows)?;
    if record.summary.rows == 0 {
        cx.partition.staged += 1;
    }
    command.rows.iter().for_each(|row| record.summary.add(row));
    kv::put(&mut cx.txn, staged::key(blob), &record)?;
    kv::put(&mut cx.txn, staged::expiry_key(record.at, blob), &Present)?;
    chunks::write_page(&mut cx.txn, blob, command.page, command.rows.clone())?;
    Ok(Answer::Done)
}

/// A page that is there already may come again as it was.
fn repeated(cx: &Context, command: &StagePage) -> Result<Answer, Failure> {
    let there = chunks::find_page(&cx.txn, &command.blob, command.page)?;
    if there.as_ref() == Some(&command.rows) {
        return Ok(Answer::Done);
    }
    let (page, blob) = (command.page, &command.blob);
    Err(conflict(format!("page {page} of blob {blob} was staged with other rows")).into())
}

fn check_next(command: &StagePage, rows: u32) -> Result<(), Error> {
    let (page, blob) = (command.page, &command.blob);
    if !rows.is_multiple_of(PAGE_ROWS as u32) {
        return Err(conflict(format!("the table of blob {blob} ends before page {page}")));
    }
    if page != chunks::pages(rows) {
        let next = chunks::pages(rows);
        return Err(conflict(format!("page {next} of blob {blob} is staged before page {page}")));
    }
    if rows.saturating_add(command.rows.len() as u32) > MAX_ROWS {
        let message = format!("a content has at most {MAX_ROWS} metachunks: use larger chunks");
        return Err(Error::new(ErrorKind::Exhausted, Subject::Object, message));
    }
    Ok(())
}

/// Removes what is staged under a blob, if anything is.
pub(super) fn discard(cx: &mut Context, blob: &BlobId) -> Result<(), Fatal> {
    let key = staged::key(blob);
    let Some(record) = kv::get::<Staged>(&cx.txn, key.as_bytes())? else { return Ok(()) };
    chunks::remove_pages(&mut cx.txn, blob, 0..chunks::pages(record.summary.rows));
    unstage(cx, blob, &record);
    Ok(())
}

/// Forgets that the rows of a blob, which is committed, were staged: their pages stay.
pub(super) fn forget(cx: &mut Context, blob: &BlobId) -> Result<(), Fatal> {
    if let Some(record) = kv::get::<Staged>(&cx.txn, staged::key(blob).as_bytes())? {
        unstage(cx, blob, &record);
    }
    Ok(())
}

fn unstage(cx: &mut Context, blob: &BlobId, record: &Staged) {
    cx.txn.delete(staged::expiry_key(record.at, blob).into_bytes());
    cx.txn.delete(staged::key(blob).into_bytes());
    cx.partition.staged = cx.partition.staged.saturating_sub(1);
}

/// Removes the oldest staged rows, if they were never committed.
pub(super) fn expire(cx: &mut Context) -> Result<(), Fatal> {
    if cx.partition.staged == 0 {
        return Ok(());
    }
    let oldest = kv::scan(&cx.txn, &staged::expiry()).next().transpose()?;
    let Some((key, _)) = oldest else { return Ok(()) };
    let (at, blob) = staged::parse_expiry(&key)?;
    if at.saturating_add(KEPT) <= cx.now() {
        discard(cx, &blob)?;
    }
    Ok(())
}

fn conflict(message: String) -> Error {
    Error::new(ErrorKind::Conflict, Subject::Object, message)
}
