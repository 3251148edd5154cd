//! Where stored bytes come from, and how far they are.

use crate::{
    failure::usage,
    output::{Output, Progress},
};
use anyhow::Context;
use client::Source;
use std::{
    io,
    path::Path,
    pin::Pin,
    task::{Context as Task, Poll},
};
use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read from a file at once.
const READ_BYTES: usize = 1024 * 1024;

/// Standard input for `-`, else the file of this name, with a progress bar on top.
pub async fn open(path: &Path, output: Output) -> anyhow::Result<Source> {
    if path.as_os_str() == "-" {
        let progress = Progress::new(output, "standard input", None);
        return Ok(Source::reader(Watched { reader: tokio::io::stdin(), progress }));
    }
    let shown = path.display();
    let mut file =
        tokio::fs::File::open(path).await.with_context(|| format!("cannot read {shown}"))?;
    let metadata = file.metadata().await.with_context(|| format!("cannot read {shown}"))?;
    if metadata.is_dir() {
        return Err(usage!("{shown} is a directory; name a file, or - for standard input"));
    }
    file.set_max_buf_size(READ_BYTES);
    // Pipes and devices have no size.
    let size = metadata.is_file().then_some(metadata.len());
    let progress = Progress::new(output, &shown.to_string(), size);
    let source = Source::reader(Watched { reader: file, progress });
    Ok(match size {
        Some(size) => source.sized(size),
        None => source,
    })
}

/// A reader that tells how far it is.
struct Watched<R> {
    reader: R,
    progress: Progress,
}

impl<R: AsyncRead + Unpin> AsyncRead for Watched<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.reader).poll_read(task, buffer);
        let read = buffer.filled().len() - before;
        if read > 0 {
            self.progress.advance(read as u64);
        }
        polled
    }
}
