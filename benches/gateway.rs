//! What storing and fetching through the Swift gateway costs, beside the same through the client
//! library alone, and beside the least that both can cost.
//!
//! `cargo bench -p cairn --bench gateway`
//!
//! A metadata node, a chunk server with nine volumes and a gateway run as processes of their own,
//! over directories of one file system. Turns of a round, one after the other, in an order that
//! alternates:
//!
//! - gateway: PUT or GET over HTTP, on as many kept connections as requests are under way;
//! - library: the same by the client library in this process, PUT with an MD5 as the gateway must;
//! - plain: PUT by the library without an MD5; what it costs less is the MD5's share;
//! - floor: what `gateway/hop.rs` and the floors of the benches `small` (below 64 KiB) and
//!   `transfer` describe, together.
//!
//! The CPU time of the process that asks the gateway is nobody's: it is left out. `above` is what
//! the gateway's process needs more than the library's, and `hop` what a server needs that does
//! nothing with HTTP bodies but receive or send them; all else is of all processes. Per 1000
//! requests below 64 KiB, otherwise per 10^9 bytes of content; medians over rounds.
//!
//! Environment: `GATEWAY_ROUNDS` (3), `GATEWAY_SCALE` (100; per cent of the requests of a turn),
//! `GATEWAY_ONLY` (rows to measure, such as `PUT 4 KiB`), `TMPDIR` (where everything is kept).
#![allow(clippy::print_stdout)]

mod chunks;
mod daemons;
#[path = "gateway/hop.rs"]
mod hop;
#[path = "transfer/floor.rs"]
mod large;
mod measure;
#[path = "small/floor.rs"]
mod small;

use anyhow::{Context, ensure};
use bytes::Bytes;
use client::{AccountName, Client, ContainerName, ObjectName};
use daemons::{Cluster, Daemon, cpu_seconds, peak_megabytes, setting};
use futures::{
    StreamExt,
    future::{BoxFuture, try_join_all},
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use hyper_util::rt::TokioIo;
use measure::median;
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};
use tokio::net::TcpStream;

const SIZES: [usize; 3] = [4 << 10, 1 << 20, 64 << 20];
const CONCURRENCY: [usize; 3] = [1, 8, 32];
const POLICY: &str = "EC42";
const WIDTH: (usize, usize) = (4, 2);
const ACCOUNT: &str = "bench";
const CONTAINER: &str = "bench";
/// From here on costs are those of bytes.
const LARGE: usize = 64 << 10;

fn main() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    let mut arguments = std::env::args_os().skip(1);
    let mode = arguments.next().unwrap_or_default();
    let mut directory = || -> anyhow::Result<PathBuf> {
        Ok(arguments.next().context("the floor's server needs a directory")?.into())
    };
    if mode == hop::SERVER_MODE {
        runtime.block_on(hop::serve())
    } else if mode == small::SERVER_MODE {
        runtime.block_on(small::serve(directory()?))
    } else if mode == large::SERVER_MODE {
        runtime.block_on(large::serve(directory()?))
    } else {
        runtime.block_on(run())
    }
}

async fn run() -> anyhow::Result<()> {
    let rounds = setting("GATEWAY_ROUNDS", 3)?;
    let scale = setting("GATEWAY_SCALE", 100)?;
    let only = std::env::var("GATEWAY_ONLY").unwrap_or_default();
    ensure!(rounds > 0 && scale > 0, "there is nothing to measure");
    let directory = tempfile::tempdir()?;
    let bench = Bench::start(directory.path()).await?;

    println!("Medians of {rounds} rounds, policy {POLICY}; CPU seconds.\n");
    println!(
        "{:15}{:>8}{:>9}{:>9} | {:>5}{:>8}{:>8}{:>7}{:>7}{:>9}{:>7}{:>7}{:>7}{:>7}{:>7}",
        "",
        "MB/s",
        "library",
        "per 1000",
        "per",
        "whole",
        "gateway",
        "chunk",
        "meta",
        "library",
        "MD5",
        "above",
        "hop",
        "floor",
        "ratio"
    );
    for size in SIZES {
        for concurrency in CONCURRENCY {
            let rows = [What::Put, What::Get].map(|what| Row { what, size, concurrency, scale });
            if rows.iter().any(|row| row.name().contains(&only)) {
                bench.clone().measure(rows, rounds, &only).await?;
            }
        }
    }
    bench.cluster.print_peaks()?;
    println!("Gateway: {:.0} MB.", peak_megabytes(bench.gateway.pid())?);
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Put,
    Get,
}

