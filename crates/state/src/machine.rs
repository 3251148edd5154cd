//! Applying commands: one file for each family of them.

use crate::{Entry, Fatal, Reply};
use store::{Change, Read};

/// What an entry did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// To write, in one batch.
    pub changes: Vec<Change>,
    /// To give.
    pub reply: Reply,
}

/// Applies an entry to a state.
pub fn apply(view: &dyn Read, entry: &Entry) -> Result<Applied, Fatal> {
    let _ = (view, entry);
    Ok(Applied { changes: Vec::new(), reply: Err(model::Error::unavailable("not there yet")) })
}
