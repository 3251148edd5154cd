//! `cairn server`: every role in one process, over one data directory.

use super::{
    data_dir::DataDir,
    gateway::Front,
    listen, meta, operator,
    process::{self, Process},
    stop::Stop,
    volumes,
    welcome::Ready,
};
use crate::{config::Server, credentials, output::Output};
use ::meta::{Node, Services};
use anyhow::Context;
use chunk::{ChunkServer, Directory};
use client::Client;
use model::{Administrative, ClusterMap};
use std::{path::PathBuf, sync::Arc, time::Duration};
use transport::{App, Connect, Health, HttpPool, LocalConnector, TcpConnector};

/// How long the start waits for every volume before it goes on with those there are.
const VOLUMES_WAIT: Duration = Duration::from_secs(30);

/// Builds all roles, serves them until told to end, and ends them in order.
pub async fn run(config: Server, output: Output) -> anyhow::Result<()> {
    let data = DataDir::open(&config.data)?;
    let created = !data.path().join("meta").exists();
    if created {
        output.note(&format!("creating a store in {} ...", data.path().display()));
    }
    let keys = data.secret()?.keys();
    let key = keys.daemon.clone();
    let (listener, address) = listen::bind(&config.address, "--listen").await?;
    let swift = match &config.swift {
        Some(address) => {
            let cdn = config.cdn.as_ref();
            Some(Front::bind(address, "--swift-listen", cdn, &config.gateway).await?)
        }
        None => None,
    };
    let metrics = process::record_metrics()?;

    // What this process says to itself goes through pipes, whatever address it is told.
    let connector = Arc::new(LocalConnector::new(Arc::new(TcpConnector)));
    let shared: Arc<dyn Connect> = connector.clone();
    let addresses = vec![address.clone()];
    let settings =
        config.metadata.config(data.path().join("meta"), address.clone(), addresses.clone());
    let seams = meta::seams(shared.clone(), settings.cache_bytes);
    let (node, failures) = Node::open(settings, seams, keys.clone()).await?;
    let server = volumes::open(data.path(), &address, &config.volumes, config.reserve).await?;

    let pool = HttpPool::new(shared.clone(), &key);
    let routes = Services::routes(node.clone()).add_service(server.grpc_service(pool));
    let handler = Arc::new(server.http_handler(keys.capabilities.clone()));
    let app =
        App::new(meta::gate(&keys), routes, Some(handler), health(&node, &server), Some(metrics));
    connector.add(address.clone(), app.clone());
    let stop = Stop::new();
    let mut process = Process::start(listener, app, stop.clone())?;
    let work = tokio::spawn({
        let (node, stopped) = (node.clone(), stop.wait());
        async move { node.run(stopped).await }
    });
    let directory = Arc::new(Directory::new(shared.clone(), key.clone(), addresses.clone()));
    let client = Client::builder().seeds(addresses.clone()).access_key(key).connector(shared);
    let client = client.build()?;
    let url = swift.as_ref().map(|front| front.url.clone());
    let cdn_url = swift.as_ref().and_then(|front| front.cdn_url.clone());
    let ready = meta::wait_until_ready(node.clone());
    let mut heartbeats = volumes::keep_known(&server, &directory, ready, &stop);

    let fronts = parking_lot::Mutex::new(None);
    let start = async {
        node.found().await?;
        meta::wait_until_ready(node.clone()).await;
        let known = volumes::wait_until_known(&server, &directory, &address);
        if tokio::time::timeout(VOLUMES_WAIT, known).await.is_err() {
            tracing::warn!("not every volume is registered: the store serves without it");
        }
        let file = data.path().join(credentials::FILE);
        let has_file = operator::settle(&client, &addresses, &file).await?;
        let serving = swift.map(|f| f.start(config.gateway, client.clone(), &keys, &stop));
        *fronts.lock() = serving;
        let mut ready = Ready::new("server", address.clone(), data.path().to_path_buf());
        ready.credentials = has_file.then_some(file);
        ready.volumes = paths(&server);
        if let Ok(map) = directory.map().await {
            if let Some(why) = too_wide(&map) {
                tracing::warn!("{why}");
            }
            ready.default_policy = Some(map.default_policy.to_string());
        }
        ready.created = Some(created);
        ready.swift = url;
        ready.cdn = cdn_url;
        ready.say(output).context("standard output is gone")
    };
    let outcome = tokio::select! {
        outcome = process.run(start, volumes::refused(&mut heartbeats)) => outcome,
        error = meta::fatal(failures) => return Err(error),
    };
    let serving = fronts.lock().take();
    process
        .end(async {
            if let Some(serving) = serving {
                let _ = serving.await;
            }
            volumes::forget(heartbeats).await;
            let _ = work.await;
            server.close().await;
            node.close().await;
        })
        .await;
    outcome
}

/// Why objects are not kept as the default policy says.
fn too_wide(map: &ClusterMap) -> Option<String> {
    let policy = map.policy(&map.default_policy).ok()?;
    let exist = map.volumes.iter().filter(|v| v.administrative != Administrative::Out).count();
    let (name, width) = (&policy.name, policy.method.width());
    (width > exist).then(|| {
        format!(
            "the default policy {name} needs {width} volumes, and there are {exist}: add volumes, \
             or make another the default with `cairn policy set`"
        )
    })
}

fn paths(server: &ChunkServer) -> Vec<PathBuf> {
    server.volumes().all().iter().map(|v| v.path().to_path_buf()).collect()
}

/// Both roles must be able to do their work.
fn health(node: &Node, server: &ChunkServer) -> Health {
    let (node, server) = (node.clone(), server.clone());
    Arc::new(move || node.ready().and_then(|()| server.health()))
}
