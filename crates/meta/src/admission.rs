//! How a node that starts comes to take part: its peers are asked first whether they remember
//! more of it than its data directory does.
//!
//! Until then its consensus neither sends nor is sent to, so that it can give no vote twice and
//! acknowledge nothing on top of entries it has forgotten. It asks all members, or all its peers
//! while it knows of none, and goes on when all have answered, or after [`GRACE`] with as many as
//! it needs for a quorum anyway: a cluster that lost its power as a whole starts like any other,
//! and one node that is lost does not hold up the others. Then it tells all of them that it takes
//! part; each judges it again, and remembers it before it counts anything that it says. A refusal
//! that comes late ends it late. What was only asked for leaves no trace: an older copy that one
//! peer does not refuse must not stand in the way of the newest.
//!
//! A node that is of no cluster remembers nothing. Its answer counts only beside all the others:
//! then the cluster is being founded.

use crate::{
    Error,
    identity::Identity,
    node::{Inner, Node},
    standing::{seen_from, seen_to},
};
use parking_lot::Mutex;
use proto::v1;
use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::{task::JoinSet, time::Instant};

/// How long a node that has answers enough waits for the rest of its peers: longer than they take
/// to write an answer down on a busy disk.
const GRACE: Duration = Duration::from_secs(5);

/// How long one peer may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long between two attempts to ask a peer.
const PAUSE: Duration = Duration::from_millis(200);

/// How often a node that cannot go on says why.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// What a peer says: whether it is of the cluster and would know what speaks against this node,
/// or what does.
type Answer = Result<bool, Refusal>;

/// What speaks against a node.
enum Refusal {
    /// More is remembered of it than its data directory knows.
    Older(String),
    /// It is no member.
    Stranger(String),
}

/// Why peers have not answered, by address.
type Silent = Arc<Mutex<BTreeMap<String, String>>>;

impl Node {
    /// The members of the directory: ids and addresses.
    pub(crate) fn members(&self) -> BTreeMap<u64, String> {
        let membership = self.directory().metrics().membership_config;
        membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect()
    }

    /// Whether this node has no peers that could remember anything.
    pub(crate) fn is_alone(&self) -> bool {
        self.members().into_keys().eq([self.0.id.0])
    }

    /// Lets consensus speak, after this is written down.
    pub(crate) fn take_part(&self) -> Result<(), Error> {
        if self.0.standing.admitted() {
            return Ok(());
        }
        self.record(Identity::set_admitted)?;
        self.0.standing.set_admitted();
        for partition in self.0.partitions.values() {
            partition.raft().runtime_config().elect(!self.0.standing.stands_aside());
        }
        Ok(())
    }

    /// Whom to ask: ids, 0 where only the address is known, and addresses.
    fn witnesses(&self) -> Vec<(u64, String)> {
        let members = self.members();
        if members.is_empty() {
            let others = self.0.config.peers.iter().filter(|a| **a != self.0.config.address);
            return others.map(|address| (0, address.clone())).collect();
        }
        members.into_iter().filter(|(id, _)| *id != self.0.id.0).collect()
    }

