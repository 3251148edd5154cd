//! What storing and fetching large objects costs, beside the least that the same work can cost.
//!
//! `cargo bench -p cairn --bench transfer`
//!
//! A metadata node and a chunk server with nine volumes run as processes of their own, over
//! directories of one file system; the client is this process. The floor does what nobody can
//! leave out and nothing else: see `floor`. Both take turns within each round, the first of a
//! round alternates, and ratios are medians over the rounds of the ratio within a round: rates
//! drift with the machine. CPU time is that of all processes, per 10^9 bytes of content.
//!
//! The rows `MD5` are PUTs that compute the MD5 too, beside PUTs that do not.
//!
//! Environment: `TRANSFER_MIB` (256; the object of a single stream, several have twice as much
//! together), `TRANSFER_ROUNDS` (3), `TRANSFER_ONLY` (rows to measure, such as `GET EC63`),
//! `TMPDIR` (where chunks are kept).
#![allow(clippy::print_stdout)]

mod chunks;
mod daemons;
#[path = "transfer/floor.rs"]
mod floor;
mod measure;

use anyhow::{Context, ensure};
use bytes::Bytes;
use client::{AccountName, Client, ContainerName, ObjectName};
use daemons::{Cluster, cpu_seconds, setting};
use floor::{Floor, noise};
use futures::{StreamExt, future::try_join_all};
use measure::median;
use std::{path::PathBuf, time::Instant};

const POLICIES: [(&str, usize, usize); 2] = [("EC42", 4, 2), ("EC63", 6, 3)];
const STREAMS: [usize; 3] = [1, 8, 32];
/// Objects are whole stripes of both policies.
const WHOLE_STRIPES: usize = 12 * floor::BLOCK;

/// What is done with objects.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Put,
    Get,
    /// A PUT with its MD5.
    Md5,
}

impl Operation {
    const ALL: [Self; 3] = [Self::Put, Self::Get, Self::Md5];
}

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
    let rounds: usize = setting("TRANSFER_ROUNDS", 3)?;
    let mib: usize = setting("TRANSFER_MIB", 256)?;
    let only = std::env::var("TRANSFER_ONLY").unwrap_or_default();
    ensure!(rounds > 0 && mib >= 4, "there is nothing to measure");
    let content = noise(mib << 20);
    let directory = tempfile::tempdir()?;
    let cluster = Cluster::start(directory.path())?;
    let floor = Floor::start(&directory.path().join("floor"))?;
    let bench = Bench {
        client: cluster.client().await?,
        cluster,
        floor,
        directory: directory.path().into(),
    };

    println!("Medians of {rounds} rounds; MB and GB are powers of ten of content.\n");
    println!(
        "{:22}{:>7}{:>7}{:>7} | {:>7}{:>8}{:>7}{:>7}{:>7}{:>8}{:>8}{:>7}",
        "",
        "MB/s",
        "floor",
        "ratio",
        "CPU s/GB",
        "client",
        "chunk",
        "meta",
        "floor",
        "sender",
        "server",
        "ratio"
    );
    for (policy, data, parity) in POLICIES {
        for streams in STREAMS {
            let row = Row { policy, data, parity, streams };
            let mut wanted = Operation::ALL.to_vec();
            wanted.retain(|operation| row.name(*operation).contains(&only));
            if !wanted.is_empty() {
                bench.row(&row, &content, rounds, &wanted).await?;
            }
        }
    }
    bench.cluster.print_peaks()
}

/// Bytes that neither compress nor repeat.
/// What is measured: a policy and a number of streams.
struct Row {
    policy: &'static str,
    data: usize,
    parity: usize,
    streams: usize,
}

impl Row {
    fn name(&self, operation: Operation) -> String {
        let operation = match operation {
            Operation::Put => "PUT",
            Operation::Get => "GET",
            Operation::Md5 => "MD5",
        };
        format!("{operation} {} {}", self.policy, self.streams)
    }

