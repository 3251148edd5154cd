//! `cairn object get`.

use super::{Place, perfdata, perfdata::Perfdata, sink::Sink};
use crate::{
    arguments::{GetArgs, Range},
    command::given,
    failure::usage,
    output::{self, Progress, printable, size},
};
use anyhow::Context;
use client::{ByteRange, Timings};
use futures::StreamExt;
use model::Version;
use serde::Serialize;
use std::path::PathBuf;
use tokio::io::AsyncWriteExt;

/// What was fetched, as machines see it.
#[derive(Serialize)]
struct Done<'a> {
    account: &'a str,
    container: &'a str,
    object: &'a str,
    version: Version,
    /// Null for standard output.
    file: Option<&'a PathBuf>,
    /// Bytes written.
    bytes: u64,
    /// Bytes of the whole content.
    size: u64,
    etag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    perfdata: Option<Perfdata>,
}

pub async fn run(place: &Place, args: GetArgs) -> anyhow::Result<()> {
    let container = given::container(&args.container)?;
    let object = given::object(&args.object)?;
    let file = args.file.unwrap_or_else(|| "-".into());
    if file.as_os_str() == "-" && output::stdout_is_terminal() {
        return Err(usage!("standard output is a terminal: name a file, or pipe it somewhere"));
    }
    let mut get = place
        .client
        .get_object(&place.account, &container, &object)
        .ranges(args.ranges.iter().map(|range| ByteRange::from(*range)));
    if let Some(version) = args.version {
        get = get.version(Version(version));
    }
    let timings = args.perfdata.then(Timings::default);
    if let Some(timings) = &timings {
        get = get.timings(timings);
    }
    // Nothing is created for an object that is not there.
    let mut download = get.await?;
    let entry = download.object().entry.clone();
    let total = download.length();

    let mut sink = Sink::open(&file).await?;
    let mut progress = Progress::new(place.output, object.as_str(), Some(total));
    let mut bytes = 0u64;
    while let Some(part) = download.next().await {
        let part = part?;
        let written = sink.writer().write_all(&part).await;
        written.with_context(|| format!("cannot write {}", file.display()))?;
        bytes += part.len() as u64;
        progress.advance(part.len() as u64);
    }
    let to_stdout = sink.is_stdout();
    sink.finish().await?;
    progress.finish();

    let done = Done {
        account: place.account.as_str(),
        container: container.as_str(),
        object: object.as_str(),
        version: entry.version,
        file: (!to_stdout).then_some(&file),
        bytes,
        size: entry.size,
        etag: entry.etag(),
        perfdata: perfdata::of(timings.as_ref()),
    };
    if !to_stdout {
        place.output.show(&done, Done::text)?;
    } else if place.output.json {
        // The document goes where it does not mix with the content; people see the content.
        place.output.show_aside(&done)?;
    } else if let Some(measured) = &done.perfdata {
        place.output.note(perfdata::text(measured).trim_end());
    }
    Ok(())
}

impl From<Range> for ByteRange {
    fn from(range: Range) -> Self {
        match range {
            Range::From(first, Some(last)) => Self::Span { first, last },
            Range::From(first, None) => Self::From(first),
            Range::Last(count) => Self::Last(count),
        }
    }
}

impl Done<'_> {
    fn text(&self) -> String {
        let file = self.file.map(|f| f.display().to_string()).unwrap_or_default();
        let measured = self.perfdata.as_ref().map(perfdata::text).unwrap_or_default();
        let (object, size) = (printable(self.object), size::human(self.bytes));
        format!("fetched {object} into {file}: {size}\n{measured}")
    }
}
