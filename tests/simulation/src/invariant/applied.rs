//! 7. A command is applied at most once, and an acknowledged one is never forgotten.
//!
//! The history of each object must be one that a single cell could have: there is an order of
//! the operations, which keeps those in order that did not overlap, and in which each finds what
//! the one before it left. What was refused is not in it; what has an unknown outcome may be
//! anywhere after it was asked for, once, or nowhere. The search is that of Wing and Gong with
//! Lowe's memory of what was tried.

use crate::history::{Action, Content, Operation, Outcome};
use std::collections::HashSet;

/// Operations on one object that the search can take.
pub const MOST: usize = 128;

/// What is wrong with an object's history, if anything.
pub fn check(operations: &[Operation]) -> Option<String> {
    let counts = |o: &&Operation| {
        o.outcome != Outcome::Refused
            && !(o.action == Action::Look && o.outcome == Outcome::Unknown)
    };
    let mut relevant: Vec<_> = operations.iter().filter(counts).collect();
    relevant.sort_by_key(|o| o.invoked);
    if relevant.len() > MOST {
        return Some(format!("{} operations are too many to check", relevant.len()));
    }
    let mut search = Search { operations: &relevant, tried: HashSet::new(), deepest: 0 };
    if search.from(0, None) {
        return None;
    }
    let mut story = String::from("no order of these operations explains what was seen:");
    for operation in &relevant {
        story.push_str(&format!("\n  {operation}"));
    }
    let stuck = relevant
        .iter()
        .enumerate()
        .find(|(n, o)| search.deepest & (1 << n) == 0 && o.returned != u64::MAX);
    if let Some((_, stuck)) = stuck {
        story.push_str(&format!("\n  at the latest this one does not fit: {stuck}"));
    }
    Some(story)
}

struct Search<'a> {
    operations: &'a [&'a Operation],
    tried: HashSet<(u128, Option<Content>)>,
    /// The largest set that could be ordered.
    deepest: u128,
}

impl Search<'_> {
    /// Whether what is not yet in `done` can follow, the object being as it is.
    fn from(&mut self, done: u128, object: Option<Content>) -> bool {
        if done.count_ones() > self.deepest.count_ones() {
            self.deepest = done;
        }
        let left = || {
            let all = self.operations.iter().enumerate();
            all.filter(move |(n, _)| done & (1 << n) == 0)
        };
        // The first answer among those left: what began later cannot come before it.
        let first_answer = left().map(|(_, o)| o.returned).min().unwrap_or(u64::MAX);
        if first_answer == u64::MAX {
            return true;
        }
        if !self.tried.insert((done, object)) {
            return false;
        }
        let next: Vec<_> = left().filter(|(_, o)| o.invoked < first_answer).collect();
        let next: Vec<(usize, &Operation)> = next.into_iter().map(|(n, o)| (n, *o)).collect();
        next.into_iter().any(|(n, operation)| match after(operation, object) {
            Some(object) => self.from(done | (1 << n), object),
            None => false,
        })
    }
}

/// The object after an operation; `None` if the operation cannot have seen it so.
fn after(operation: &Operation, object: Option<Content>) -> Option<Option<Content>> {
    use {Action as A, Outcome as O};
    match (operation.action, operation.outcome) {
        (A::Put(content), O::Done | O::Unknown) => Some(Some(content)),
        (A::Put(_), O::Exists) => object.is_some().then_some(object),
        // Where versions are kept a marker is left, whatever was there.
        (A::Delete, O::Done) if operation.object.starts_with(crate::workload::KEPT) => Some(None),
        (A::Delete, O::Done) => object.is_some().then_some(None),
        (A::Delete, O::Unknown) => Some(None),
        (A::Look | A::Delete, O::Missing) => object.is_none().then_some(None),
        (A::Look, O::Found(content)) => (object == Some(content)).then_some(object),
        _ => Some(object),
    }
}
