//! `cairn volume rebuild`.

use crate::{
    failure::Exit,
    output::{Output, size},
};
use client::{Client, RepairStatus, ReplicaStatus, SearchStatus};
use model::{Administrative, VolumeId};
use serde::Serialize;
use std::time::{Duration, Instant};

/// How often the cluster is asked.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// How often a line says how far it is.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// How long a rebuild may stand still, nothing at work, before the command gives up.
const STANDSTILL: Duration = Duration::from_secs(60);

/// An estimate needs this much of a past.
const ESTIMATE_AFTER: Duration = Duration::from_secs(10);

/// How far it is.
#[derive(Debug, Clone, Serialize)]
struct View {
    volume: VolumeId,
    /// Whether every chunk that was found on the volume, and everything else that waited for
    /// repair, is made anew.
    done: bool,
    /// Thousandths of the metadata that were searched.
    searched: u32,
    /// Chunks found on the volume.
    found: u64,
    /// Metachunks that wait for repair.
    waiting: u64,
    active: u64,
    repaired: u64,
    repaired_bytes: u64,
    bytes_per_second: u64,
    failed: u64,
    /// Metachunks that wait for another volume: those there are have a chunk of theirs.
    without_target: u64,
    /// Metachunks of which too few chunks are left.
    unreadable: u64,
    paused: Option<String>,
    trouble: Option<String>,
    /// Seconds it will take at the pace so far; nothing while that cannot be known.
    estimate: Option<u64>,
}

