//! What operations on small objects cost, beside the least that they can cost.
//!
//! `cargo bench -p cairn --bench small`
//!
//! A metadata node and a chunk server with nine volumes run as processes of their own, over
//! directories of one file system; the client is this process. Everything acknowledged is synced.
//! An empty object has no chunks: its PUT is the metadata's share of any PUT. The floor of an
//! operation is what `small/floor.rs` describes; both take turns, and the order alternates.
//! CPU time is that of all processes, per 1000 operations.
//!
//! Environment: `SMALL_OPERATIONS` (2000; operations of a turn at concurrency 8 and 64, a quarter
//! of it at 1), `SMALL_ROUNDS` (3), `SMALL_POLICY` (EC42), `SMALL_ONLY` (rows to measure, such
//! as `HEAD`), `TMPDIR` (where everything is kept).
#![allow(clippy::print_stdout)]

mod chunks;
mod daemons;
#[path = "small/floor.rs"]
mod floor;
mod measure;

use anyhow::{Context, ensure};
use bytes::Bytes;
use client::{AccountName, Client, ContainerName, ObjectName};
use daemons::{Cluster, cpu_seconds, setting};
use floor::{ANSWER_BYTES, Ask, Floor, REQUEST_BYTES};
use futures::{StreamExt, TryStreamExt, future::BoxFuture, stream};
use measure::median;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

const SIZES: [usize; 3] = [0, 4 << 10, 64 << 10];
const CONCURRENCY: [usize; 3] = [1, 8, 64];
/// Objects of the container that is listed, and entries of a page.
const LISTED: usize = 10_000;
const PAGE: usize = 1000;
/// A page on the wire.
const PAGE_BYTES: usize = 150 * PAGE;
/// Reads are repeated: a turn of them would be too short for the steps of the CPU's clock.
const READS: usize = 4;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == floor::SERVER_MODE) {
        let directory = arguments.next().context("the floor's server needs a directory")?;
        return runtime.block_on(floor::serve(directory.into()));
    }
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let operations: usize = setting("SMALL_OPERATIONS", 2000)?;
    let rounds: usize = setting("SMALL_ROUNDS", 3)?;
    let policy = std::env::var("SMALL_POLICY").unwrap_or_else(|_| "EC42".to_owned());
    let only = std::env::var("SMALL_ONLY").unwrap_or_default();
    ensure!(rounds > 0 && operations >= 100, "there is nothing to measure");
    let directory = tempfile::tempdir()?;
    let cluster = Cluster::start(directory.path())?;
    let floor = Floor::start(&directory.path().join("floor"))?;
    let client = cluster.client().await?;
    let width = width(&policy)?;
    let bench = Arc::new(Bench { client, floor, policy, width, files: AtomicU64::new(0) });

    println!("Medians of {rounds} rounds, policy {}; CPU seconds per 1000.\n", bench.policy);
    println!(
        "{:16}{:>9}{:>9} | {:>8}{:>8}{:>8}{:>8}{:>8}{:>8}",
        "", "per s", "floor", "CPU s", "client", "chunk", "meta", "floor", "ratio"
    );
    let mut rows = Vec::new();
    for concurrency in CONCURRENCY {
        let count = if concurrency == 1 { operations / 4 } else { operations };
        let row = |what, size, count| Row { what, size, concurrency, count };
        for size in SIZES {
            let all = [What::Put, What::Head, What::Get, What::Delete];
            let mut group = all.map(|what| row(what, size, count)).to_vec();
            // There is nothing to get of an empty one.
            group.retain(|row| row.size > 0 || row.what != What::Get);
            let wanted = group.iter().any(|row| row.name().contains(&only));
            // What others work on must have been put, whoever wants to see what that costs.
            group.retain(|row| wanted && (row.what == What::Put || row.name().contains(&only)));
            rows.extend(group);
        }
        rows.extend(Some(row(What::List, 0, count / 5)).filter(|row| row.name().contains(&only)));
    }
    let fill = Row { what: What::Put, size: 0, concurrency: 64, count: LISTED };
    bench.clone().turn(&fill, "listed", false).await?;
    let mut measured: Vec<Vec<[Turn; 2]>> = rows.iter().map(|_| Vec::new()).collect();
    // The first round opens connections and is not counted.
    for round in 0..=rounds {
        for (row, turns) in rows.iter().zip(&mut measured) {
            let name = format!("{}-{}-{round}", row.size, row.concurrency);
            let mut pair = [None, None];
            for turn in 0..2 {
                let ours = (turn + round) % 2;
                pair[ours] = Some(bench.clone().measure(row, &name, ours == 1, &cluster).await?);
            }
            if let ([Some(floor), Some(ours)], true) = (pair, round > 0) {
                turns.push([ours, floor]);
            }
        }
        // A directory of ever more files would be the later rounds' burden.
        chunks::forget(directory.path())?;
        bench.floor.forget()?;
    }
    for (row, turns) in rows.iter().zip(&measured) {
        print_row(&row.name(), turns);
    }
    cluster.print_peaks()
}