/// Who does it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Gateway,
    Library,
    Plain,
    Hop,
    Floor,
}

const EVERYBODY: [Who; 5] = [Who::Gateway, Who::Library, Who::Plain, Who::Hop, Who::Floor];

/// What is measured.
#[derive(Clone, Copy)]
struct Row {
    what: What,
    size: usize,
    concurrency: usize,
    scale: usize,
}

impl Row {
    fn name(&self) -> String {
        let what = if self.what == What::Put { "PUT" } else { "GET" };
        match self.size {
            size if size < 1 << 20 => format!("{what} {} KiB, {}", size >> 10, self.concurrency),
            size => format!("{what} {} MiB, {}", size >> 20, self.concurrency),
        }
    }

    /// Objects of a turn.
    fn objects(&self) -> usize {
        let most = match self.size {
            size if size < LARGE => 2000,
            size => (2 << 30) / size,
        };
        // One after the other takes longer.
        let count = if self.concurrency == 1 { most / 4 } else { most };
        (count * self.scale / 100).max(self.concurrency)
    }

    /// Requests of a turn: small objects are read more than once, as a turn of reads is short.
    fn requests(&self) -> usize {
        match (self.what, self.size < LARGE) {
            (What::Get, true) => self.objects() * 4,
            _ => self.objects(),
        }
    }
}

/// What one turn took: CPU seconds of this process, or of who serves HTTP, of what keeps chunks,
/// and of the metadata node.
#[derive(Clone, Copy, Default)]
struct Turn {
    seconds: f64,
    cpu: [f64; 3],
}

impl Turn {
    fn total(&self) -> f64 {
        self.cpu.iter().sum()
    }
}

struct Bench {
    cluster: Cluster,
    client: Client,
    gateway: Daemon,
    hop: Daemon,
    small: small::Floor,
    large: large::Floor,
    directory: PathBuf,
    /// Where the gateway is, and what lets in.
    address: String,
    token: String,
    content: Bytes,
}

impl Bench {
    async fn start(directory: &Path) -> anyhow::Result<Arc<Self>> {
        let cluster = Cluster::start(directory)?;
        let client = cluster.client().await?;
        let (user, key) = ("bench:bench".parse()?, "a key of this bench alone".parse()?);
        client.users().create(&user, client::Role::Admin, &key).await?;
        client
            .create_container(&ACCOUNT.parse()?, &CONTAINER.parse()?)
            .policy(POLICY.parse()?)
            .await?;
        let gateway = start_gateway(&cluster, directory)?;
        let greeting: serde_json::Value = serde_json::from_str(&gateway.greeting)?;
        let url = greeting["swift"].as_str().context("a gateway says its address")?;
        let address = url.trim_start_matches("http://").to_owned();
        let login = Request::builder()
            .uri("/auth/v1.0")
            .header("x-auth-user", "bench:bench")
            .header("x-auth-key", key.reveal());
        let answer = Connection::open(&address).await?.ask(login.body(Full::default())?).await?;
        let token = answer.headers().get("x-auth-token").context("nobody was let in")?;
        Ok(Arc::new(Self {
            token: token.to_str()?.to_owned(),
            address,
            gateway,
            client,
            cluster,
            hop: hop::start()?,
            small: small::Floor::start(&directory.join("small"))?,
            large: large::Floor::start(&directory.join("large"))?,
            directory: directory.to_owned(),
            content: large::noise(SIZES[SIZES.len() - 1]),
        }))
    }

