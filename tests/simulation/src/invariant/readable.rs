//! 1. An acknowledged version is readable, byte-exact.
//!
//! When faults have stopped and everything runs again, each object is read. Its last acknowledged
//! put, if nothing that may have changed the object was under way with it or came later, must be
//! what is read; and no read may fail. Where versions are kept, each that was acknowledged must
//! be there, unless versions were removed.

use crate::history::{Action, Operation, Outcome};

/// What is wrong with an object's history, if anything.
pub fn check(operations: &[Operation]) -> Option<String> {
    let last: Vec<_> = operations.iter().filter(|o| o.last && o.action.looks()).collect();
    let removes = |o: &Operation| {
        matches!(o.action, Action::Remove(_) | Action::Purge(_) | Action::Expire(..))
            && o.outcome != Outcome::Refused
    };
    let keeps_all = !operations.iter().any(removes);
    for look in &last {
        if matches!(look.outcome, Outcome::Refused | Outcome::Unknown) {
            return Some(format!("it cannot be read although all is well again: {look}"));
        }
        let of_version = matches!(look.action, Action::LookAt(_));
        if keeps_all && of_version && look.outcome == Outcome::Missing {
            return Some(format!("a version is not there that nobody removed: {look}"));
        }
    }
    let put = last_change(operations)?;
    let Action::Put(content) = put.action else { return None };
    let differs =
        |o: &&&Operation| o.action == Action::Look && o.outcome != Outcome::Found(content);
    let lost = last.iter().find(differs)?;
    Some(format!("what was acknowledged is not what is read:\n  {put}\n  {lost}"))
}

/// The acknowledged change after which nothing can have changed the object.
fn last_change(operations: &[Operation]) -> Option<&Operation> {
    let changes = || {
        let changed = |o: &&Operation| match o.outcome {
            Outcome::Done | Outcome::Unknown => {
                !o.action.looks() && !matches!(o.action, Action::Purge(_))
            }
            _ => false,
        };
        operations.iter().filter(changed)
    };
    let last = changes().filter(|o| o.outcome == Outcome::Done).max_by_key(|o| o.invoked)?;
    let alone = changes().all(|o| std::ptr::eq(o, last) || o.returned < last.invoked);
    alone.then_some(last)
}
