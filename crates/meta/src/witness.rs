//! What nodes remember of each other, so that one whose data directory was put back to an older
//! state cannot pass for one that has forgotten nothing.
//!
//! Every start after which a node may act is a *boot*: a number that grows, and a random nonce,
//! both written down by the node before it asks its peers to let it take part. They remember the
//! newest boot of each node, durably, and up to which sequence of its log the node has said
//! everything to be synced. A directory that is older than what a peer remembers has another
//! boot in its place, or a log that ends too early; both mean that votes or entries that the
//! node had acknowledged are forgotten.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A start of a node after which it may act.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// One more for each that was admitted.
    pub number: u64,
    /// Another for each process: tells apart those that have the same number, because the first
    /// was not admitted, or because one of them was started from a copy.
    pub nonce: u64,
}

/// What a node says of itself when it asks to take part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Its id.
    pub node: u64,
    /// The boot it begins.
    pub boot: Boot,
    /// The last one before that was admitted.
    pub previous: Option<Boot>,
    /// The sequence up to which its log was found when the boot was begun.
    pub found: u64,
}

/// What is remembered of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Its newest boot.
    pub boot: Boot,
    /// The sequence up to which its log was found when that boot was begun.
    pub found: u64,
    /// Up to which sequence it has said its log to be synced.
    pub synced: u64,
}

/// The memory of one node, of all others.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness(BTreeMap<u64, Seen>);

impl Witness {
    /// Judges a claim, and remembers it if nothing speaks against it.
    ///
    /// # Errors
    /// What does, in words.
    pub fn admit(&mut self, claim: &Claim) -> Result<(), String> {
        let Claim { node, boot, previous, found } = *claim;
        let Some(seen) = self.0.get(&node) else {
            self.0.insert(node, Seen { boot, found, synced: found });
            return Ok(());
        };
        let known = seen.boot;
        // The same process goes on, and asks again because an answer was lost.
        if known == boot {
            return Ok(());
        }
        // Boots that are skipped were admitted without this node.
        if !previous.is_some_and(|p| p == known || p.number > known.number) {
            return Err(format!(
                "boot {} of node {node} was seen here, and its data directory knows nothing of \
                 it: the directory is an older copy",
                known.number
            ));
        }
        if found < seen.synced {
            return Err(format!(
                "node {node} had synced its log up to sequence {}, and it ends at {found} now: \
                 the data directory is an older copy, or the end of its log is lost",
                seen.synced
            ));
        }
        self.0.insert(node, Seen { boot, found, synced: found });
        Ok(())
    }

    /// A node said up to where its log is synced; whether that was news. `None` if it speaks for
    /// a boot that is not the one known here: then nothing it says may count, because what it
    /// acknowledges would not be remembered, and it may be an older copy of itself.
    pub fn heard(&mut self, node: u64, boot: Boot, synced: u64) -> Option<bool> {
        let seen = self.0.get_mut(&node).filter(|seen| seen.boot == boot)?;
        let news = seen.synced < synced;
        seen.synced = seen.synced.max(synced);
        Some(news)
    }

    /// Takes over what another node remembers, where it would have been remembered here as well:
    /// a newer boot whose log may lack what was heard here has to be judged here.
    pub fn learn(&mut self, others: impl IntoIterator<Item = (u64, Seen)>) {
        for (node, theirs) in others {
            let seen = self.0.entry(node).or_insert(theirs);
            if theirs.boot == seen.boot {
                seen.synced = seen.synced.max(theirs.synced);
            } else if theirs.boot.number > seen.boot.number && theirs.found >= seen.synced {
                *seen = theirs;
            }
        }
    }

    /// All of it.
    pub fn all(&self) -> impl Iterator<Item = (u64, Seen)> + '_ {
        self.0.iter().map(|(node, seen)| (*node, *seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: u64 = 7;

    fn boot(number: u64, nonce: u64) -> Boot {
        Boot { number, nonce }
    }

    fn claim(boot: Boot, previous: Option<Boot>, found: u64) -> Claim {
        Claim { node: NODE, boot, previous, found }
    }

    fn seen(boot: Boot, found: u64, synced: u64) -> (u64, Seen) {
        (NODE, Seen { boot, found, synced })
    }

    #[test]
    fn boots_that_follow_each_other_are_admitted_again_and_again() {
        let mut witness = Witness::default();
        let (one, two, four) = (boot(1, 10), boot(2, 20), boot(4, 40));
        assert_eq!(witness.heard(NODE, one, 100), None, "nobody knows it yet");
        witness.admit(&claim(one, None, 0)).unwrap();
        assert_eq!(witness.heard(NODE, one, 100), Some(true));
        assert_eq!(witness.heard(NODE, one, 90), Some(false));
        assert_eq!(witness.heard(NODE, two, 130), None, "it acts before it is judged here");
        witness.admit(&claim(two, Some(one), 100)).unwrap();
        assert_eq!(witness.heard(NODE, one, 130), None, "a message of the boot before is late");
        assert_eq!(witness.heard(NODE, two, 150), Some(true));
        // The answer was lost, and the node goes on meanwhile.
        witness.admit(&claim(two, Some(one), 100)).unwrap();
        assert_eq!(witness.heard(NODE, two, 160), Some(true));
        // One was missed here.
        witness.admit(&claim(four, Some(boot(3, 30)), 170)).unwrap();
        assert!(witness.all().eq([seen(four, 170, 170)]));
    }

    #[test]
    fn an_older_copy_is_refused_whenever_it_was_taken() {
        let mut witness = Witness::default();
        let (one, two) = (boot(1, 10), boot(2, 20));
        witness.admit(&claim(two, Some(one), 100)).unwrap();
        witness.heard(NODE, two, 200);
        let before = witness.clone();
        for (claim, says) in [
            // While the node was down before its last boot, or waited for it to be admitted: the
            // number is the same again.
            (claim(boot(2, 21), Some(one), 100), "older copy"),
            (claim(boot(2, 21), Some(one), 500), "older copy"),
            (claim(one, None, 50), "older copy"),
            // As new as can be, but for the log.
            (claim(boot(1, 11), None, 0), "older copy"),
            // In the middle of its last boot.
            (claim(boot(3, 30), Some(two), 199), "sequence 200"),
        ] {
            let why = witness.admit(&claim).unwrap_err();
            assert!(why.contains(says), "{why}");
        }
        assert_eq!(witness, before);
        witness.admit(&claim(boot(3, 30), Some(two), 200)).unwrap();
    }

    #[test]
    fn what_others_remember_is_taken_over_where_it_would_be_remembered_here() {
        let mut witness = Witness::default();
        witness.admit(&claim(boot(2, 20), None, 100)).unwrap();
        let other = (8, Seen { boot: boot(1, 1), found: 0, synced: 5 });
        let mut expect = |learned, expected| {
            witness.learn([learned, other]);
            assert!(witness.all().eq([expected, other]), "{learned:?}");
        };
        expect(seen(boot(1, 10), 800, 900), seen(boot(2, 20), 100, 100));
        expect(seen(boot(2, 20), 100, 130), seen(boot(2, 20), 100, 130));
        expect(seen(boot(2, 21), 100, 900), seen(boot(2, 20), 100, 130));
        // It may have been an older copy, which has acted since.
        expect(seen(boot(3, 30), 129, 900), seen(boot(2, 20), 100, 130));
        expect(seen(boot(3, 30), 130, 140), seen(boot(3, 30), 130, 140));
    }
}
