//! Random calls against a naive model, with closes, kills and power cuts at random points.
#![allow(missing_docs, clippy::unwrap_used)]

mod support;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use support::disk::FaultDisk;
use support::model::{Model, SLOTS, Step, observe};
use support::{Rng, open, small};
use wal::{Config, Entry, Error, Wal};

/// All calls so far: the log must hold a prefix of the steps that has the acknowledged ones.
#[derive(Default)]
struct History {
    base: Model,
    steps: Vec<Step>,
    acknowledged: Arc<AtomicUsize>,
}

type Waiting = (Pin<Box<dyn Future<Output = Result<(), Error>>>>, usize);

impl History {
    fn now(&self) -> Model {
        self.after(self.steps.len())
    }

    fn after(&self, count: usize) -> Model {
        let mut model = self.base.clone();
        self.steps[..count].iter().for_each(|step| model.apply(step));
        model
    }

    /// Finds what was observed among the states allowed and goes on from there.
    fn settle(&mut self, observed: &Model, seed: u64) {
        let from = self.acknowledged.load(Ordering::SeqCst);
        let mut model = self.after(from);
        let mut rest = self.steps[from..].iter();
        while model != *observed {
            match rest.next() {
                Some(step) => model.apply(step),
                None => panic!(
                    "seed {seed}: {observed:#?} is none of the states after {from} to {} of {:#?} on {:#?}",
                    self.steps.len(),
                    self.steps,
                    self.base
                ),
            }
        }
        *self = History { base: model, ..History::default() };
    }
}

/// The power is off.
struct Ended;

/// One call, queued but not waited for. `None` if there is nothing to wait for.
fn call(wal: &Wal, rng: &mut Rng, history: &mut History) -> Result<Option<Waiting>, Ended> {
    let model = history.now();
    let group = rng.below(4) as u32;
    let next = model.next(group);
    let (wal, before) = (wal.clone(), history.steps.len());
    let mut waiting: Waiting = match rng.below(16) {
        0 => {
            let from = next.saturating_sub(rng.below(6));
            history.steps.push(Step::Truncate(group, from));
            (Box::pin(async move { wal.truncate(group, from).await }), before + 1)
        }
        1 | 2 => {
            let upto = next.saturating_sub(rng.below(12)) + rng.below(4);
            let marker = rng.bytes(64);
            history.steps.push(Step::Purge(group, upto, marker.clone()));
            (Box::pin(async move { wal.purge(group, upto, marker).await }), before + 1)
        }
        kind @ 3..=5 => {
            let (slot, value) = (rng.below(SLOTS.into()) as u8, rng.bytes(64));
            history.steps.push(Step::Put(group, slot, value.clone()));
            if kind == 5 {
                let put = async move { wal.put_later(group, slot, value).await };
                (Box::pin(put), 0)
            } else {
                (Box::pin(async move { wal.put(group, slot, value).await }), before + 1)
            }
        }
        6 if rng.chance(4) => {
            history.steps.push(Step::Drop(group));
            (Box::pin(async move { wal.drop_group(group).await }), before + 1)
        }
        _ => {
            let count = 1 + rng.below(4);
            let entry = |index| Entry { index, payload: rng.bytes(700) };
            let entries: Vec<Entry> = (next..next + count).map(entry).collect();
            let step = |e: &Entry| Step::Entry(group, e.index, e.payload.clone());
            history.steps.extend(entries.iter().map(step));
            let (acknowledged, count) = (history.acknowledged.clone(), history.steps.len());
            let done = Box::new(move |result: Result<(), Error>| {
                if result.is_ok() {
                    let before = acknowledged.fetch_max(count, Ordering::SeqCst);
                    assert!(before < count, "out of order");
                }
            });
            (Box::pin(async move { wal.append(group, entries, done).await }), 0)
        }
    };
    match poll(&mut waiting) {
        Poll::Ready(Err(error)) => {
            assert!(matches!(error, Error::Failed(_)), "{error}");
            history.steps.truncate(before);
            Err(Ended)
        }
        Poll::Ready(Ok(())) => Ok(None),
        Poll::Pending => Ok(Some(waiting)),
    }
}

fn poll(waiting: &mut Waiting) -> Poll<Result<(), Error>> {
    waiting.0.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs calls until the power goes off, or until the round ends in a close or a kill.
async fn round(disk: &FaultDisk, config: Config, rng: &mut Rng, history: &mut History, seed: u64) {
    let wal = match open(disk, config).await {
        Ok(wal) => wal,
        Err(Error::Io { .. }) => return,
        Err(error) => panic!("seed {seed}: {error}"),
    };
    let observed = match observe(&wal).await {
        Ok(observed) => observed,
        Err(error) => panic!("seed {seed}: {error}"),
    };
    history.settle(&observed, seed);
    let mut waiting: Vec<Waiting> = Vec::new();
    for _ in 0..rng.below(80) {
        match call(&wal, rng, history) {
            Ok(call) => waiting.extend(call),
            Err(Ended) => return,
        }
        for _ in 0..rng.below(4) {
            tokio::task::yield_now().await;
        }
        if rng.chance(40) {
            tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        }
        waiting.retain_mut(|call| match poll(call) {
            Poll::Ready(Ok(())) => {
                history.acknowledged.fetch_max(call.1, Ordering::SeqCst);
                false
            }
            Poll::Ready(Err(_)) => false,
            Poll::Pending => true,
        });
        if rng.chance(16) {
            match observe(&wal).await {
                Ok(observed) => assert_eq!(observed, history.now(), "seed {seed}"),
                Err(error) => assert!(matches!(error, Error::Failed(_)), "seed {seed}: {error}"),
            }
        }
    }
    if rng.chance(3) && wal.close().await.is_ok() {
        history.acknowledged.store(history.steps.len(), Ordering::SeqCst);
    }
}

fn run(seed: u64, power: bool) {
    let mut rng = Rng(seed);
    let disk = FaultDisk::default();
    let mut history = History::default();
    for _ in 0..8 {
        let config = Config {
            segment_bytes: 1024 << rng.below(4),
            cache_bytes: rng.below(2048) as usize,
            salt: rng.next(),
            ..small()
        };
        if power {
            disk.world().changes_left = Some(1 + rng.below(120));
        }
        // Dropping the runtime is what a killed process looks like.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(round(&disk, config, &mut rng, &mut history, seed));
        drop(runtime);
        if power {
            disk.world().cut(&mut rng);
        }
    }
}

#[test]
fn the_log_is_what_the_model_says_across_closes_and_kills() {
    (0..200).for_each(|seed| run(seed, false));
}

#[test]
fn a_power_cut_keeps_what_was_acknowledged_and_a_prefix_of_the_rest() {
    let seeds = std::env::var("WAL_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(600);
    (1000..1000 + seeds).for_each(|seed| run(seed, true));
}
