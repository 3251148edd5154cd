//! `cairn cluster`.

use super::session;
use crate::{
    arguments::{ClusterAction, ClusterCommand},
    failure::Exit,
    output::{Output, Table, size},
};
use client::{Client, NodeReport, ReplicaStatus};
use model::{Administrative, ClusterMap, Liveness, PartitionId};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How often a cluster that is waited for is asked.
const ASK_EVERY: Duration = Duration::from_millis(250);

/// A cluster as a whole.
#[derive(Debug, Serialize)]
struct Status {
    cluster: String,
    /// Every node answers, every partition has a leader, every volume that is not out is up.
    healthy: bool,
    /// What is wrong, for people.
    problems: Vec<String>,
    epoch: u64,
    default_policy: String,
    nodes: Vec<NodeView>,
    partitions: Vec<PartitionView>,
    volumes: Volumes,
    /// Bytes of all volumes that are not out.
    capacity: u64,
    free: u64,
    deletions_queued: u64,
    repairs_queued: u64,
    repairs: Repairs,
}

/// What the partitions' leaders repaired since they lead.
#[derive(Debug, Default, Serialize)]
struct Repairs {
    repaired: u64,
    failed: u64,
    bytes: u64,
    bytes_per_second: u64,
    /// Metachunks at work.
    active: u64,
    /// Metachunks that wait for another try, or for a volume.
    postponed: u64,
    /// Metachunks that wait for another volume: those there are have a chunk of theirs.
    without_target: u64,
    /// Metachunks of which too few chunks are left.
    unreadable: u64,
    /// Partitions that still search for chunks on lost volumes.
    searching: usize,
}

#[derive(Debug, Serialize)]
struct NodeView {
    /// As text: it may be more than what JSON's readers take for a number.
    id: String,
    address: String,
    /// Null if it does not answer.
    version: Option<String>,
    /// Partitions it leads.
    leads: usize,
    error: Option<String>,
}

#[derive(Debug, Serialize)]
struct PartitionView {
    /// 0 is the directory.
    id: PartitionId,
    leader: Option<String>,
    replicas: usize,
    term: u64,
    applied: u64,
}

#[derive(Debug, Default, Serialize)]
struct Volumes {
    up: usize,
    down: usize,
    locked: usize,
    draining: usize,
    out: usize,
}

pub async fn run(command: ClusterCommand, output: Output) -> anyhow::Result<Exit> {
    let ClusterAction::Status { check, wait } = command.action;
    let client = match wait {
        Some(_) => session::open_unreached(&command.access)?,
        None => session::open(&command.access, output).await?,
    };
    let patience = wait.map(|w| w.0).unwrap_or_default();
    let started = Instant::now();
    let status = loop {
        let status = ask(&client).await;
        let healthy = status.as_ref().is_ok_and(|s| s.healthy);
        let denied = status.as_ref().is_err_and(|e| !matches!(e, client::Error::Unavailable(_)));
        if healthy || denied || started.elapsed() >= patience {
            break status?;
        }
        tokio::time::sleep(ASK_EVERY).await;
    };
    output.show(&status, Status::text)?;
    let must_be_healthy = check || wait.is_some();
    Ok(if must_be_healthy && !status.healthy { Exit::Failure } else { Exit::Ok })
}

async fn ask(client: &Client) -> Result<Status, client::Error> {
    let map = client.cluster().map().await?;
    Ok(Status::new(&map, client.cluster().status().await?))
}

impl Status {
    fn new(map: &ClusterMap, reports: Vec<NodeReport>) -> Self {
        let partitions = partitions(map, &reports);
        let mut problems = Vec::new();
        let nodes: Vec<_> = reports.iter().map(|report| node(report, &partitions)).collect();
        problems.extend(nodes.iter().filter_map(|node| node.error.clone()));
        let leaderless = |p: &&PartitionView| p.leader.is_none();
        problems.extend(
            partitions.iter().filter(leaderless).map(|p| format!("{} has no leader", name(p.id))),
        );
        let mut volumes = Volumes::default();
        let (mut capacity, mut free) = (0u64, 0u64);
        for volume in &map.volumes {
            match volume.administrative {
                Administrative::Out => {
                    volumes.out += 1;
                    continue;
                }
                Administrative::Locked => volumes.locked += 1,
                Administrative::Draining => volumes.draining += 1,
                Administrative::In => {}
            }
            capacity = capacity.saturating_add(volume.capacity);
            free = free.saturating_add(volume.free);
            match volume.liveness {
                Liveness::Up => {
                    volumes.up += 1;
                    if volume.score == 0 && volume.administrative == Administrative::In {
                        let (id, location) = (volume.id, &volume.location);
                        problems
                            .push(format!("volume {id} ({location}) is full: it takes nothing"));
                    }
                }
                Liveness::Down => {
                    volumes.down += 1;
                    let (id, location) = (volume.id, &volume.location);
                    problems.push(format!("volume {id} ({location}) is down"));
                }
            }
        }
        if volumes.up + volumes.down == 0 {
            problems.push("there are no volumes".to_owned());
        }
        let queued = |count: fn(&ReplicaStatus) -> u64| leading(&reports).map(count).sum();
        let repairs: u64 = queued(|r| r.repairs_queued);
        if repairs > 0 {
            problems.push(format!("{repairs} metachunks have lost chunks and wait for repair"));
        }
        let done = Repairs::of(&reports);
        if done.without_target > 0 {
            let count = done.without_target;
            problems.push(format!(
                "{count} of them wait for another volume: every one that takes chunks has one of \
                 theirs already"
            ));
        }
        if done.unreadable > 0 {
            let count = done.unreadable;
            problems.push(format!(
                "{count} of them have too few chunks left: unless a volume that is down comes back, \
                 their objects are lost"
            ));
        }
        if done.searching > 0 {
            let partitions = done.searching;
            problems
                .push(format!("{partitions} partitions search for chunks that wait for repair"));
        }
        let paused = leading(&reports).find_map(|r| r.repairs.as_ref()?.paused.clone());
        problems.extend(paused);
        Self {
            cluster: map.cluster.to_string(),
            healthy: problems.is_empty(),
            problems,
            epoch: map.epoch,
            default_policy: map.default_policy.to_string(),
            nodes,
            partitions,
            volumes,
            capacity,
            free,
            deletions_queued: queued(|r| r.deletions_queued),
            repairs_queued: repairs,
            repairs: done,
        }
    }

