//! 2. A deleted version never comes back; an overwritten one never shows through.
//!
//! A look at an object that begins after a delete or an overwrite was acknowledged must not find
//! what that removed: a content whose writes had all been answered before the removal began. (An
//! object one of whose versions is removed shows the one before: that is for invariant 7.)

use crate::history::{Action, Operation, Outcome};

/// What is wrong with an object's history, if anything.
pub fn check(operations: &[Operation]) -> Option<String> {
    let uncovers =
        |o: &Operation| matches!(o.action, Action::Remove(_)) && o.outcome != Outcome::Refused;
    if operations.iter().any(uncovers) {
        return None;
    }
    for look in operations {
        let (Action::Look, Outcome::Found(content)) = (look.action, look.outcome) else { continue };
        let writes = [Action::Put(content), Action::Append(content)];
        let puts = operations
            .iter()
            .filter(|o| writes.contains(&o.action) && !matches!(o.outcome, Outcome::Refused));
        let puts: Vec<_> = puts.collect();
        let removal = operations.iter().find(|o| {
            o.outcome == Outcome::Done
                && matches!(o.action, Action::Put(_) | Action::Delete(_))
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
