//! 7. A command is applied at most once, and an acknowledged one is never forgotten.
//!
//! The history of each object must be one that [a single cell](crate::naive) could have: there is an order of
//! the operations, which keeps those in order that did not overlap, and in which each finds what
//! the one before it left. What was refused is not in it; what has an unknown outcome may be
//! anywhere after it was asked for, once, or nowhere. The search is that of Wing and Gong with
//! Lowe's memory of what was tried.

use crate::{
    contents::Contents,
    history::{Operation, Outcome},
    naive::Object,
};
use std::collections::HashSet;

/// Operations on one object that the search can take.
pub const MOST: usize = 128;

/// What is wrong with an object's history, if anything.
pub fn check(operations: &[Operation], contents: &mut Contents) -> Option<String> {
    let counts = |o: &&Operation| match o.outcome {
        Outcome::Refused => false,
        Outcome::Unknown => !o.action.looks(),
        _ => true,
    };
    let mut relevant: Vec<_> = operations.iter().filter(counts).collect();
    relevant.sort_by_key(|o| o.invoked);
    if relevant.len() > MOST {
        return Some(format!("{} operations are too many to check", relevant.len()));
    }
    let tried = HashSet::new();
    let mut search = Search { operations: &relevant, contents, tried, deepest: 0 };
    if search.from(0, &Object::default()) {
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
    contents: &'a mut Contents,
    tried: HashSet<(u128, Object)>,
    /// The largest set that could be ordered.
    deepest: u128,
}

impl Search<'_> {
    /// Whether what is not yet in `done` can follow, the object being as it is.
    fn from(&mut self, done: u128, object: &Object) -> bool {
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
        if !self.tried.insert((done, object.clone())) {
            return false;
        }
        let next: Vec<_> = left().filter(|(_, o)| o.invoked < first_answer).collect();
        let next: Vec<(usize, &Operation)> = next.into_iter().map(|(n, o)| (n, *o)).collect();
        next.into_iter().any(|(n, operation)| match object.after(operation, self.contents) {
            Some(object) => self.from(done | (1 << n), &object),
            None => false,
        })
    }
}