    fn text(&self) -> String {
        let Volumes { up, down, locked, draining, out } = self.volumes;
        let mut text = format!(
            "cluster     {}\nhealth      {}\npolicy      {}\nvolumes     {up} up, {down} down\
             {}{}{}\nspace       {} free of {} ({})\nqueues      {} deletions, {} repairs\nrepaired    {}\n",
            self.cluster,
            if self.healthy { "healthy" } else { "DEGRADED" },
            self.default_policy,
            also(locked, "locked"),
            also(draining, "draining"),
            also(out, "out"),
            size::human(self.free),
            size::human(self.capacity),
            size::percent(self.free, self.capacity),
            self.deletions_queued,
            self.repairs_queued,
            self.repairs.text(),
        );
        let with_leader = self.partitions.iter().filter(|p| p.leader.is_some()).count();
        text.push_str(&format!(
            "partitions  {with_leader} of {} have a leader\n",
            self.partitions.len()
        ));
        for problem in &self.problems {
            text.push_str(&format!("problem     {problem}\n"));
        }
        text.push('\n');
        let mut table = Table::new(&["NODE", "ADDRESS", "VERSION", ">LEADS"]);
        for node in &self.nodes {
            let version = node.version.clone().unwrap_or_else(|| "no answer".to_owned());
            let leads = node.leads.to_string();
            table.row([node.id.clone(), node.address.clone(), version, leads]);
        }
        text.push_str(&table.render());
        text
    }
}

impl Repairs {
    fn of(reports: &[NodeReport]) -> Self {
        let mut all = Self::default();
        for replica in leading(reports) {
            let searching = replica.searches.iter().any(|search| !search.done);
            all.searching += usize::from(searching);
            let Some(repairs) = &replica.repairs else { continue };
            all.repaired += repairs.repaired;
            all.failed += repairs.failed;
            all.bytes += repairs.bytes;
            all.bytes_per_second += repairs.bytes_per_second;
            all.active += repairs.active;
            all.postponed += repairs.postponed;
            all.without_target += repairs.without_target;
            all.unreadable += repairs.unreadable;
        }
        all
    }

    fn text(&self) -> String {
        format!(
            "{} chunks ({}, {}/s), {} failures; {} at work, {} postponed",
            self.repaired,
            size::human(self.bytes),
            size::human(self.bytes_per_second),
            self.failed,
            self.active,
            self.postponed,
        )
    }
}

fn also(count: usize, what: &str) -> String {
    if count == 0 { String::new() } else { format!(", {count} {what}") }
}

fn name(partition: PartitionId) -> String {
    match partition {
        PartitionId::DIRECTORY => "the directory".to_owned(),
        PartitionId(number) => format!("partition {number}"),
    }
}

/// The replicas that lead their partitions.
fn leading(reports: &[NodeReport]) -> impl Iterator<Item = &ReplicaStatus> {
    let answered = reports.iter().filter_map(|r| r.status.as_ref().ok());
    answered.flat_map(|s| &s.replicas).filter(|r| r.state == "leader")
}

/// Every partition and who leads it, by the word of the leader with the latest term.
fn partitions(map: &ClusterMap, reports: &[NodeReport]) -> Vec<PartitionView> {
    let mut views: BTreeMap<PartitionId, PartitionView> = BTreeMap::new();
    let members = |id| {
        let known = map.partitions.iter().find(|p| p.id == id);
        known.map_or(map.nodes.len(), |p| p.members.len())
    };
    let ids = [PartitionId::DIRECTORY].into_iter().chain(map.partitions.iter().map(|p| p.id));
    for id in ids {
        let replicas = members(id);
        views.insert(id, PartitionView { id, leader: None, replicas, term: 0, applied: 0 });
    }
    for report in reports {
        let Ok(status) = &report.status else { continue };
        for replica in status.replicas.iter().filter(|r| r.state == "leader") {
            let Some(view) = views.get_mut(&replica.partition) else { continue };
            if view.leader.is_none() || replica.term > view.term {
                view.leader = Some(status.id.to_string());
                view.term = replica.term;
                view.applied = replica.applied;
            }
        }
    }
    views.into_values().collect()
}

fn node(report: &NodeReport, partitions: &[PartitionView]) -> NodeView {
    let id = report.node.id.to_string();
    NodeView {
        address: report.node.address.clone(),
        version: report.status.as_ref().ok().map(|s| s.version.clone()),
        leads: partitions.iter().filter(|p| p.leader.as_ref() == Some(&id)).count(),
        error: report.status.as_ref().err().map(ToString::to_string),
        id,
    }
}
