//! `cairn volume`.

use super::{rebuild, session};
use crate::{
    arguments::{VolumeAction, VolumeCommand},
    failure::Exit,
    output::{Output, Table, size},
};
use client::Client;
use model::{Administrative, ClusterMap, ErrorKind, Liveness, Subject, Volume, VolumeId};
use serde::Serialize;

pub async fn run(command: VolumeCommand, output: Output) -> anyhow::Result<Exit> {
    let client = session::open(&command.access, output).await?;
    match command.action {
        VolumeAction::List => {
            let volumes = client.cluster().volumes().await?;
            output.list(&volumes, table)?;
        }
        VolumeAction::Show { volume } => {
            let map = client.cluster().map().await?;
            output.show(known(&map, VolumeId(volume))?, text)?;
        }
        VolumeAction::Lock { volumes } => {
            for volume in checked(&client, volumes).await? {
                client.cluster().lock_volume(volume).await?;
                let done = Changed { volume, administrative: Administrative::Locked };
                output.show(&done, |d| format!("volume {} takes no new chunks", d.volume))?;
            }
        }
        VolumeAction::Unlock { volumes } => {
            for volume in checked(&client, volumes).await? {
                client.cluster().unlock_volume(volume).await?;
                let done = Changed { volume, administrative: Administrative::In };
                output.show(&done, |d| format!("volume {} takes new chunks", d.volume))?;
            }
        }
        VolumeAction::Rebuild { volume, force, no_wait } => {
            let map = client.cluster().map().await?;
            let volume = known(&map, VolumeId(volume))?;
            let out = volume.administrative == Administrative::Out;
            return rebuild::run(&client, volume.id, out, force, no_wait, output).await;
        }
    }
    Ok(Exit::Ok)
}

/// What is wanted of a volume from now on.
#[derive(Serialize)]
struct Changed {
    volume: VolumeId,
    administrative: Administrative,
}

/// Volumes that exist, all of them, before any is changed.
async fn checked(client: &Client, volumes: Vec<u32>) -> anyhow::Result<Vec<VolumeId>> {
    let map = client.cluster().map().await?;
    volumes.into_iter().map(|volume| Ok(known(&map, VolumeId(volume))?.id)).collect()
}

fn known(map: &ClusterMap, id: VolumeId) -> anyhow::Result<&Volume> {
    map.volume(id).ok_or_else(|| {
        let why = format!("there is no volume {id}; `cairn volume list` shows those there are");
        anyhow::Error::new(model::Error::new(ErrorKind::NotFound, Subject::Volume, why))
    })
}

/// `up` or `down`, and what the operator wants of it.
pub fn state(volume: &Volume) -> String {
    let liveness = match volume.liveness {
        Liveness::Up => "up",
        Liveness::Down => "down",
    };
    format!("{liveness}, {}", wanted(volume))
}

fn wanted(volume: &Volume) -> &'static str {
    match volume.administrative {
        Administrative::In => "in",
        Administrative::Locked => "locked",
        Administrative::Draining => "draining",
        Administrative::Out => "out",
    }
}

/// What it has for new chunks: nothing that is known while it is down.
fn score(volume: &Volume) -> String {
    match volume.liveness {
        Liveness::Up => volume.score.to_string(),
        Liveness::Down => "-".to_owned(),
    }
}

fn table(volumes: &[Volume]) -> String {
    let mut table =
        Table::new(&[">VOLUME", "STATE", ">SCORE", ">FREE", ">CAPACITY", "LOCATION", "ADDRESS"]);
    for volume in volumes {
        table.row([
            volume.id.to_string(),
            state(volume),
            score(volume),
            size::human(volume.free),
            size::human(volume.capacity),
            volume.location.to_string(),
            volume.address.clone(),
        ]);
    }
    table.render()
}

fn text(volume: &Volume) -> String {
    format!(
        "volume    {}\nstate     {}\nscore     {}\nfree      {} ({})\ncapacity  {} ({})\n\
         location  {}\naddress   {}\nidentity  {}\n",
        volume.id,
        state(volume),
        score(volume),
        volume.free,
        size::human(volume.free),
        volume.capacity,
        size::human(volume.capacity),
        volume.location,
        volume.address,
        volume.identity,
    )
}
