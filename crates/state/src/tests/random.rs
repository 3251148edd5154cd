//! Random commands against the naive model, with repetitions, stale incarnations, blobs and
//! content ids that were used before, conditions, jobs that get in each other's way, and clocks
//! that jump.

mod choose;
mod compare;

use super::{
    harness::{DAY, Machine, Memory},
    naive::Naive,
};
use crate::{Batch, Entry, apply, read};
use model::RequestId;
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use std::collections::BTreeSet;

/// What to do; the choices are made good with what there is when it is done.
#[derive(Debug, Clone)]
struct Step {
    kind: u8,
    container: usize,
    object: usize,
    /// Picks among versions, blobs, conditions, settings.
    picks: [usize; 5],
    size: u64,
    /// 0 none, 1 new, else one that was used before.
    request: usize,
    wait: u8,
}

prop_compose! {
    fn steps()(
        kind in 0..68u8,
        container in 0..3usize,
        object in 0..3usize,
        picks in prop::array::uniform5(0..60usize),
        size in prop_oneof![Just(0u64), 1..4000u64],
        request in prop_oneof![2 => Just(0usize), 2 => Just(1), 1 => 2..20usize],
        wait in prop_oneof![20 => 0..4u8, 1 => Just(4), 1 => Just(5), 1 => Just(6), 1 => Just(7)],
    ) -> Step {
        Step { kind, container, object, picks, size, request, wait }
    }
}

const CONTAINERS: [(&str, &str); 3] = [("a", "c"), ("a", "d"), ("b", "c")];

struct Run {
    machine: Machine,
    naive: Naive,
    requests: Vec<RequestId>,
    blobs: u32,
    /// All entries so far.
    log: Vec<Entry>,
    /// Names of the commands that were accepted.
    accepted: BTreeSet<String>,
}

impl Run {
    fn new() -> Self {
        Self {
            machine: Machine::new(),
            naive: Naive::default(),
            requests: Vec::new(),
            blobs: 0,
            log: Vec::new(),
            accepted: BTreeSet::new(),
        }
    }

    fn step(&mut self, step: &Step) {
        match step.wait {
            4 => self.machine.time += 11 * 60 * 1_000_000,
            5 => self.machine.time += 4 * DAY,
            6 => self.machine.time -= DAY,
            7 => self.machine.time += DAY / 48,
            short => self.machine.time += u64::from(short) * 7,
        }
        let request = self.request(step.request);
        let command = self.command(step);
        let (index, time) = (self.machine.index + 1, self.machine.time + 1);
        let expected = self.naive.run(index, time, request, &command);
        let reply = self.machine.try_run(request, command.clone()).unwrap();
        if reply.is_ok() {
            let name = format!("{command:?}");
            self.accepted.extend(name.split(['(', ' ']).next().map(str::to_owned));
        }
        assert_eq!(reply.map_err(|e| e.kind), expected, "{command:?}");
        self.log.push(Entry { index, time, request, command });
    }

    fn request(&mut self, choice: usize) -> Option<RequestId> {
        match choice {
            0 => None,
            n if n == 1 || self.requests.is_empty() => {
                self.requests.push(RequestId([self.requests.len() as u8; 16]));
                self.requests.last().copied()
            }
            n => Some(self.requests[self.requests.len().saturating_sub(n) % self.requests.len()]),
        }
    }

    /// A replica that dies between commands and goes on from the log, with as many entries in a
    /// batch as the log happens to give it, has the same bytes.
    fn compare_rebuilt(&self, crashes: &[usize]) {
        let mut rebuilt = Memory::default();
        let mut rest = &self.log[..];
        for size in crashes.iter().cycle() {
            let (now, later) = rest.split_at(rest.len().min(size + 1));
            let mut batch = Batch::new(&rebuilt);
            for entry in now {
                let _ = batch.apply(entry).unwrap();
            }
            let changes = batch.into_changes();
            // Dies before they are written: they are applied again, and alike.
            let mut once = rebuilt.clone();
            for entry in now {
                let applied = apply(&once, entry).unwrap();
                once.write(applied.changes);
            }
            rebuilt.write(changes);
            assert!(rebuilt == once);
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        assert!(rebuilt == self.machine.memory);
        let hash = read::state_hash(&rebuilt).unwrap();
        assert_eq!(hash, read::compute_state_hash(&self.machine.memory).unwrap());
    }
}

#[test]
fn random_commands_of_every_kind_are_accepted() {
    let mut runner = TestRunner::deterministic();
    let strategy = prop::collection::vec(steps(), 150);
    let mut accepted = BTreeSet::new();
    for _ in 0..60 {
        let mut run = Run::new();
        for step in strategy.new_tree(&mut runner).unwrap().current() {
            run.step(&step);
        }
        accepted.append(&mut run.accepted);
    }
    let all = [
        "Abort",
        "Commit",
        "CreateContainer",
        "CreateSnapshot",
        "DeleteContainer",
        "DeleteObject",
        "DiscardSnapshot",
        "Drain",
        "DropImported",
        "Expire",
        "Flush",
        "ImportVersion",
        "PublishSnapshot",
        "Purge",
        "RaiseFence",
        "RefreshContainer",
        "SetFrozen",
        "StagePage",
        "Truncate",
        "UpdateContainer",
        "UpdateObject",
    ];
    assert_eq!(accepted.iter().map(String::as_str).collect::<Vec<_>>(), all);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn random_commands_do_what_the_naive_model_does(
        steps in prop::collection::vec(steps(), 1..150),
        crashes in prop::collection::vec(0..20usize, 1..5),
    ) {
        let mut run = Run::new();
        for (number, step) in steps.iter().enumerate() {
            run.step(step);
            if number % 8 == 0 {
                run.compare();
            }
            if number % 40 == 39 {
                run.compare_accounts();
            }
        }
        run.compare();
        run.compare_accounts();
        run.compare_rebuilt(&crashes);
    }
}
