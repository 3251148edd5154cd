//! What the search for an order of operations takes for possible.

use simulation::{
    contents::{Content, Contents, Sight},
    history::{Action, Operation, Outcome},
    invariant::applied,
};

fn check(history: &[Operation]) -> Option<String> {
    applied::check(history, &mut Contents::default())
}

/// An operation from its times.
fn operation(action: Action, outcome: Outcome, invoked: u64, returned: u64) -> Operation {
    let (client, object) = ("c".to_owned(), "o".to_owned());
    let (at, version) = ((invoked, returned), None);
    Operation { client, object, action, invoked, returned, outcome, version, at, last: false }
}

const ONE: Content = Content(1);
const TWO: Content = Content(2);

#[test]
fn what_overlaps_may_come_in_either_order_and_what_does_not_may_not() {
    let overlapping = |seen| {
        [
            operation(Action::Put(ONE), Outcome::Done, 1, 4),
            operation(Action::Put(TWO), Outcome::Done, 2, 5),
            operation(Action::Look, Outcome::Found(seen), 6, 7),
        ]
    };
    assert_eq!(check(&overlapping(ONE)), None);
    assert_eq!(check(&overlapping(TWO)), None);
    let mut ordered = overlapping(ONE);
    ordered[0].returned = 2;
    ordered[1].invoked = 3;
    assert!(check(&ordered).is_some());
}

#[test]
fn an_unknown_outcome_explains_one_change_and_not_two() {
    let history = |second| {
        [
            operation(Action::Put(ONE), Outcome::Unknown, 1, u64::MAX),
            operation(Action::Look, Outcome::Missing, 2, 3),
            operation(Action::Look, Outcome::Found(ONE), 4, 5),
            operation(Action::Delete(false), Outcome::Done, 6, 7),
            operation(Action::Look, second, 8, 9),
        ]
    };
    assert_eq!(check(&history(Outcome::Missing)), None);
    assert!(check(&history(Outcome::Found(ONE))).is_some(), "it was applied twice");
}

#[test]
fn what_was_refused_must_not_show() {
    let history = [
        operation(Action::Put(ONE), Outcome::Refused, 1, 2),
        operation(Action::Look, Outcome::Found(ONE), 3, 4),
    ];
    assert!(check(&history).is_some());
}

#[test]
fn what_was_added_and_cut_is_known_by_its_bytes() {
    let mut contents = Contents::default();
    let (one, two) = (contents.know("ab".into()), contents.know("cd".into()));
    let history = |size, seen: &'static str| {
        [
            operation(Action::Put(one), Outcome::Done, 1, 2),
            operation(Action::Append(two), Outcome::Unknown, 3, u64::MAX),
            operation(Action::Truncate(3), Outcome::Done, 4, 5),
            operation(Action::Truncate(4), Outcome::Short, 6, 7),
            operation(Action::Look, Outcome::Seen(Sight::part(size, 1..3, seen.as_bytes())), 8, 9),
        ]
    };
    assert_eq!(applied::check(&history(3, "bc"), &mut contents), None);
    assert!(applied::check(&history(3, "cd"), &mut contents).is_some(), "other bytes");
    assert!(applied::check(&history(4, "bc"), &mut contents).is_some(), "another size");
}

#[test]
fn what_is_drained_stays_so_until_it_is_written_anew() {
    let history = |last| {
        [
            operation(Action::Put(ONE), Outcome::Done, 1, 2),
            operation(Action::Drain, Outcome::Done, 3, 4),
            operation(Action::Append(TWO), Outcome::Drained, 5, 6),
            operation(Action::Look, last, 7, 8),
        ]
    };
    assert_eq!(check(&history(Outcome::Drained)), None);
    assert!(check(&history(Outcome::Found(ONE))).is_some());
}

#[test]
fn a_version_that_goes_uncovers_the_one_before() {
    let kept = |mut operation: Operation, version| {
        operation.object = "kept/o".to_owned();
        operation.version = version;
        operation
    };
    let (first, second) = (model::Version(10), model::Version(20));
    let history = |removal, last| {
        [
            kept(operation(Action::Put(ONE), Outcome::Done, 1, 2), Some(first)),
            kept(operation(Action::Put(TWO), Outcome::Done, 3, 4), Some(second)),
            kept(operation(removal, Outcome::Done, 5, 6), None),
            kept(operation(Action::Look, last, 7, 8), None),
        ]
    };
    assert_eq!(check(&history(Action::Remove(second), Outcome::Found(ONE))), None);
    assert!(check(&history(Action::Remove(first), Outcome::Found(ONE))).is_some());
    assert_eq!(check(&history(Action::Purge(1), Outcome::Found(TWO))), None);
    let mut late = history(Action::Purge(1), Outcome::Missing);
    late[3].action = Action::LookAt(first);
    assert_eq!(check(&late), None);
    late[3].action = Action::LookAt(second);
    assert!(check(&late).is_some(), "the newest stays");
}

#[test]
fn a_deletion_of_nothing_is_noted_where_versions_are_kept_and_asked_for() {
    let history = |object: &str, notes, outcome| {
        let mut delete = operation(Action::Delete(notes), outcome, 1, 2);
        delete.object = object.to_owned();
        [delete]
    };
    let notes = |object: &str, notes| {
        let is_possible = |outcome| check(&history(object, notes, outcome)).is_none();
        (is_possible(Outcome::Done), is_possible(Outcome::Missing))
    };
    assert_eq!(notes("kept/o", true), (true, false));
    assert_eq!(notes("kept/o", false), (false, true));
    assert_eq!(notes("plain/o", true), (false, true));
}
