//! A chunk server of this machine, and its place in the directory.

use super::{meta::LOOK_EVERY, stop::Stop};
use crate::config::Volume;
use anyhow::Context;
use chunk::{ChunkServer, Config, Directory, VolumeConfig};
use disk::OsDisk;
use std::{collections::BTreeSet, path::Path, sync::Arc};
use tokio::task::JoinHandle;

/// Opens the volumes; directories that are missing or empty become volumes.
pub async fn open(
    data_dir: &Path,
    address: &str,
    volumes: &[Volume],
    reserve_bytes: Option<u64>,
) -> anyhow::Result<ChunkServer> {
    let volumes = volumes
        .iter()
        .map(|volume| {
            let path = std::path::absolute(&volume.path)
                .with_context(|| format!("{} is not a path", volume.path.display()))?;
            Ok(VolumeConfig { path, location: volume.location.clone() })
        })
        .collect::<anyhow::Result<_>>()?;
    let config = Config {
        data_dir: data_dir.to_path_buf(),
        volumes,
        address: address.to_owned(),
        cluster: None,
        reserve_bytes,
        format: true,
    };
    Ok(ChunkServer::open(config, Arc::new(OsDisk)).await?)
}

/// Keeps the volumes known to the directory, from when `ready` is until told to stop.
pub fn keep_known(
    server: &ChunkServer,
    directory: &Arc<Directory>,
    ready: impl Future<Output = ()> + Send + 'static,
    stop: &Stop,
) -> JoinHandle<Result<(), model::Error>> {
    let heartbeats = server.run_heartbeats(directory.clone(), stop.wait());
    let stopped = stop.wait();
    tokio::spawn(async move {
        tokio::select! {
            () = ready => heartbeats.await,
            () = stopped => Ok(()),
        }
    })
}

/// What ended the heartbeats, if the directory refuses every volume.
pub async fn refused(heartbeats: &mut JoinHandle<Result<(), model::Error>>) -> anyhow::Error {
    match heartbeats.await {
        Ok(Err(error)) => {
            anyhow::Error::new(error).context("the cluster takes none of these volumes")
        }
        Ok(Ok(())) => std::future::pending().await,
        Err(error) => anyhow::Error::new(error).context("the heartbeats ended"),
    }
}

/// Returns once the heartbeats have ended.
pub async fn forget(heartbeats: JoinHandle<Result<(), model::Error>>) {
    // One that ended before is not to be asked again.
    if !heartbeats.is_finished() {
        let _ = heartbeats.await;
    }
}

/// Returns once the directory knows every volume at this address.
pub async fn wait_until_known(server: &ChunkServer, directory: &Directory, address: &str) {
    let ours: BTreeSet<String> =
        server.volumes().all().iter().map(|v| v.identity().identity).collect();
    loop {
        if let Ok(map) = directory.map().await {
            let here = |v: &&model::Volume| {
                v.address == address
                    && v.liveness == model::Liveness::Up
                    && ours.contains(&v.identity)
            };
            if map.volumes.iter().filter(here).count() == ours.len() {
                return;
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
