//! Whole trees: `cairn object put -r` and `cairn object save -r`.
//!
//! What is there is compared with what is wanted in one pass in the order of names (`plan`), and
//! what differs is transferred, several files at a time (`run_tree`). Whoever runs it again goes
//! on where it ended: nothing is remembered between runs but what the store and the directory
//! hold.

mod down;
mod hash;
mod listed;
mod target;
mod time;
mod up;
mod walk;

pub use down::run as down;
pub use up::run as up;

use crate::{
    command::given,
    failure,
    output::{Output, Transfers, printable, size},
};
use anyhow::Context;
use futures::future::BoxFuture;
use model::{AccountName, ContainerName, ErrorKind};
use serde::Serialize;
use std::{
    ffi::OsStr,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

/// Files compared ahead of those that are transferred: how far the bar sees.
const PLANNED_AHEAD: usize = 4096;

/// Files transferred at the same time unless the user says: small ones wait for syncs, which
/// they can do together.
const DEFAULT_JOBS: u16 = 8;

/// How often a plain line says how far it is.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Failures shown again at the end.
const FAILURES_SHOWN: usize = 100;

/// Files in a row that fail because the store does not work before all is given up.
const GIVE_UP_AFTER: u32 = 16;

/// Which way the contents go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

/// A tree and a container.
struct Tree<'a> {
    direction: Direction,
    account: &'a AccountName,
    container: &'a ContainerName,
    directory: &'a Path,
    jobs: u16,
    output: Output,
    transfers: Transfers,
}

/// The next thing to do.
enum Planned {
    /// Nothing: it is decided already.
    Told(Report),
    /// A transfer, if a closer look does not spare it.
    Work(BoxFuture<'static, Report>),
}

/// What came of one file.
struct Report {
    object: Option<String>,
    file: Option<PathBuf>,
    outcome: Outcome,
}

enum Outcome {
    /// So many bytes were transferred.
    Moved(u64),
    /// Its content, of so many bytes, was there already.
    Unchanged(u64),
    /// It is nothing that could be transferred, and why.
    Passed(&'static str),
    Failed(anyhow::Error),
}

/// What came of one file, as machines see it.
#[derive(Serialize)]
struct Line<'a> {
    object: Option<&'a str>,
    file: Option<String>,
    /// `transferred`, `skipped` or `failed`.
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// What came of all.
#[derive(Serialize)]
struct Summary<'a> {
    account: &'a str,
    container: &'a str,
    directory: String,
    transferred: u64,
    transferred_bytes: u64,
    unchanged: u64,
    unchanged_bytes: u64,
    skipped: u64,
    failed: u64,
}

/// Keeps account while the work goes on.
struct Account<'a> {
    tree: &'a Tree<'a>,
    summary: Summary<'a>,
    failures: Vec<String>,
    /// Failures of the store since it last did something.
    in_a_row: u32,
}

/// Does what `plan` plans, several transfers at a time, and says what came of it.
async fn run_tree<F>(
    tree: &Tree<'_>,
    plan: impl FnOnce(mpsc::Sender<Planned>) -> F,
) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let (sender, mut planned) = mpsc::channel(PLANNED_AHEAD);
    let mut planning = AbortOnDropHandle::new(tokio::spawn(plan(sender)));
    let mut running = JoinSet::new();
    let mut account = Account::new(tree);
    let mut line = tokio::time::interval(LINE_EVERY);
    line.tick().await;
    let mut all_planned = false;
    let outcome = loop {
        let room = !all_planned && running.len() < usize::from(tree.jobs);
        let taken = tokio::select! {
            next = planned.recv(), if room => match next {
                Some(Planned::Told(report)) => account.take(report),
                Some(Planned::Work(work)) => {
                    running.spawn(work);
                    Ok(())
                }
                None => {
                    all_planned = true;
                    (&mut planning).await.context("the comparison ended").flatten()
                }
            },
            Some(done) = running.join_next() => match done {
                Ok(report) => account.take(report),
                Err(error) => Err(anyhow::Error::new(error).context("a transfer ended")),
            },
            _ = line.tick() => {
                tree.transfers.line();
                Ok(())
            }
        };
        if taken.is_err() {
            break taken;
        }
        if all_planned && running.is_empty() {
            break Ok(());
        }
    };
    // What is under way is broken off before the end is told.
    running.shutdown().await;
    account.close(outcome)
}

impl<'a> Account<'a> {
    fn new(tree: &'a Tree<'a>) -> Self {
        let summary = Summary {
            account: tree.account.as_str(),
            container: tree.container.as_str(),
            directory: tree.directory.display().to_string(),
            transferred: 0,
            transferred_bytes: 0,
            unchanged: 0,
            unchanged_bytes: 0,
            skipped: 0,
            failed: 0,
        };
        Self { tree, summary, failures: Vec::new(), in_a_row: 0 }
    }

