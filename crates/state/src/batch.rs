//! Several entries in one write.

use crate::{Entry, Fatal, Reply, apply, txn::Txn};
use store::{Change, Read};

/// Applies entries one after the other, each seeing what those before it did, and gathers their
/// changes, so that a driver can write them all or none.
pub struct Batch<'a>(Txn<'a>);

impl<'a> Batch<'a> {
    /// A batch on top of a view.
    pub fn new(view: &'a dyn Read) -> Self {
        Self(Txn::new(view))
    }

    /// Applies an entry and gives its reply.
    pub fn apply(&mut self, entry: &Entry) -> Result<Reply, Fatal> {
        let applied = apply(&self.0, entry)?;
        for (key, change) in applied.changes {
            match change {
                Some(value) => self.0.put(key, value),
                None => self.0.delete(key),
            }
        }
        Ok(applied.reply)
    }

    /// What to write.
    pub fn into_changes(self) -> Vec<Change> {
        self.0.into_changes().into_iter().collect()
    }
}