/// Data and parity fragments of a policy, as the floor writes them.
fn width(policy: &str) -> anyhow::Result<(usize, usize)> {
    Ok(match policy {
        "SINGLE" => (1, 0),
        "EC42" => (4, 2),
        "EC63" => (6, 3),
        other => anyhow::bail!("no floor is known for policy {other}"),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Put,
    Head,
    Get,
    Delete,
    List,
}

/// What is measured.
#[derive(Clone, Copy)]
struct Row {
    what: What,
    size: usize,
    concurrency: usize,
    count: usize,
}

impl Row {
    fn name(&self) -> String {
        let operation = match self.what {
            What::Put => "PUT",
            What::Head => "HEAD",
            What::Get => "GET",
            What::Delete => "DELETE",
            What::List => return format!("LIST {PAGE}, {}", self.concurrency),
        };
        match self.size {
            0 => format!("{operation} empty, {}", self.concurrency),
            size => format!("{operation} {} KiB, {}", size >> 10, self.concurrency),
        }
    }

    /// Operations of a turn.
    fn operations(&self) -> usize {
        match self.what {
            What::Head | What::Get => self.count * READS,
            _ => self.count,
        }
    }
}

struct Bench {
    client: Client,
    floor: Floor,
    policy: String,
    width: (usize, usize),
    /// Files that the floor has written.
    files: AtomicU64,
}

/// What one turn took.
#[derive(Clone, Copy)]
struct Turn {
    per_second: f64,
    /// Seconds per 1000: of this process, of what keeps chunks, of the metadata node.
    cpu: [f64; 3],
}

impl Turn {
    fn total(&self) -> f64 {
        self.cpu.iter().sum()
    }
}

impl Bench {
    async fn measure(
        self: Arc<Self>,
        row: &Row,
        name: &str,
        ours: bool,
        cluster: &Cluster,
    ) -> anyhow::Result<Turn> {
        let floor = self.floor.pid();
        let used = || -> anyhow::Result<[f64; 3]> {
            let client = cpu_seconds(std::process::id())?;
            Ok(match ours {
                true => {
                    [client, cpu_seconds(cluster.chunk_pid())?, cpu_seconds(cluster.meta_pid())?]
                }
                false => [client, cpu_seconds(floor)?, 0.0],
            })
        };
        let (before, started) = (used()?, Instant::now());
        self.turn(row, name, !ours).await?;
        let (seconds, after) = (started.elapsed().as_secs_f64(), used()?);
        let thousands = row.operations() as f64 / 1000.0;
        let cpu = std::array::from_fn(|n| (after[n] - before[n]) / thousands);
        Ok(Turn { per_second: row.operations() as f64 / seconds, cpu })
    }

    /// All operations of a turn, as many at once as the row says.
    async fn turn(self: Arc<Self>, row: &Row, name: &str, floor: bool) -> anyhow::Result<()> {
        let first = match row.what {
            What::Put if floor => self.files.fetch_add(row.count as u64, Ordering::Relaxed),
            _ => self.files.load(Ordering::Relaxed).saturating_sub(row.count as u64),
        };
        let name: Arc<str> = name.into();
        let row = *row;
        stream::iter((0..row.operations()).map(anyhow::Ok))
            .try_for_each_concurrent(row.concurrency, |n| {
                let bench = self.clone();
                let name = name.clone();
                let work: BoxFuture<'static, _> = match floor {
                    true => Box::pin(bench.floor(row, first + (n % row.count) as u64)),
                    false => Box::pin(bench.ours(row, name, n)),
                };
                async move { tokio::spawn(work).await? }
            })
            .await
    }

    async fn ours(self: Arc<Self>, row: Row, name: Arc<str>, n: usize) -> anyhow::Result<()> {
        let container =
            if &*name == "listed" || row.what == What::List { "listed" } else { "small" };
        let account: AccountName = "bench".parse()?;
        let container: ContainerName = container.parse()?;
        let object: ObjectName = format!("{name}/{:06}", n % row.count).parse()?;
        match row.what {
            What::Put => {
                let content = Bytes::from(vec![n as u8; row.size]);
                let put = self.client.put_object(&account, &container, &object, content);
                let stored = put.policy(self.policy.parse()?).await?;
                ensure!(stored.dropped == 0, "chunks were lost: {:?}", stored.failures);
            }
            What::Head => {
                let shown = self.client.show_object(&account, &container, &object).await?;
                ensure!(shown.entry.size == row.size as u64, "another object was shown");
            }
            What::Get => {
                let mut download = self.client.get_object(&account, &container, &object).await?;
                let mut read = 0;
                while let Some(piece) = download.next().await {
                    read += piece?.len();
                }
                ensure!(read == row.size, "{read} bytes came of {}", row.size);
            }
            What::Delete => {
                self.client.delete_object(&account, &container, &object).await?;
            }
            What::List => {
                let marker = format!("listed/{:06}", n * PAGE % LISTED);
                let page = self.client.list_objects(&account, &container).marker(marker);
                let entries = page.limit(PAGE as u32).await?.items.len();
                ensure!(entries >= PAGE - 1, "a page has {entries} entries");
            }
        }
        Ok(())
    }

    async fn floor(self: Arc<Self>, row: Row, file: u64) -> anyhow::Result<()> {
        let (floor, request) = (&self.floor, [0; REQUEST_BYTES]);
        match row.what {
            What::Put => floor.put(file, row.size, self.width).await?,
            What::Get => floor.get(file, row.size, self.width).await?,
            What::Head => drop(floor.ask(Ask::Answer, 0, &request, ANSWER_BYTES).await?),
            What::List => drop(floor.ask(Ask::Answer, 0, &request, PAGE_BYTES).await?),
            What::Delete => drop(floor.ask(Ask::Log, 0, &request, 8).await?),
        }
        Ok(())
    }
}

fn print_row(name: &str, turns: &[[Turn; 2]]) {
    let median = |value: &dyn Fn(&[Turn; 2]) -> f64| median(turns, value);
    println!(
        "{name:16}{:9.0}{:9.0} | {:8.3}{:8.3}{:8.3}{:8.3}{:8.3}{:8.1}",
        median(&|t| t[0].per_second),
        median(&|t| t[1].per_second),
        median(&|t| t[0].total()),
        median(&|t| t[0].cpu[0]),
        median(&|t| t[0].cpu[1]),
        median(&|t| t[0].cpu[2]),
        median(&|t| t[1].total()),
        median(&|t| t[0].total() / t[1].total()),
    );
}