    async fn measure(
        self: Arc<Self>,
        rows: [Row; 2],
        rounds: usize,
        only: &str,
    ) -> anyhow::Result<()> {
        let mut measured = rows.map(|_| Vec::new());
        // The first round opens connections and is not counted.
        for round in 0..=rounds {
            for (row, measured) in rows.iter().zip(&mut measured) {
                let mut turns = [Turn::default(); EVERYBODY.len()];
                for turn in 0..EVERYBODY.len() {
                    let at = if round % 2 == 0 { turn } else { EVERYBODY.len() - 1 - turn };
                    turns[at] = self.clone().turn(*row, EVERYBODY[at], round).await?;
                }
                if round > 0 {
                    measured.push(turns);
                }
            }
            // A directory of ever more files would be the later rounds' burden.
            chunks::forget(&self.directory)?;
            self.small.forget()?;
            if rows[0].size >= LARGE {
                let names: Vec<String> = (0..rows[0].objects()).map(|n| n.to_string()).collect();
                self.large.forget(&names, WIDTH.0 + WIDTH.1)?;
            }
        }
        for (row, measured) in rows.iter().zip(&measured) {
            if row.name().contains(only) {
                print_row(row, measured);
            }
        }
        Ok(())
    }

    async fn turn(self: Arc<Self>, row: Row, who: Who, round: usize) -> anyhow::Result<Turn> {
        // Reads know nothing of an MD5.
        if who == Who::Plain && row.what == What::Get {
            return Ok(Turn::default());
        }
        let (chunk, meta) = (Some(self.cluster.chunk_pid()), Some(self.cluster.meta_pid()));
        let me = Some(std::process::id());
        let processes = match who {
            Who::Gateway => [Some(self.gateway.pid()), chunk, meta],
            Who::Library | Who::Plain => [me, chunk, meta],
            Who::Hop => [Some(self.hop.pid()), None, None],
            Who::Floor if row.size < LARGE => [me, Some(self.small.pid()), None],
            Who::Floor => [me, self.large.pid(), None],
        };
        let used = || -> anyhow::Result<Vec<f64>> {
            processes.iter().map(|pid| pid.map_or(Ok(0.0), cpu_seconds)).collect()
        };
        let (before, started, next) = (used()?, Instant::now(), Arc::new(AtomicUsize::new(0)));
        let worker = |_| tokio::spawn(self.clone().work(row, who, round, next.clone()));
        for done in try_join_all((0..row.concurrency).map(worker)).await? {
            done?;
        }
        let (seconds, after) = (started.elapsed().as_secs_f64(), used()?);
        Ok(Turn { seconds, cpu: std::array::from_fn(|n| after[n] - before[n]) })
    }

    /// Does one request after the other until all of the turn are done.
    async fn work(
        self: Arc<Self>,
        row: Row,
        who: Who,
        round: usize,
        next: Arc<AtomicUsize>,
    ) -> anyhow::Result<()> {
        let mut connection = match who {
            Who::Gateway => Some(Connection::open(&self.address).await?),
            Who::Hop => Some(Connection::open(self.hop.greeting.trim()).await?),
            _ => None,
        };
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= row.requests() {
                return Ok(());
            }
            let n = n % row.objects();
            let content = self.content.slice(..row.size);
            let name = format!("{}-{}-{round}/{n:06}", row.size, row.concurrency);
            let file = (round * SIZES.len() * 100_000 + n) as u64;
            let work: BoxFuture<'_, anyhow::Result<()>> = match (who, row.what, &mut connection) {
                (Who::Library | Who::Plain, ..) => Box::pin(self.library(row, who, &name, content)),
                (Who::Floor, What::Put, _) if row.size < LARGE => {
                    Box::pin(self.small.put(file, row.size, WIDTH))
                }
                (Who::Floor, What::Get, _) if row.size < LARGE => {
                    Box::pin(self.small.get(file, row.size, WIDTH))
                }
                (Who::Floor, What::Put, _) => {
                    Box::pin(self.large.object(&n.to_string(), WIDTH.0, WIDTH.1, content).put())
                }
                (Who::Floor, What::Get, _) => {
                    Box::pin(self.large.object(&n.to_string(), WIDTH.0, WIDTH.1, content).get())
                }
                (_, _, Some(connection)) => {
                    Box::pin(self.http(row, who, &name, content, connection))
                }
                (_, _, None) => anyhow::bail!("there is no connection"),
            };
            work.await.with_context(|| row.name())?;
        }
    }

    async fn http(
        &self,
        row: Row,
        who: Who,
        name: &str,
        content: Bytes,
        connection: &mut Connection,
    ) -> anyhow::Result<()> {
        let path = match who {
            Who::Hop => format!("/{}", row.size),
            _ => format!("/v1/AUTH_{ACCOUNT}/{CONTAINER}/gateway/{name}"),
        };
        let request = Request::builder().uri(path).header("x-auth-token", &self.token);
        let (request, expected) = match row.what {
            What::Put => (request.method(Method::PUT).body(Full::new(content))?, 0),
            What::Get => (request.body(Full::default())?, row.size),
        };
        let answer = connection.ask(request).await?;
        let (status, mut body) = (answer.status(), answer.into_body());
        let mut read = 0;
        while let Some(frame) = body.frame().await.transpose()? {
            read += frame.data_ref().map_or(0, Bytes::len);
        }
        ensure!([StatusCode::OK, StatusCode::CREATED].contains(&status), "the answer is {status}");
        ensure!(read == expected, "{read} bytes came of {expected}");
        Ok(())
    }

    async fn library(&self, row: Row, who: Who, name: &str, content: Bytes) -> anyhow::Result<()> {
        let account: AccountName = ACCOUNT.parse()?;
        let container: ContainerName = CONTAINER.parse()?;
        let object: ObjectName = format!("library/{name}").parse()?;
        if row.what == What::Put {
            let put = self.client.put_object(&account, &container, &object, content);
            let stored = put.md5(who == Who::Library).await?;
            ensure!(stored.dropped == 0, "chunks were lost: {:?}", stored.failures);
            return Ok(());
        }
        let mut download = self.client.get_object(&account, &container, &object).await?;
        let mut read = 0;
        while let Some(piece) = download.next().await {
            read += piece?.len();
        }
        ensure!(read == row.size, "{read} bytes came of {}", row.size);
        Ok(())
    }
}

