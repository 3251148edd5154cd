//! `cairn meta`: a metadata node.

use super::{
    data_dir::DataDir,
    listen,
    process::{self, Process},
    stop::Stop,
    welcome::Ready,
};
use crate::{config::Meta, failure::usage, output::Output};
use anyhow::Context;
use disk::OsDisk;
use meta::{FjallStores, Node, Seams, Services};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::mpsc::UnboundedReceiver;
use transport::{App, Connect, Gate, Health, Keys, Secret, TcpConnector};

/// How often it is looked whether a daemon can serve by now.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Builds the node, serves it until it is told to end, and ends it in order.
pub async fn run(config: Meta, output: Output) -> anyhow::Result<()> {
    let data = DataDir::open(&config.data)?;
    let keys = Secret::read(&config.secret)?.keys();
    let (listener, address) = listen::bind(&config.address, "--listen").await?;
    let peers = peers(config.peers, &address)?;
    let metrics = process::record_metrics()?;

    let connector: Arc<dyn Connect> = Arc::new(TcpConnector);
    let settings = config.metadata.config(data.path().to_path_buf(), address.clone(), peers);
    let seams = seams(connector, settings.cache_bytes);
    let (node, failures) = Node::open(settings, seams, keys.clone()).await?;

    let routes = Services::routes(node.clone());
    let app = App::new(gate(&keys), routes, None, health(&node), Some(metrics));
    let stop = Stop::new();
    let mut process = Process::start(listener, app, stop.clone())?;
    let work = tokio::spawn({
        let (node, stopped) = (node.clone(), stop.wait());
        async move { node.run(stopped).await }
    });

    let start = async {
        node.found().await?;
        wait_until_ready(node.clone()).await;
        let ready = Ready::new("meta", address, data.path().to_path_buf());
        ready.say(output).context("standard output is gone")
    };
    let outcome = tokio::select! {
        outcome = process.run(start, std::future::pending()) => outcome,
        error = fatal(failures) => return Err(error),
    };
    process
        .end(async {
            let _ = work.await;
            node.close().await;
        })
        .await;
    outcome
}

/// The peers, this node among them.
fn peers(peers: Vec<String>, address: &str) -> anyhow::Result<Vec<String>> {
    if peers.is_empty() {
        return Ok(vec![address.to_owned()]);
    }
    if let Some(twice) = (1..peers.len()).find(|n| peers[..*n].contains(&peers[*n])) {
        return Err(usage!("the peer {} is given twice", peers[twice]));
    }
    if !peers.iter().any(|peer| peer == address) {
        return Err(usage!(
            "this node is reached at {address}, which is not among its peers {}; say its address \
             as the peers know it with --advertise",
            peers.join(",")
        ));
    }
    Ok(peers)
}

/// The world as a metadata node of this machine sees it.
pub fn seams(connector: Arc<dyn Connect>, cache_bytes: u64) -> Seams {
    let micros =
        || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64);
    Seams {
        disk: Arc::new(OsDisk),
        connector,
        clock: Arc::new(micros),
        random: Arc::new(|buffer: &mut [u8]| rand::fill(buffer)),
        stores: Arc::new(FjallStores { cache_bytes }),
    }
}

/// What tells daemons and users apart on this machine.
pub fn gate(keys: &Keys) -> Gate {
    let seconds = || SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    Gate::new(keys, Arc::new(seconds))
}

/// Whether the node can do its work.
pub fn health(node: &Node) -> Health {
    let node = node.clone();
    Arc::new(move || node.ready())
}

/// Returns once the node can do its work.
pub async fn wait_until_ready(node: Node) {
    while node.ready().is_err() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// What ended the node, if anything does. Then the process must end at once, and not in order:
/// what it would still say or write could not be trusted.
pub async fn fatal(mut failures: UnboundedReceiver<meta::Error>) -> anyhow::Error {
    let Some(error) = failures.recv().await else { return std::future::pending().await };
    let error = anyhow::Error::new(error);
    tracing::error!(error = format!("{error:#}"), "the metadata node has failed");
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_one_of_its_peers() {
        let given = vec!["a:1".to_owned(), "b:1".to_owned()];
        assert_eq!(peers(given.clone(), "b:1").unwrap(), given);
        assert_eq!(peers(Vec::new(), "b:1").unwrap(), ["b:1"]);
        let twice = vec!["a:1".to_owned(), "a:1".to_owned()];
        assert!(peers(twice, "a:1").unwrap_err().to_string().contains("twice"));
        assert!(peers(given, "127.0.0.1:1").unwrap_err().to_string().contains("--advertise"));
    }
}