    /// Asks the other nodes to be let in, and returns once enough of them have agreed.
    ///
    /// # Errors
    /// One of them remembers more of this node than its data directory does, or is of a cluster
    /// of which this node is no member.
    pub(crate) async fn ask_to_take_part(&self) -> Result<(), Error> {
        if self.0.standing.admitted() {
            return Ok(());
        }
        let witnesses = self.witnesses();
        // With this node they are a majority.
        let needed = witnesses.len().div_ceil(2);
        let (mut asking, silent) = self.ask_all(&witnesses, false);
        let (started, mut told) = (Instant::now(), Instant::now());
        let mut knowing = 0;
        while !asking.is_empty() {
            if knowing >= needed && started.elapsed() >= GRACE {
                tracing::warn!(
                    agreed = knowing,
                    silent = ?silent.lock(),
                    "this node takes part though not every member has said that it may; the \
                     others are asked on"
                );
                break;
            }
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                tracing::warn!(
                    agreed = knowing,
                    needed,
                    silent = ?silent.lock(),
                    "waiting for other metadata nodes to admit this one"
                );
            }
            match tokio::time::timeout(PAUSE, asking.join_next()).await {
                Ok(Some(Ok(Ok(knows)))) => knowing += usize::from(knows),
                Ok(Some(Ok(Err(refusal)))) => return Err(self.refused(refusal)),
                Ok(Some(Err(_)) | None) | Err(_) => {}
            }
        }
        self.take_part()?;
        let (mut telling, _) = self.ask_all(&witnesses, true);
        // Those that work know at once, and count what this node says first.
        match tokio::time::timeout(PATIENCE, heed(&mut telling)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(refusal)) => return Err(self.refused(refusal)),
            Err(_) => {}
        }
        let node = Arc::downgrade(&self.0);
        tokio::spawn(async move {
            if let Err(refusal) = heed(&mut telling).await
                && let Some(inner) = node.upgrade()
            {
                let node = Node(inner);
                let _ = node.0.fatal.send(node.refused(refusal));
            }
        });
        Ok(())
    }

    /// Asks peers until each has answered.
    fn ask_all(&self, peers: &[(u64, String)], takes_part: bool) -> (JoinSet<Answer>, Silent) {
        let silent = Silent::default();
        let mut asking = JoinSet::new();
        for (id, address) in peers.iter().cloned() {
            let node = Arc::downgrade(&self.0);
            asking.spawn(ask_until_answered(node, id, address, takes_part, silent.clone()));
        }
        (asking, silent)
    }

    /// What follows from a refusal.
    fn refused(&self, refusal: Refusal) -> Error {
        let path = self.0.config.data_dir.clone();
        match refusal {
            Refusal::Older(why) => {
                let mut first = String::new();
                // For all later starts.
                let written = self.record(|identity| {
                    first.clone_from(identity.quarantined.get_or_insert(why));
                });
                if let Err(error) = written {
                    tracing::error!(%error, "the quarantine is not written down");
                }
                Error::Quarantined { path, why: first }
            }
            Refusal::Stranger(why) => Error::Identity { path, why },
        }
    }
}

/// Asks one peer until it answers.
async fn ask_until_answered(
    node: Weak<Inner>,
    id: u64,
    address: String,
    takes_part: bool,
    silent: Silent,
) -> Answer {
    loop {
        let Some(inner) = node.upgrade() else { return Ok(false) };
        match ask(&Node(inner), id, &address, takes_part).await {
            Ok(answer) => {
                silent.lock().remove(&address);
                return answer;
            }
            Err(why) => drop(silent.lock().insert(address.clone(), why)),
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks a peer once; the error says why there is no answer.
async fn ask(node: &Node, id: u64, address: &str, takes_part: bool) -> Result<Answer, String> {
    let (record, cluster) = {
        let identity = node.0.identity.lock();
        (identity.boot.clone(), identity.cluster)
    };
    let record = record.ok_or("this node has not begun a boot")?;
    let mut request = tonic::Request::new(v1::AdmitRequest {
        id: node.0.id.0,
        cluster: cluster.map(|c| c.0.to_vec()).unwrap_or_default(),
        boot: Some(record.boot.into()),
        previous: record.previous.map(v1::Boot::from),
        found: record.found,
        seen: node.0.standing.seen().into_iter().map(seen_to).collect(),
        target: id,
        takes_part,
    });
    request.set_timeout(PATIENCE);
    let mut peer = node.0.peers.get(address).map_err(|e| e.message)?;
    let answer = peer.admit(request).await.map_err(|s| s.message().to_owned())?.into_inner();
    if !answer.refused.is_empty() {
        return Ok(Err(Refusal::Older(format!("{address} says: {}", answer.refused))));
    }
    if !answer.members.is_empty() && !answer.members.contains(&node.0.id.0) {
        return Ok(Err(Refusal::Stranger(format!(
            "it is that of a new node, {}, and {address} belongs to a cluster already of which \
             that is no member; a node whose data was lost or emptied cannot come back in its old \
             place, because what it had acknowledged is gone: put its data back, or leave it off; \
             the cluster goes on with the others",
            node.0.id
        ))));
    }
    node.0.standing.learn(answer.seen.iter().filter_map(seen_from));
    Ok(Ok(!answer.members.is_empty()))
}

/// Waits for all answers, or for a refusal, which decides however late it comes.
async fn heed(telling: &mut JoinSet<Answer>) -> Result<(), Refusal> {
    while let Some(answer) = telling.join_next().await {
        if let Ok(answer) = answer {
            answer?;
        }
    }
    Ok(())
}
