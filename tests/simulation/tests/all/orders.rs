//! What the search for an order of operations takes for possible.

use simulation::{
    history::{Action, Content, Operation, Outcome},
    invariant::applied::check,
};

/// An operation from its times.
fn operation(action: Action, outcome: Outcome, invoked: u64, returned: u64) -> Operation {
    let (client, object) = ("c".to_owned(), "o".to_owned());
    let at = (invoked, returned);
    Operation { client, object, action, invoked, returned, outcome, at, last: false }
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
            operation(Action::Delete, Outcome::Done, 6, 7),
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
