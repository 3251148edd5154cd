//! What operations cost in a container of a million objects.
//!
//! `cargo bench -p cairn --bench million`
//!
//! A metadata node and a chunk server run as processes of their own; the client is this process.
//! The objects are empty: what grows with their number is the metadata. After each hundred
//! thousand, and while they are deleted again, it is said what the operations cost: CPU seconds
//! of all processes per 1000 operations, a page of the listing being one. In the end an object of
//! many metachunks, of one block each, is stored, located, read from and deleted.
//!
//! Environment: `MILLION_OBJECTS` (1000000), `MILLION_STEP` (100000), `MILLION_METACHUNKS`
//! (10000), `TMPDIR` (where everything is kept).
#![allow(clippy::print_stdout)]

mod daemons;

use anyhow::ensure;
use bytes::Bytes;
use client::{AccountName, Client, ContainerName, ObjectName};
use daemons::{Cluster, cpu_seconds, peak_megabytes, setting};
use futures::{TryStreamExt, stream};
use std::{sync::Arc, time::Instant};

const CONCURRENCY: usize = 64;
const PAGE: usize = 1000;
/// Bytes of a metachunk of the policy SHORT.
const BLOCK: usize = 64 * 1024;
/// Objects located after each step, spread over all.
const LOCATED: usize = 5000;

fn main() -> anyhow::Result<()> {
    tokio::runtime::Runtime::new()?.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let objects = setting("MILLION_OBJECTS", 1_000_000)?;
    let step = setting("MILLION_STEP", 100_000)?;
    ensure!(step > 0 && objects % step == 0, "the steps must be whole");
    let directory = tempfile::tempdir()?;
    let cluster = Cluster::start(directory.path())?;
    let bench = Arc::new(Bench { client: cluster.client().await?, cluster });

    println!(
        "{:>9}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}",
        "objects", "PUT", "per s", "LOCATE", "LIST 1000", "DELETE", "meta MB"
    );
    for end in (step..=objects).step_by(step) {
        let put = bench.clone().all((end - step)..end, What::Put).await?;
        let spread = (0..LOCATED).map(|n| n * 7919 % end);
        let located = bench.clone().all(spread, What::Locate).await?;
        let listed = bench.list(end).await?;
        println!(
            "{end:9}{:10.3}{:10.0}{:10.3}{:10.3}{:10}{:12.0}",
            put.cpu,
            put.per_second,
            located.cpu,
            listed.cpu,
            "",
            peak_megabytes(bench.cluster.meta_pid())?
        );
    }
    // The first names go first: what was deleted lies before all that is left.
    for start in (0..objects).step_by(step) {
        let deleted = bench.clone().all(start..start + step, What::Delete).await?;
        let left = objects - start - step;
        let listed = bench.list(left).await?;
        println!(
            "{left:9}{:10}{:10.0}{:10}{:10.3}{:10.3}{:12.0}",
            "",
            deleted.per_second,
            "",
            listed.cpu,
            deleted.cpu,
            peak_megabytes(bench.cluster.meta_pid())?
        );
    }
    bench.long(setting("MILLION_METACHUNKS", 10_000)?).await?;
    bench.cluster.print_peaks()
}

#[derive(Clone, Copy)]
enum What {
    Put,
    Locate,
    Delete,
}

struct Bench {
    client: Client,
    cluster: Cluster,
}

/// What a series of operations took.
struct Cost {
    /// CPU seconds of all processes per 1000.
    cpu: f64,
    per_second: f64,
}

impl Bench {
    fn place(&self) -> anyhow::Result<(AccountName, ContainerName)> {
        Ok(("bench".parse()?, "million".parse()?))
    }

    fn used(&self) -> anyhow::Result<f64> {
        let pids = [std::process::id(), self.cluster.chunk_pid(), self.cluster.meta_pid()];
        pids.into_iter().map(cpu_seconds).sum()
    }

    fn cost(&self, before: (f64, Instant), operations: usize) -> anyhow::Result<Cost> {
        let operations = operations.max(1) as f64;
        Ok(Cost {
            cpu: (self.used()? - before.0) * 1000.0 / operations,
            per_second: operations / before.1.elapsed().as_secs_f64(),
        })
    }

    async fn all(
        self: Arc<Self>,
        numbers: impl Iterator<Item = usize>,
        what: What,
    ) -> anyhow::Result<Cost> {
        let before = (self.used()?, Instant::now());
        let operations = stream::iter(numbers.map(anyhow::Ok)).map_ok(|n| {
            let bench = self.clone();
            async move { tokio::spawn(bench.one(n, what)).await? }
        });
        let done = operations.try_buffer_unordered(CONCURRENCY);
        let count = done.try_fold(0, |count, ()| async move { Ok(count + 1) }).await?;
        self.cost(before, count)
    }

    async fn one(self: Arc<Self>, number: usize, what: What) -> anyhow::Result<()> {
        let (account, container) = self.place()?;
        let object: ObjectName = format!("object-{number:08}").parse()?;
        match what {
            What::Put => {
                self.client.put_object(&account, &container, &object, Bytes::new()).await?;
            }
            What::Locate => {
                self.client.locate_object(&account, &container, &object).await?;
            }
            What::Delete => {
                self.client.delete_object(&account, &container, &object).await?;
            }
        }
        Ok(())
    }

    /// An object with a long chunk table.
    async fn long(&self, metachunks: usize) -> anyhow::Result<()> {
        let (account, container) = self.place()?;
        let object: ObjectName = "long".parse()?;
        let mut content = vec![0; metachunks * BLOCK];
        blake3::Hasher::new().finalize_xof().fill(&mut content);
        let content = Bytes::from(content);
        println!("\nAn object of {metachunks} metachunks; CPU seconds and seconds:");
        let said = |what: &str, before: (f64, Instant)| -> anyhow::Result<(f64, Instant)> {
            let (cpu, seconds) = (self.used()? - before.0, before.1.elapsed().as_secs_f64());
            println!("{what:10}{cpu:10.2}{seconds:10.2}");
            Ok((self.used()?, Instant::now()))
        };
        let before = (self.used()?, Instant::now());
        let put = self.client.put_object(&account, &container, &object, content.clone());
        put.policy("SHORT".parse()?).await?;
        let before = said("PUT", before)?;
        let located = self.client.locate_object(&account, &container, &object).await?;
        ensure!(located.chunks.len() == metachunks, "{} chunks are located", located.chunks.len());
        let before = said("LOCATE", before)?;
        // Across the border of two metachunks in the middle.
        let first = content.len() / 2 - 1000;
        let range = first as u64..=first as u64 + 1999;
        let get = self.client.get_object(&account, &container, &object).range(range);
        ensure!(get.await?.bytes().await? == content[first..first + 2000], "other bytes came");
        let before = said("GET 2 KB", before)?;
        self.client.delete_object(&account, &container, &object).await?;
        said("DELETE", before)?;
        Ok(())
    }

    /// Lists all there is, which must be so many.
    async fn list(&self, expected: usize) -> anyhow::Result<Cost> {
        let (account, container) = self.place()?;
        let before = (self.used()?, Instant::now());
        let (mut marker, mut listed, mut pages) = (String::new(), 0, 0);
        loop {
            let page = self.client.list_objects(&account, &container).marker(marker);
            let page = page.limit(PAGE as u32).await?;
            listed += page.items.len();
            pages += 1;
            match page.next {
                Some((next, _)) => marker = next,
                None => break,
            }
        }
        ensure!(listed == expected, "{listed} objects are listed of {expected}");
        self.cost(before, pages)
    }
}
