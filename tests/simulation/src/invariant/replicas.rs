//! 5. Replicas of a partition with the same applied index have the same state hash.
//!
//! Every batch that says how far its replica has applied the log carries the hash that the state
//! keeps of itself: whoever says the same of the log must say the same of the state. The hash
//! itself is compared with one computed from all records at the end.

use std::collections::BTreeMap;

/// The checker: who said what.
#[derive(Default)]
pub struct Replicas {
    said: BTreeMap<(String, Vec<u8>), (String, String)>,
}

impl Replicas {
    /// A replica has applied its log up to somewhere and has a hash. True if it is the first.
    ///
    /// # Errors
    /// What it says differs from what another said.
    pub fn applied(
        &mut self,
        node: &str,
        partition: &str,
        applied: &[u8],
        hash: String,
    ) -> Result<bool, String> {
        let key = (partition.to_owned(), applied.to_owned());
        let Some((other, theirs)) = self.said.get(&key) else {
            self.said.insert(key, (node.to_owned(), hash));
            return Ok(true);
        };
        if *theirs == hash {
            return Ok(false);
        }
        Err(format!("{partition} at {applied:02x?}: {node} has {hash}, {other} had {theirs}"))
    }
}
