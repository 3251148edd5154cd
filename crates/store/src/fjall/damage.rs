//! Damage that the engine would take for something else, and open as if nothing were missing.

use std::fs;
use std::fs::File;
use std::io::{self, BufReader, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// What is wrong with a directory that no crash could have left like this. What a crash in the
/// middle of a first creation left is removed: the engine would refuse it for good.
///
/// The caller sees to it that no other process has the database open.
pub fn find(dir: &Path) -> io::Result<Option<&'static str>> {
    let journals = journals(dir)?;
    let keyspaces = entries(&dir.join("keyspaces"))?;
    let marker = dir.join("version");
    let marked = match fs::metadata(&marker) {
        Ok(marker) => marker.len() > 0,
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error),
    };

    if !marked {
        // The marker is synced before the first keyspace exists, so there is nothing to lose
        // where both are missing. Where keyspaces exist, the engine would begin anew beside them.
        return match &journals[..] {
            [] | [(0, _)] if keyspaces.is_empty() => {
                journals.iter().map(|(_, path)| path).chain([&marker]).try_for_each(remove)?;
                Ok(None)
            }
            _ => Ok(Some("the version marker is missing")),
        };
    }
    // The engine would begin an empty journal.
    if journals.is_empty() {
        return Ok(Some("the journal is missing"));
    }
    // The engine would begin an empty list and delete the keyspaces that are not in it.
    let listed = dir.join("keyspaces").join("0").join("current").try_exists()?;
    if !listed && keyspaces.iter().any(|path| !path.ends_with("0")) {
        return Ok(Some("the list of keyspaces is missing"));
    }
    // Journals are begun and removed in order.
    if journals.windows(2).any(|pair| pair[0].0 + 1 != pair[1].0) {
        return Ok(Some("a journal is missing between others"));
    }
    // A crash can only have cut short the last one: each is synced before the next is begun.
    // The engine cuts any of them off where it stops to make sense, and goes on with the next.
    for (_, path) in journals.iter().rev().skip(1) {
        if !complete(path)? {
            return Ok(Some("a journal is damaged"));
        }
    }
    Ok(None)
}

fn remove(path: &PathBuf) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn entries(dir: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(dir) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// The journals, oldest first.
fn journals(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let number = |path: &PathBuf| path.file_name()?.to_str()?.strip_suffix(".jnl")?.parse().ok();
    let entries = entries(dir)?;
    let mut journals: Vec<_> =
        entries.into_iter().filter_map(|path| Some((number(&path)?, path))).collect();
    journals.sort();
    Ok(journals)
}

/// Whether a journal is whole batches up to its end, or up to space allocated and not used.
/// Checksums are left to the engine, which refuses a journal in which one is wrong.
fn complete(path: &Path) -> io::Result<bool> {
    match walk(&mut BufReader::new(File::open(path)?)) {
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        result => result,
    }
}

/// Of the engine's format (version 3), what it takes to step from record to record.
fn walk(journal: &mut impl Read) -> io::Result<bool> {
    let mut batch = false;
    loop {
        let mut tag = [0];
        match journal.read(&mut tag) {
            Ok(0) => return Ok(!batch),
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            Err(_) => continue,
            Ok(_) => {}
        }
        match (tag[0], batch) {
            // Start: the number of records and the batch's sequence number.
            (1, false) => {
                skip(journal, 4 + 8)?;
                batch = true;
            }
            // Record: kind, compression, keyspace, lengths of the key, of the value and of the
            // value as stored, key, value.
            (2, true) => {
                let [kind, compression, ..] = take::<10>(journal)?;
                if kind > 2 || compression > 1 {
                    return Ok(false);
                }
                let key = u16::from_le_bytes(take(journal)?);
                skip(journal, 4)?;
                let value = u32::from_le_bytes(take(journal)?);
                skip(journal, u64::from(key) + u64::from(value))?;
            }
            // End: a checksum and a fixed trailer.
            (3, true) => {
                skip(journal, 8)?;
                if take(journal)? != *b"FJL\x03" {
                    return Ok(false);
                }
                batch = false;
            }
            // A keyspace was cleared.
            (4, true) => skip(journal, 8)?,
            (0, false) => return zeros(journal),
            _ => return Ok(false),
        }
    }
}

fn take<const N: usize>(journal: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    journal.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn skip(journal: &mut impl Read, bytes: u64) -> io::Result<()> {
    match io::copy(&mut journal.take(bytes), &mut io::sink())? {
        skipped if skipped == bytes => Ok(()),
        _ => Err(ErrorKind::UnexpectedEof.into()),
    }
}

fn zeros(journal: &mut impl Read) -> io::Result<bool> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match journal.read(&mut buffer) {
            Ok(0) => return Ok(true),
            Ok(read) if buffer[..read].iter().any(|byte| *byte != 0) => return Ok(false),
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
    }
}