    /// Takes in what came of one file; an error if there is no point in going on.
    fn take(&mut self, report: Report) -> anyhow::Result<()> {
        let name = report.name(self.tree.direction);
        let line = |outcome, bytes, reason| Line {
            object: report.object.as_deref(),
            file: report.file.as_ref().map(|file| file.display().to_string()),
            outcome,
            bytes,
            reason,
        };
        let summary = &mut self.summary;
        match &report.outcome {
            Outcome::Moved(bytes) => {
                summary.transferred += 1;
                summary.transferred_bytes += bytes;
                self.in_a_row = 0;
                self.tell(&line("transferred", Some(*bytes), None))
            }
            Outcome::Unchanged(bytes) => {
                summary.unchanged += 1;
                summary.unchanged_bytes += bytes;
                Ok(())
            }
            Outcome::Passed(why) => {
                summary.skipped += 1;
                self.tree.transfers.say(&format!("skipped {name}: {why}"));
                self.tell(&line("skipped", None, Some((*why).to_owned())))
            }
            Outcome::Failed(error) => {
                summary.failed += 1;
                let why = failure::chain(error);
                self.tree.transfers.say(&format!("failed {name}: {why}"));
                if self.failures.len() < FAILURES_SHOWN {
                    self.failures.push(format!("{name}: {why}"));
                }
                self.tell(&line("failed", None, Some(why)))?;
                match report.outcome {
                    Outcome::Failed(error) => self.go_on(error),
                    _ => Ok(()),
                }
            }
        }
    }

    /// Tells machines.
    fn tell(&self, line: &Line<'_>) -> anyhow::Result<()> {
        if self.tree.output.json {
            self.tree.output.show(line, |_| String::new())?;
        }
        Ok(())
    }

    /// Whether the next file may fare better than one that failed.
    fn go_on(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        let Some(store) = error.downcast_ref::<client::Error>() else { return Ok(()) };
        match store.kind() {
            ErrorKind::Denied | ErrorKind::Unauthenticated => return Err(error),
            _ if matches!(store, client::Error::NoSuchContainer(_)) => return Err(error),
            ErrorKind::Unavailable | ErrorKind::Indeterminate | ErrorKind::Exhausted => {}
            _ => return Ok(()),
        }
        self.in_a_row += 1;
        if self.in_a_row < GIVE_UP_AFTER {
            return Ok(());
        }
        Err(error.context("given up; the same command goes on from here"))
    }

    /// Says what came of all of it.
    fn close(self, outcome: anyhow::Result<()>) -> anyhow::Result<()> {
        let Self { tree, summary, failures, .. } = self;
        tree.transfers.finish();
        tree.output.show(&summary, |summary| summary.text(tree.direction))?;
        outcome?;
        if summary.failed == 0 {
            return Ok(());
        }
        let all = summary.transferred + summary.unchanged + summary.failed;
        let more = match summary.failed.saturating_sub(failures.len() as u64) {
            0 => String::new(),
            more => format!("\n  and {more} more"),
        };
        let what = match tree.direction {
            Direction::Up => "stored",
            Direction::Down => "saved",
        };
        anyhow::bail!(
            "{} of {} not {what}:\n  {}{more}",
            summary.failed,
            size::count(all, "file"),
            failures.join("\n  "),
        )
    }
}

impl Report {
    /// What people call it: the side that is read.
    fn name(&self, direction: Direction) -> String {
        let file = || self.file.as_ref().map(|file| file.display().to_string());
        let object = || self.object.clone();
        let name = match direction {
            Direction::Up => file().or_else(object),
            Direction::Down => object().or_else(file),
        };
        printable(&name.unwrap_or_default())
    }
}

impl Summary<'_> {
    fn text(&self, direction: Direction) -> String {
        let part =
            |files, bytes| format!("{} ({})", size::count(files, "file"), size::human(bytes));
        let moved = part(self.transferred, self.transferred_bytes);
        let container = printable(self.container);
        let mut text = match direction {
            Direction::Up => format!("stored {moved} in {container}"),
            Direction::Down => format!("saved {moved} into {}", printable(&self.directory)),
        };
        if self.unchanged > 0 {
            let bytes = size::human(self.unchanged_bytes);
            text.push_str(&format!("; {} unchanged ({bytes})", self.unchanged));
        }
        for (number, what) in [(self.skipped, "skipped"), (self.failed, "failed")] {
            if number > 0 {
                text.push_str(&format!("; {number} {what}"));
            }
        }
        text
    }
}

/// What all names of a tree begin with: a directory's name with its slash, or nothing.
fn prefix(given: Option<&OsStr>) -> anyhow::Result<String> {
    let prefix = given.map(|given| given::text(given, "the prefix")).transpose()?.unwrap_or("");
    Ok(if prefix.is_empty() || prefix.ends_with('/') {
        prefix.to_owned()
    } else {
        format!("{prefix}/")
    })
}

/// Does what waits for the disk where waiting does no harm.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("the work on a file ended")?
}
