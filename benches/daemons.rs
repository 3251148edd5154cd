//! The store's daemons as processes, and what processes have used.

use anyhow::{Context, ensure};
use client::{AccessKey, Client};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};
use transport::Secret;

const VOLUMES: usize = 9;

/// A policy whose metachunks are a single block, beside those that exist from the start.
const CONFIG: &str = r#"
[[policy]]
name = "SHORT"
method = "plain/nb_copy=1"
chunk_blocks = 1
"#;

/// A process that ends with this.
pub struct Daemon {
    child: Child,
    /// What it said first.
    pub greeting: String,
}

impl Daemon {
    /// Starts a program and waits until it says a line.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().context("its output is piped")?;
        let mut daemon = Self { child, greeting: String::new() };
        BufReader::new(output).read_line(&mut daemon.greeting)?;
        ensure!(!daemon.greeting.is_empty(), "{command:?} ended");
        Ok(daemon)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended already needs no signal.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A metadata node and a chunk server with enough volumes.
pub struct Cluster {
    chunk: Daemon,
    meta: Daemon,
    pub meta_address: String,
    key: AccessKey,
}

impl Cluster {
    pub fn start(directory: &Path) -> anyhow::Result<Self> {
        let secret = Secret::new(blake3::hash(directory.as_os_str().as_encoded_bytes()).into());
        let secret_file = directory.join("secret");
        secret.write(&secret_file)?;
        let config = directory.join("cairn.toml");
        std::fs::write(&config, CONFIG)?;
        let daemon = |role: &str| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_cairn"));
            command.args([role, "--listen", "127.0.0.1:0", "--json", "--log", "error"]);
            command.arg("--config").arg(&config).arg("--secret").arg(&secret_file);
            command.arg("--data").arg(directory.join(role));
            command
        };
        let meta = Daemon::start(&mut daemon("meta"))?;
        let meta_address = address(&meta)?;
        let mut command = daemon("chunk");
        command.args(["--meta", &meta_address]);
        for volume in volumes(directory) {
            command.arg("--volume").arg(volume);
        }
        let chunk = Daemon::start(&mut command)?;
        Ok(Self { chunk, meta, meta_address, key: secret.access_key() })
    }

    pub async fn client(&self) -> anyhow::Result<Client> {
        let builder = Client::builder().seed(&self.meta_address).access_key(self.key.clone());
        Ok(builder.connect().await?)
    }

    pub fn chunk_pid(&self) -> u32 {
        self.chunk.pid()
    }

    pub fn meta_pid(&self) -> u32 {
        self.meta.pid()
    }

    /// Says what memory the daemons have had at most.
    pub fn print_peaks(&self) -> anyhow::Result<()> {
        println!(
            "\nPeaks of resident memory: metadata node {:.0} MB, chunk server {:.0} MB.",
            peak_megabytes(self.meta_pid())?,
            peak_megabytes(self.chunk_pid())?
        );
        Ok(())
    }
}

/// The volumes of a cluster in a directory.
pub fn volumes(directory: &Path) -> impl Iterator<Item = PathBuf> {
    (0..VOLUMES).map(|volume| directory.join(format!("volume-{volume}")))
}

fn address(daemon: &Daemon) -> anyhow::Result<String> {
    let greeting: serde_json::Value = serde_json::from_str(&daemon.greeting)?;
    Ok(greeting["address"].as_str().context("a daemon says its address")?.to_owned())
}

/// The most memory a process has had resident so far, in MB of 10^6 bytes.
pub fn peak_megabytes(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kibibytes: f64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .context("a status has a peak")?
        .trim()
        .parse()?;
    Ok(kibibytes * 1024.0 / 1e6)
}

/// CPU seconds of a process so far, in steps of 10 ms.
pub fn cpu_seconds(pid: u32) -> anyhow::Result<f64> {
    /// What Linux shows times in, whatever it counts them in.
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in parentheses may hold anything; the fields behind it are numbered from 3.
    let (_, fields) = stat.rsplit_once(')').context("a stat line has a name")?;
    let ticks: Vec<f64> = fields.split_whitespace().map(|f| f.parse().unwrap_or(0.0)).collect();
    let (user, system) = (ticks.get(11), ticks.get(12));
    let (Some(user), Some(system)) = (user, system) else { anyhow::bail!("a short stat line") };
    Ok((user + system) / TICKS_PER_SECOND)
}

/// What the environment says of a number, such as of rounds.
pub fn setting(name: &str, otherwise: usize) -> anyhow::Result<usize> {
    match std::env::var(name) {
        Ok(text) => text.parse().with_context(|| format!("{name} is not a number: {text:?}")),
        Err(_) => Ok(otherwise),
    }
}
