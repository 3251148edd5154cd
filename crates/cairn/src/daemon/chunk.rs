//! `cairn chunk`: a chunk server.

use super::{
    data_dir::DataDir,
    listen,
    process::{self, Process},
    stop::Stop,
    volumes,
    welcome::Ready,
};
use crate::{config::Chunk, output::Output};
use anyhow::Context;
use chunk::{ChunkServer, Directory};
use std::sync::Arc;
use transport::{App, Health, HttpPool, Secret, TcpConnector};

/// Builds the server, serves it until it is told to end, and ends it in order.
pub async fn run(config: Chunk, output: Output) -> anyhow::Result<()> {
    let data = DataDir::open(&config.data)?;
    let keys = Secret::read(&config.secret)?.keys();
    let (listener, address) = listen::bind(&config.address, "--listen").await?;
    let metrics = process::record_metrics()?;

    let server = volumes::open(data.path(), &address, &config.volumes, config.reserve).await?;
    let directory = Directory::new(Arc::new(TcpConnector), keys.daemon.clone(), config.meta);
    let directory = Arc::new(directory);

    let pool = HttpPool::new(Arc::new(TcpConnector), &keys.daemon);
    let routes = tonic::service::Routes::new(server.grpc_service(pool));
    let handler = Arc::new(server.http_handler(keys.capabilities));
    let app = App::new(keys.daemon, routes, Some(handler), health(&server), Some(metrics));
    let stop = Stop::new();
    let mut process = Process::start(listener, app, stop.clone())?;
    let mut heartbeats = volumes::keep_known(&server, &directory, std::future::ready(()), &stop);

    let start = async {
        volumes::wait_until_known(&server, &directory, &address).await;
        let mut ready = Ready::new("chunk", address.clone(), data.path().to_path_buf());
        ready.volumes = server.volumes().all().iter().map(|v| v.path().to_path_buf()).collect();
        ready.say(output).context("standard output is gone")
    };
    let outcome = process.run(start, volumes::refused(&mut heartbeats)).await;
    process
        .end(async {
            volumes::forget(heartbeats).await;
            server.close().await;
        })
        .await;
    outcome
}

fn health(server: &ChunkServer) -> Health {
    let server = server.clone();
    Arc::new(move || server.health())
}