/// Starts a gateway that logs what it logs unless told otherwise.
fn start_gateway(cluster: &Cluster, directory: &Path) -> anyhow::Result<Daemon> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
    command.args(["gateway", "--listen", "127.0.0.1:0", "--cdn-listen", "none", "--json"]);
    command.args(["--admin-listen", "127.0.0.1:0", "--meta", &cluster.meta_address]);
    command.arg("--secret").arg(directory.join("secret"));
    Daemon::start(command.stderr(Stdio::null()))
}

/// Bytes that neither compress nor repeat.
/// A connection that is kept.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: String,
}

impl Connection {
    async fn open(address: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await?;
        tokio::spawn(connection);
        Ok(Self { sender, host: address.to_owned() })
    }

    async fn ask(
        &mut self,
        mut request: Request<Full<Bytes>>,
    ) -> anyhow::Result<Response<Incoming>> {
        request.headers_mut().insert(http::header::HOST, self.host.parse()?);
        self.sender.ready().await?;
        Ok(self.sender.send_request(request).await?)
    }
}

fn print_row(row: &Row, measured: &[[Turn; EVERYBODY.len()]]) {
    let median = |value: &dyn Fn(&[Turn; EVERYBODY.len()]) -> f64| median(measured, value);
    let requests = row.requests() as f64;
    let (thousands, gigabytes) = (requests / 1e3, requests * row.size as f64 / 1e9);
    let (unit, per) = if row.size < LARGE { ("1000", thousands) } else { ("GB", gigabytes) };
    let md5 = |turns: &[Turn; EVERYBODY.len()]| match row.what {
        What::Put => turns[1].cpu[0] - turns[2].cpu[0],
        What::Get => 0.0,
    };
    let floor = |turns: &[Turn; EVERYBODY.len()]| turns[3].total() + turns[4].total();
    println!(
        "{:15}{:8.1}{:9.1}{:9.3} | {unit:>5}{:8.3}{:8.3}{:7.3}{:7.3}{:9.3}{:7.3}{:7.3}{:7.3}{:7.3}{:7.2}",
        row.name(),
        median(&|t| gigabytes * 1e3 / t[0].seconds),
        median(&|t| gigabytes * 1e3 / t[1].seconds),
        median(&|t| t[0].total() / thousands),
        median(&|t| t[0].total() / per),
        median(&|t| t[0].cpu[0] / per),
        median(&|t| t[0].cpu[1] / per),
        median(&|t| t[0].cpu[2] / per),
        median(&|t| t[1].total() / per),
        median(&|t| md5(t) / per),
        median(&|t| (t[0].cpu[0] - t[1].cpu[0]) / per),
        median(&|t| t[3].total() / per),
        median(&|t| floor(t) / per),
        median(&|t| (t[0].total() - md5(t)) / floor(t)),
    );
}