    /// The contents of this row's objects: different parts of one.
    fn contents(&self, content: &Bytes) -> Vec<Bytes> {
        let bytes = content.len().min(content.len() * 2 / self.streams);
        let bytes = (bytes / WHOLE_STRIPES).max(1) * WHOLE_STRIPES;
        let most = content.len().saturating_sub(bytes);
        let start = |n: usize| most * n / self.streams;
        (0..self.streams).map(|n| content.slice(start(n)..start(n) + bytes)).collect()
    }
}

struct Bench {
    client: Client,
    cluster: Cluster,
    floor: Floor,
    directory: PathBuf,
}

/// What one turn took.
#[derive(Clone, Copy)]
struct Turn {
    megabytes_per_second: f64,
    /// Seconds per GB: of this process, of the server of bytes, of the metadata node.
    cpu: [f64; 3],
}

impl Turn {
    fn total(&self) -> f64 {
        self.cpu.iter().sum()
    }
}

impl Bench {
    async fn row(
        &self,
        row: &Row,
        content: &Bytes,
        rounds: usize,
        wanted: &[Operation],
    ) -> anyhow::Result<()> {
        let contents = row.contents(content);
        let mut turns: [Vec<[Turn; 2]>; 3] = Default::default();
        for round in 0..=rounds {
            let name = |n: usize| format!("{}-{}-{round}-{n}", row.policy, row.streams);
            let names: Vec<String> = (0..row.streams).map(name).collect();
            for (operation, turns) in Operation::ALL.into_iter().zip(&mut turns) {
                // What is fetched must have been stored.
                if operation != Operation::Put && !wanted.contains(&operation) {
                    continue;
                }
                let [mut ours, mut floors] = [None, None];
                for turn in 0..2 {
                    if (turn + round) % 2 == 0 {
                        ours = Some(self.ours(row, operation, &names, &contents).await?);
                    } else {
                        floors = Some(match operation {
                            Operation::Md5 => {
                                self.ours(row, Operation::Put, &names, &contents).await?
                            }
                            _ => self.floor(row, operation, &names, &contents).await?,
                        });
                    }
                }
                // The first round opens connections and files, and is not counted.
                if let (Some(ours), Some(floors), true) = (ours, floors, round > 0) {
                    turns.push([ours, floors]);
                }
            }
            if round == 0 {
                self.verify(&names, &contents).await?;
            }
            // Both write to memory that the system has used before: fresh pages cost more.
            chunks::forget(&self.directory)?;
            self.floor.forget(&names, row.data + row.parity)?;
        }
        for (operation, turns) in Operation::ALL.into_iter().zip(&turns) {
            if wanted.contains(&operation) {
                print_row(&row.name(operation), turns);
            }
        }
        Ok(())
    }

    /// Stores or fetches all objects at once through the client.
    async fn ours(
        &self,
        row: &Row,
        operation: Operation,
        names: &[String],
        contents: &[Bytes],
    ) -> anyhow::Result<Turn> {
        let servers = [Some(self.cluster.chunk_pid()), Some(self.cluster.meta_pid())];
        measure(contents, servers, async {
            let objects = names.iter().zip(contents);
            if operation == Operation::Get {
                let get = |(name, content): (&String, &Bytes)| self.get(name, content.len());
                try_join_all(objects.map(get).map(task)).await?;
            } else {
                let md5 = operation == Operation::Md5;
                let put =
                    |(name, content): (&String, &Bytes)| self.put(row, name, content.clone(), md5);
                try_join_all(objects.map(put).map(task)).await?;
            }
            Ok(())
        })
        .await
    }

