//! Cutting versions short.

use super::{
    Context, commit, container,
    extents::{self, Place},
    object, remove,
};
use crate::{
    Answer, Failure, Fatal, Truncate,
    kv::{
        self, chunks, container as containers,
        head::{self, Body},
    },
    read::drained_object,
};
use model::{Error, ErrorKind, Subject};

/// Drops what is behind the cut; what was in the metachunk that is cut comes written anew.
pub(super) fn truncate(cx: &mut Context, command: &Truncate) -> Result<Answer, Failure> {
    let (id, name) = (&command.container, &command.object);
    let mut container = containers::writable(&cx.txn, id, cx.now())?;
    container.check_incarnation(command.incarnation)?;
    let (version, mut head) = object::live(cx, id, name, command.version)?;
    let Body::Extents(before) = &mut head.body else { return Err(drained_object(name).into()) };
    if command.size > head.size {
        let (size, wanted) = (head.size, command.size);
        let message = format!("object {name} has {size} bytes and cannot be cut to {wanted}");
        return Err(Error::new(ErrorKind::Invalid, Subject::Object, message).into());
    }
    let same = head.size == command.expected_size
        && before.iter().map(|extent| extent.blob).eq(command.expected_blobs.iter().copied());
    if !same {
        let message = format!("object {name} was changed meanwhile");
        return Err(Error::new(ErrorKind::Conflict, Subject::Object, message).into());
    }
    let tail = extents::check(cx, id, command.tail.as_slice())?;
    let kept = kept_bytes(cx, before, command)?;
    if kept.checked_add(tail.bytes()) != Some(command.size) {
        let (tail, size) = (tail.bytes(), command.size);
        let message = format!("{kept} bytes kept and {tail} written anew are not {size}");
        return Err(Error::invalid(message).into());
    }
    if command.size == head.size && command.tail.is_none() {
        return Ok(commit::committed(version, &head, &tail));
    }
    let mut extents = std::mem::take(before);
    remove::check_retention(cx, name, version, &head)?;
    for dropped in extents.split_off(command.keep_extents as usize) {
        remove::extent(cx, &dropped, command.delete_grace)?;
        if dropped.blob != head.blob {
            remove::disown(cx, &dropped.blob)?;
        }
    }
    if let Some(last) = extents.last_mut()
        && command.keep_rows < last.rows
    {
        let bytes = bytes_of(cx, last, command.keep_rows)?;
        remove::rows(cx, last, command.keep_rows, command.delete_grace)?;
        last.bytes = bytes;
    }
    let place = Place { container: id, object: name, version };
    let written = extents::write(cx, place, &extents, &tail)?;
    extents.extend(written);
    container.bytes = container.bytes.saturating_sub(head.size - command.size);
    if head::is_latest(&cx.txn, id, name, version)? {
        container.live_bytes = container.live_bytes.saturating_sub(head.size - command.size);
    }
    container.modified = cx.now();
    head.body = Body::Extents(extents);
    head.size = command.size;
    (head.hash, head.md5) = (None, None);
    head.modified = cx.now();
    kv::put(&mut cx.txn, head::key(id, name.as_str(), version), &head)?;
    container::save(cx, id, &container)?;
    Ok(commit::committed(version, &head, &tail))
}

/// Bytes of content in what is kept.
fn kept_bytes(cx: &Context, extents: &[head::Extent], command: &Truncate) -> Result<u64, Failure> {
    let keep = extents.get(..command.keep_extents as usize);
    let sound = match keep {
        Some([.., last]) => (1..=last.rows).contains(&command.keep_rows),
        Some([]) => command.keep_rows == 0,
        None => false,
    };
    let Some(keep) = keep.filter(|_| sound) else {
        let (extents, rows) = (command.keep_extents, command.keep_rows);
        let message = format!("there are no {rows} metachunks in extent {extents} to keep");
        return Err(Error::invalid(message).into());
    };
    let Some((last, whole)) = keep.split_last() else { return Ok(0) };
    let whole = whole.iter().fold(0u64, |sum, extent| sum.saturating_add(extent.bytes));
    Ok(whole.saturating_add(bytes_of(cx, last, command.keep_rows)?))
}

/// Bytes of content in the first rows of an extent.
fn bytes_of(cx: &Context, extent: &head::Extent, rows: u32) -> Result<u64, Fatal> {
    if rows == extent.rows {
        return Ok(extent.bytes);
    }
    let mut sum = 0u64;
    for run in chunks::runs(&cx.txn, extent) {
        let (first, run) = run?;
        if first >= rows {
            break;
        }
        let kept = run.iter().take((rows - first) as usize);
        sum = kept.fold(sum, |sum, row| sum.saturating_add(row.length));
    }
    Ok(sum)
}
