//! 2. A deleted version never comes back; an overwritten one never shows through.
//!
//! A look at an object that begins after a delete or an overwrite was acknowledged must not find
//! what that removed: a content whose put had been answered before the removal began, and that
//! nobody put again.

use crate::history::{Action, Operation, Outcome};

/// What is wrong with an object's history, if anything.
pub fn check(operations: &[Operation]) -> Option<String> {
    for look in operations {
        let (Action::Look, Outcome::Found(content)) = (look.action, look.outcome) else { continue };
        let puts = operations
            .iter()
            .filter(|o| o.action == Action::Put(content) && !matches!(o.outcome, Outcome::Refused));
        let puts: Vec<_> = puts.collect();
        let removal = operations.iter().find(|o| {
            o.outcome == Outcome::Done
                && o.action != Action::Look
                && o.action != Action::Put(content)
                && o.returned < look.invoked
                && !puts.is_empty()
                && puts.iter().all(|put| put.outcome == Outcome::Done && put.returned < o.invoked)
        });
        if let Some(removal) = removal {
            return Some(format!("it came back:\n  {}\n  {removal}\n  {look}", puts[0]));
        }
    }
    None
}