    async fn floor(
        &self,
        row: &Row,
        operation: Operation,
        names: &[String],
        contents: &[Bytes],
    ) -> anyhow::Result<Turn> {
        let pid = self.floor.pid();
        measure(contents, [pid, None], async {
            let stream = |(name, content): (&String, &Bytes)| {
                let object = self.floor.object(name, row.data, row.parity, content.clone());
                async move {
                    match operation {
                        Operation::Get => object.get().await,
                        _ => object.put().await,
                    }
                }
            };
            try_join_all(names.iter().zip(contents).map(stream).map(task)).await?;
            Ok(())
        })
        .await
    }

    fn put(
        &self,
        row: &Row,
        name: &str,
        content: Bytes,
        md5: bool,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let (client, name, policy) = (self.client.clone(), name.to_owned(), row.policy);
        async move {
            let (account, container, object) = place(&name)?;
            let put = client.put_object(&account, &container, &object, content);
            let stored = put.policy(policy.parse()?).md5(md5).await?;
            ensure!(stored.dropped == 0, "chunks were lost: {:?}", stored.failures);
            Ok(())
        }
    }

    fn get(
        &self,
        name: &str,
        bytes: usize,
    ) -> impl Future<Output = anyhow::Result<()>> + Send + use<> {
        let (client, name) = (self.client.clone(), name.to_owned());
        async move {
            let (account, container, object) = place(&name)?;
            let mut download = client.get_object(&account, &container, &object).await?;
            let mut read = 0;
            while let Some(piece) = download.next().await {
                read += piece?.len();
            }
            ensure!(read == bytes, "{read} bytes came of {bytes}");
            Ok(())
        }
    }

    async fn verify(&self, names: &[String], contents: &[Bytes]) -> anyhow::Result<()> {
        for (name, content) in names.iter().zip(contents) {
            let (account, container, object) = place(name)?;
            let fetched = self.client.get_object(&account, &container, &object).await?;
            ensure!(fetched.bytes().await? == content, "{name} is not what was stored");
        }
        Ok(())
    }
}

fn place(name: &str) -> anyhow::Result<(AccountName, ContainerName, ObjectName)> {
    Ok(("bench".parse()?, "transfer".parse()?, name.parse()?))
}

async fn task(
    work: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) -> anyhow::Result<()> {
    tokio::spawn(work).await?
}

/// Runs a turn; counts this process and the servers.
async fn measure(
    contents: &[Bytes],
    servers: [Option<u32>; 2],
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<Turn> {
    let processes = [Some(std::process::id()), servers[0], servers[1]];
    let used = || -> anyhow::Result<Vec<f64>> {
        processes.iter().map(|pid| pid.map_or(Ok(0.0), cpu_seconds)).collect()
    };
    let (before, started) = (used()?, Instant::now());
    work.await?;
    let (seconds, after) = (started.elapsed().as_secs_f64(), used()?);
    let bytes = contents.iter().map(Bytes::len).sum::<usize>() as f64;
    let cpu = |n: usize| (after[n] - before[n]) / (bytes / 1e9);
    Ok(Turn { megabytes_per_second: bytes / 1e6 / seconds, cpu: [cpu(0), cpu(1), cpu(2)] })
}

fn print_row(name: &str, turns: &[[Turn; 2]]) {
    let median = |value: &dyn Fn(&[Turn; 2]) -> f64| median(turns, value);
    let rate = |which: usize| median(&|t| t[which].megabytes_per_second);
    let total = |which: usize| median(&|t| t[which].total());
    let part = |which: usize, process: usize| median(&|t| t[which].cpu[process]);
    println!(
        "{name:22}{:7.0}{:7.0}{:7.2} | {:8.2}{:8.2}{:7.2}{:7.2}{:7.2}{:8.2}{:8.2}{:7.2}",
        rate(0),
        rate(1),
        median(&|t| t[0].megabytes_per_second / t[1].megabytes_per_second),
        total(0),
        part(0, 0),
        part(0, 1),
        part(0, 2),
        total(1),
        part(1, 0),
        part(1, 1),
        median(&|t| t[0].total() / t[1].total()),
    );
}
