//! Volumes in the cluster map.

use super::{
    Context,
    cluster::{self, check_address},
};
use crate::{
    Answer, Failure, RegisterVolume,
    kv::{self, volume, volume::VolumeRecord},
};
use model::{Administrative, Error, ErrorKind, Liveness, Subject, VolumeId};

/// The longest identity, in bytes.
const MAX_IDENTITY_BYTES: usize = 128;

/// Gives a new volume its number, or notes where a known one is now.
pub(super) fn register(cx: &mut Context, command: &RegisterVolume) -> Result<Answer, Failure> {
    check_address(&command.address)?;
    if !(1..=MAX_IDENTITY_BYTES).contains(&command.identity.len()) {
        return Err(Error::invalid("the identity of a volume has 1 to 128 bytes").into());
    }
    let key = volume::identity_key(&command.identity);
    match kv::get::<volume::Number>(&cx.txn, key.as_bytes())? {
        Some(number) => register_again(cx, number.0, command),
        None => register_new(cx, command),
    }
}

fn register_new(cx: &mut Context, command: &RegisterVolume) -> Result<Answer, Failure> {
    let mut cluster = cluster::existing(cx)?;
    let id = VolumeId(cluster.next_volume);
    cluster.next_volume += 1;
    let record = VolumeRecord {
        id,
        identity: command.identity.clone(),
        address: command.address.clone(),
        location: command.location.clone(),
        capacity: command.capacity,
        free: command.free,
        liveness: Liveness::Up,
        administrative: Administrative::In,
    };
    kv::put(&mut cx.txn, volume::identity_key(&command.identity), &volume::Number(id))?;
    kv::put(&mut cx.txn, volume::key(id), &record)?;
    cluster::save_changed(cx, cluster)?;
    Ok(Answer::Volume { id })
}

fn register_again(
    cx: &mut Context,
    id: VolumeId,
    command: &RegisterVolume,
) -> Result<Answer, Failure> {
    let record = existing(cx, id)?;
    let elsewhere = record.address != command.address && record.liveness == Liveness::Up;
    if elsewhere && !command.take_over {
        let (identity, address) = (&record.identity, &record.address);
        let message = format!(
            "volume {id} with identity {identity} is up at {address}: two volumes must not have \
             the same identity"
        );
        return Err(Error::new(ErrorKind::Conflict, Subject::Volume, message).into());
    }
    change(cx, id, |record| {
        record.address.clone_from(&command.address);
        record.location.clone_from(&command.location);
        record.capacity = command.capacity;
        record.free = command.free;
        record.liveness = Liveness::Up;
    })?;
    Ok(Answer::Volume { id })
}

/// Changes a volume; the map's epoch grows if that changes anything.
pub(super) fn change(
    cx: &mut Context,
    id: VolumeId,
    edit: impl FnOnce(&mut VolumeRecord),
) -> Result<Answer, Failure> {
    let before = existing(cx, id)?;
    let mut record = before.clone();
    edit(&mut record);
    if record != before {
        kv::put(&mut cx.txn, volume::key(id), &record)?;
        let cluster = cluster::existing(cx)?;
        cluster::save_changed(cx, cluster)?;
    }
    Ok(Answer::Done)
}

fn existing(cx: &Context, id: VolumeId) -> Result<VolumeRecord, Failure> {
    let missing = || Error::not_found(Subject::Volume, format!("there is no volume {id}"));
    Ok(kv::get(&cx.txn, volume::key(id).as_bytes())?.ok_or_else(missing)?)
}
