//! Requests are applied at most once.

use super::harness::{Machine, create_container, delete};
use crate::{Answer, Command, kv, machine::request, read};
use model::{ErrorKind, RequestId, Versioning};

fn request_id(number: u64) -> RequestId {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    RequestId(bytes)
}

#[test]
fn a_repetition_gets_the_first_answer() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    machine.put(&c, "o", 10);
    let first = machine.try_run(Some(request_id(1)), delete(&c, "o", None)).unwrap();
    let versions = machine.versions(&c, "o");
    let again = machine.try_run(Some(request_id(1)), delete(&c, "o", None)).unwrap();
    assert_eq!(again, first);
    assert_eq!(machine.versions(&c, "o"), versions);
    assert_eq!(read::recorded_reply(&machine.memory, &request_id(1)).unwrap(), Some(first));
    machine.check_hash();
}

#[test]
fn a_refusal_is_an_answer_too() {
    let (mut machine, c) = Machine::with_container(Versioning::Unlimited);
    let first = machine.try_run(Some(request_id(1)), delete(&c, "o", None)).unwrap();
    assert_eq!(first.as_ref().unwrap_err().kind, ErrorKind::NotFound);
    machine.put(&c, "o", 10);
    assert_eq!(machine.try_run(Some(request_id(1)), delete(&c, "o", None)).unwrap(), first);
    assert_eq!(machine.versions(&c, "o").len(), 1);
}

#[test]
fn answers_are_kept_ten_minutes() {
    let mut machine = Machine::new();
    let run = |machine: &mut Machine, number| {
        let command = create_container("a", "c", Versioning::Suspended);
        machine.try_run(Some(request_id(number)), command).unwrap().unwrap()
    };
    assert_eq!(run(&mut machine, 1), Answer::Created { created: true });
    machine.time += request::KEPT - 2;
    assert_eq!(run(&mut machine, 1), Answer::Created { created: true });
    for number in 10..30 {
        run(&mut machine, number);
    }
    assert_eq!(run(&mut machine, 1), Answer::Created { created: false });
    machine.time += request::KEPT;
    // A bounded few expire with each command.
    for _ in 0..3 {
        run(&mut machine, 99);
    }
    assert_eq!(read::status(&machine.memory).unwrap().requests, 1);
    let left = machine.memory.0.keys().filter(|k| [0x50, 0x51].contains(&k[0])).count();
    assert_eq!(left, 2);
    machine.check_hash();
}

#[test]
fn no_more_than_a_hundred_thousand_answers_are_kept() {
    let mut machine = Machine::new();
    for number in 0..10 {
        let command = Command::RaiseFence { millis: 0 };
        machine.try_run(Some(request_id(number)), command).unwrap().unwrap();
    }
    // As if there were as many as there may be.
    let mut partition = kv::partition::Partition::read(&machine.memory).unwrap();
    partition.requests = request::MOST;
    let mut txn = crate::txn::Txn::new(&machine.memory);
    partition.write(&mut txn).unwrap();
    let changes = txn.into_changes().into_iter().collect();
    machine.memory.write(changes);
    let run = |number, machine: &mut Machine| {
        let fence = Command::RaiseFence { millis: 0 };
        machine.try_run(Some(request_id(number)), fence).unwrap().unwrap();
        read::status(&machine.memory).unwrap().requests
    };
    // Not while callers may ask again.
    assert_eq!(run(10, &mut machine), request::MOST + 1);
    assert!(read::recorded_reply(&machine.memory, &request_id(0)).unwrap().is_some());
    machine.time += request::KEPT_IN_ANY_CASE;
    assert_eq!(run(11, &mut machine), request::MOST + 2 - 8);
    assert_eq!(read::recorded_reply(&machine.memory, &request_id(0)).unwrap(), None);
}
