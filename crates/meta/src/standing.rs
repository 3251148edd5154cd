//! A node's standing among its peers: whether it may take part, and what it remembers of them.

use crate::{
    clocks::{Clocks, Off},
    node::Clock,
    witness::{Boot, Claim, Seen, Witness},
};
use bytes::Bytes;
use model::PartitionId;
use parking_lot::Mutex;
use proto::v1;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::Instant;
use wal::Wal;

/// The register of the shared log, of the directory's group, that holds what is remembered.
const SLOT: u8 = 1;

/// Shared by all that speaks to peers.
pub struct Standing {
    id: u64,
    boot: Boot,
    wal: Wal,
    /// Whether consensus may send and be sent to.
    admitted: AtomicBool,
    witness: Mutex<Witness>,
    /// Held while it is written down: what is written later must be newer.
    writing: tokio::sync::Mutex<()>,
    /// Whether something was heard that is not written down.
    news: AtomicBool,
    clock: Clock,
    clocks: Mutex<Clocks>,
    /// Whether others may lead in place of this node, whose clock is off.
    aside: AtomicBool,
}

impl Standing {
    /// That of node `id` in one of its boots, with what its log remembers of the others.
    ///
    /// # Errors
    /// What it remembers cannot be read.
    pub fn new(id: u64, boot: Boot, wal: Wal, clock: Clock) -> Result<Self, String> {
        let witness = match wal.get(PartitionId::DIRECTORY.0, SLOT) {
            Some(bytes) => postcard::from_bytes(&bytes)
                .map_err(|e| format!("what is remembered of the peers is unreadable ({e})"))?,
            None => Witness::default(),
        };
        Ok(Self {
            id,
            boot,
            wal,
            admitted: AtomicBool::new(false),
            witness: Mutex::new(witness),
            writing: tokio::sync::Mutex::default(),
            news: AtomicBool::new(false),
            clock,
            clocks: Mutex::default(),
            aside: AtomicBool::new(false),
        })
    }

    /// Whether this node may take part.
    pub fn admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire)
    }

    /// It may from now on.
    pub fn set_admitted(&self) {
        self.admitted.store(true, Ordering::Release);
    }

    /// What every message to a peer says of this node. Asked for after what the message
    /// acknowledges is synced.
    pub fn sender(&self) -> v1::Sender {
        v1::Sender {
            node: self.id,
            boot: Some(self.boot.into()),
            synced: self.wal.synced(),
            clock: (self.clock)(),
        }
    }

    /// Whether this node's clock is too far from its peers'.
    pub fn clock_off(&self) -> Option<Off> {
        self.clocks.lock().judge((self.clock)(), Instant::now())
    }

    /// Refuses what goes by the clock while that is off.
    pub fn check_clock(&self) -> Result<(), model::Error> {
        let Some(off) = self.clock_off() else { return Ok(()) };
        Err(model::Error::unavailable(format!(
            "metadata node {} gives no times: {off}; set the clocks of all nodes right",
            self.id
        )))
    }

    /// Whether this node leaves it to others to lead.
    pub fn stands_aside(&self) -> bool {
        self.aside.load(Ordering::Acquire)
    }

    /// Looks at the clock: whether this node begins (`true`) or ceases to stand aside. It does so
    /// only where the others can tell whose clock is right.
    pub fn look_at_clock(&self) -> Option<bool> {
        let off = self.clock_off();
        let aside = off.is_some_and(|off| off.clocks > 2);
        if self.aside.swap(aside, Ordering::AcqRel) == aside {
            return None;
        }
        match off {
            Some(off) => tracing::error!(%off, "this node does not lead until its clock is right"),
            None => tracing::info!("this node's clock is as its peers' again"),
        }
        Some(aside)
    }

    /// Notes what a message says of the peer that sent it.
    ///
    /// # Errors
    /// This node has not admitted the peer's boot; what the message says must not count.
    pub fn heard(&self, sender: Option<&v1::Sender>) -> Result<(), model::Error> {
        let known = sender.and_then(|sender| {
            let boot = sender.boot.map(Boot::from)?;
            self.witness.lock().heard(sender.node, boot, sender.synced)
        });
        let Some(news) = known else {
            return Err(model::Error::unavailable(format!(
                "node {} has not admitted the other node's last start yet",
                self.id
            )));
        };
        if news {
            self.news.store(true, Ordering::Relaxed);
        }
        if let Some(sender) = sender {
            self.clocks.lock().heard(sender.node, sender.clock, Instant::now());
        }
        Ok(())
    }

    /// Judges a peer's claim, and leaves no trace of it: the peer may be refused by others.
    ///
    /// # Errors
    /// Why it must not take part.
    pub fn judge(&self, claim: &Claim) -> Result<(), String> {
        self.witness.lock().clone().admit(claim)
    }

    /// Admits a peer that others have let take part, if nothing speaks against it here: else the
    /// inner error says why. It is remembered durably before anything counts that it says.
    pub async fn admit(&self, claim: &Claim) -> Result<Result<(), String>, wal::Error> {
        let _one_at_a_time = self.writing.lock().await;
        let now = self.witness.lock().clone();
        let mut then = now.clone();
        if let Err(why) = then.admit(claim) {
            return Ok(Err(why));
        }
        if then != now {
            self.wal.put(PartitionId::DIRECTORY.0, SLOT, encode(&then)).await?;
        }
        // Of its last boot more may have been heard meanwhile: then that is written down again.
        let judged = self.witness.lock().admit(claim);
        self.news.fetch_or(judged.is_err(), Ordering::Relaxed);
        Ok(judged)
    }

    /// Takes over what a peer remembers of others.
    pub fn learn(&self, seen: impl IntoIterator<Item = (u64, Seen)>) {
        let own = self.id;
        self.witness.lock().learn(seen.into_iter().filter(|(node, _)| *node != own));
        self.news.store(true, Ordering::Relaxed);
    }

    /// What is remembered of the others.
    pub fn seen(&self) -> Vec<(u64, Seen)> {
        self.witness.lock().all().collect()
    }

    /// Has what was heard since the last time written down with the next sync.
    pub async fn write_down(&self) -> Result<(), wal::Error> {
        if self.news.swap(false, Ordering::Relaxed) {
            let _one_at_a_time = self.writing.lock().await;
            let encoded = encode(&self.witness.lock());
            self.wal.put_later(PartitionId::DIRECTORY.0, SLOT, encoded).await?;
        }
        Ok(())
    }
}

fn encode(witness: &Witness) -> Bytes {
    // A map of integers: nothing in it can fail to be encoded.
    postcard::to_stdvec(witness).unwrap_or_default().into()
}

impl From<Boot> for v1::Boot {
    fn from(boot: Boot) -> Self {
        Self { number: boot.number, nonce: boot.nonce }
    }
}

impl From<v1::Boot> for Boot {
    fn from(message: v1::Boot) -> Self {
        Self { number: message.number, nonce: message.nonce }
    }
}

/// What is remembered of a node, for a peer.
pub fn seen_to((node, seen): (u64, Seen)) -> v1::Seen {
    v1::Seen { node, boot: Some(seen.boot.into()), synced: seen.synced, found: seen.found }
}

/// What a peer remembers of a node; `None` if the message does not say.
pub fn seen_from(message: &v1::Seen) -> Option<(u64, Seen)> {
    let boot = message.boot?.into();
    Some((message.node, Seen { boot, found: message.found, synced: message.synced }))
}