pub async fn run(
    client: &Client,
    volume: VolumeId,
    out: bool,
    force: bool,
    no_wait: bool,
    output: Output,
) -> anyhow::Result<Exit> {
    if !out {
        client.cluster().rebuild_volume(volume, force).await?;
    }
    let started = Instant::now();
    let (mut first, mut last_line, mut moved) = (None, None::<Instant>, Instant::now());
    let mut before = (0, 0);
    loop {
        // A leader that just changed, or a node that is down, answers again later.
        let mut view = match look(client, volume).await {
            Ok(view) => view,
            Err(error) if started.elapsed() < STANDSTILL || !no_wait => {
                output.note(&format!("the cluster does not answer now: {error}"));
                View::new(volume)
            }
            Err(error) => return Err(error.into()),
        };
        let first = *first.get_or_insert(view.repaired);
        view.estimate = estimate(&view, first, started.elapsed());
        if no_wait || view.done {
            output.show(&view, text)?;
            return Ok(Exit::Ok);
        }
        let now = (u64::from(view.searched), view.repaired);
        if now != before || view.active > 0 {
            (before, moved) = (now, Instant::now());
        }
        if view.is_stuck() || moved.elapsed() > STANDSTILL {
            output.show(&view, text)?;
            return Ok(Exit::Failure);
        }
        if last_line.is_none_or(|at| at.elapsed() >= LINE_EVERY) {
            last_line = Some(Instant::now());
            output.note(&line(&view));
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
}

impl View {
    /// Whether nothing that is left can be done.
    fn is_stuck(&self) -> bool {
        let stuck = self.without_target + self.unreadable;
        self.searched == 1000 && self.active == 0 && self.waiting > 0 && stuck >= self.waiting
    }

    /// Of a rebuild of which nothing is known.
    fn new(volume: VolumeId) -> Self {
        Self {
            volume,
            done: false,
            searched: 0,
            found: 0,
            waiting: 0,
            active: 0,
            repaired: 0,
            repaired_bytes: 0,
            bytes_per_second: 0,
            failed: 0,
            without_target: 0,
            unreadable: 0,
            paused: None,
            trouble: None,
            estimate: None,
        }
    }
}

async fn look(client: &Client, volume: VolumeId) -> Result<View, client::Error> {
    let map = client.cluster().map().await?;
    let reports = client.cluster().status().await?;
    let replicas = reports.iter().filter_map(|r| r.status.as_ref().ok()).flat_map(|s| &s.replicas);
    let leads = |r: &&ReplicaStatus| r.state == "leader";
    let leaders: Vec<_> = replicas.filter(leads).collect();
    let mut view = View::new(volume);
    let (mut searched, mut done) = (0, true);
    for partition in &map.partitions {
        let of = leaders.iter().filter(|r| r.partition == partition.id);
        let Some(replica) = of.max_by_key(|r| r.term) else {
            done = false;
            continue;
        };
        let search = replica.searches.iter().find(|s| s.volume == volume);
        match search {
            Some(SearchStatus { done: found, permille, chunks, .. }) => {
                done &= found;
                searched += permille;
                view.found += chunks;
            }
            None => done = false,
        }
        view.waiting += replica.repairs_queued;
        let repairs = replica.repairs.clone().unwrap_or_default();
        let RepairStatus { repaired, failed, bytes, bytes_per_second, active, .. } = repairs;
        view.repaired += repaired;
        view.failed += failed;
        view.without_target += repairs.without_target;
        view.unreadable += repairs.unreadable;
        view.repaired_bytes += bytes;
        view.bytes_per_second += bytes_per_second;
        view.active += active;
        view.paused = view.paused.or(repairs.paused);
        view.trouble = view.trouble.or(repairs.trouble);
    }
    view.searched = searched / map.partitions.len().max(1) as u32;
    let still_out = map.volume(volume).is_some_and(|v| v.administrative == Administrative::Out);
    view.done = done && view.waiting == 0 && still_out;
    Ok(view)
}

/// What is left, at the pace so far. Before all is found, or before anything was done for a
/// while, there is none that would be honest.
fn estimate(view: &View, first: u64, elapsed: Duration) -> Option<u64> {
    let repaired = view.repaired.checked_sub(first).filter(|n| *n > 0)?;
    if view.searched < 1000 || elapsed < ESTIMATE_AFTER || view.paused.is_some() {
        return None;
    }
    let can = view.waiting.checked_sub(view.without_target + view.unreadable)?;
    let seconds = elapsed.as_secs_f64() * can as f64 / repaired as f64;
    Some(seconds.ceil() as u64)
}

fn line(view: &View) -> String {
    if let Some(paused) = &view.paused {
        return paused.clone();
    }
    let mut line = match view.searched {
        1000 => format!("{} chunks found", view.found),
        permille => format!("searching, {} % done: {} chunks found", permille / 10, view.found),
    };
    line.push_str(&format!(
        "; {} made anew ({}, {}/s), {} metachunks wait",
        view.repaired,
        size::human(view.repaired_bytes),
        size::human(view.bytes_per_second),
        view.waiting
    ));
    if let Some(seconds) = view.estimate {
        line.push_str(&format!("; about {} left", crate::output::time::span(seconds)));
    }
    line
}

fn text(view: &View) -> String {
    if view.done {
        return format!(
            "volume {} is rebuilt: {} chunks were on it, every one is on another volume\n",
            view.volume, view.found
        );
    }
    let mut text = format!("volume {} is out; {}\n", view.volume, line(view));
    if view.without_target > 0 {
        text.push_str(&format!(
            "{} of them wait for another volume: every one that takes chunks has one of theirs \
             already. Add a volume, and the rebuild goes on by itself.\n",
            view.without_target
        ));
    }
    if view.unreadable > 0 {
        text.push_str(&format!(
            "{} of them cannot be made anew: too few of their chunks are left. Bring back a \
             volume that is down (`cairn volume list`), or the objects they are of are lost.\n",
            view.unreadable
        ));
    }
    if let Some(trouble) = &view.trouble {
        text.push_str(&format!("the last failure: {trouble}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_made_of_what_was_done_or_not_at_all() {
        let view = View { searched: 1000, repaired: 30, waiting: 40, ..View::new(VolumeId(1)) };
        assert_eq!(estimate(&view, 10, Duration::from_secs(20)), Some(40));
        assert_eq!(estimate(&view, 30, Duration::from_secs(20)), None, "nothing was done");
        assert_eq!(estimate(&view, 10, Duration::from_secs(2)), None, "too early");
        let searching = View { searched: 999, ..view.clone() };
        assert_eq!(estimate(&searching, 10, Duration::from_secs(20)), None);
        let paused = View { paused: Some("why".into()), ..view };
        assert_eq!(estimate(&paused, 10, Duration::from_secs(20)), None);
    }
}
