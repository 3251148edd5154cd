//! Runs many seeds on all cores, or tells the story of one.
//!
//! Each seed is a process: the runtime drops the tasks of a machine that crashes in an order that
//! depends on how many tasks the process has had, and what was seen once must be seen again.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use simulation::run::{Options, Verdict, run};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::{Command, ExitCode, Stdio},
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

/// Violations of one seed that are told: what breaks first often breaks the rest.
const MOST_TOLD: usize = 4;

/// Seeds between two lines that say how far it is.
const PROGRESS: u64 = 100;

const USAGE: &str = "usage: tests/simulate COUNT [--from SEED] [--threads N]   run COUNT seeds
       tests/simulate --seed SEED                        run one, and tell what happens";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Request::parse(&arguments) {
        Some(Request::Tell(seed)) => tell(seed),
        Some(Request::One(seed)) => one(seed),
        Some(Request::Many { from, count, threads }) => many(from, count, threads),
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

enum Request {
    Tell(u64),
    /// For the process that runs many.
    One(u64),
    Many {
        from: u64,
        count: u64,
        threads: u64,
    },
}

impl Request {
    fn parse(arguments: &[String]) -> Option<Self> {
        let cores = std::thread::available_parallelism().map_or(1, |n| n.get() as u64);
        let (mut count, mut from, mut threads) = (None, 0, cores);
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut number = || arguments.next()?.parse().ok();
            match argument.as_str() {
                "--seed" => return number().map(Self::Tell),
                "--one" => return number().map(Self::One),
                "--from" => from = number()?,
                "--threads" => threads = number()?,
                text => count = Some(text.parse().ok()?),
            }
        }
        Some(Self::Many { from, count: count?, threads })
    }
}

fn tell(seed: u64) -> ExitCode {
    // What the code under test says of itself, if RUST_LOG asks for it.
    let wanted = tracing_subscriber::EnvFilter::from_default_env();
    let told = tracing_subscriber::fmt().with_writer(std::io::stderr).without_time();
    let _ = told.with_env_filter(wanted).with_ansi(false).try_init();
    let verdict = run(seed, &Options { tell: Some(true), ..Options::default() });
    report(&verdict);
    if verdict.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a seed, and says what came of it on its last line.
fn one(seed: u64) -> ExitCode {
    let verdict = run(seed, &Options::default());
    if !verdict.violations.is_empty() {
        report(&verdict);
    }
    match serde_json::to_string(&Tally::of(&verdict)) {
        Ok(line) => println!("{line}"),
        Err(error) => eprintln!("seed {seed}: {error}"),
    }
    ExitCode::SUCCESS
}

/// Runs a seed in a process of its own.
fn apart(seed: u64) -> Result<Tally, String> {
    let run = || {
        let program = std::env::current_exe()?;
        Command::new(program).args(["--one", &seed.to_string()]).stderr(Stdio::inherit()).output()
    };
    let output = run().map_err(|error| format!("seed {seed} cannot be run: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let text = text.trim_end();
    let (told, last) = text.rsplit_once('\n').map_or(("", text), |(told, last)| (told, last));
    if !told.is_empty() {
        println!("{told}");
    }
    serde_json::from_str(last).map_err(|_| format!("seed {seed} ended with {}", output.status))
}

/// What came of many seeds.
#[derive(Default, Serialize, Deserialize)]
struct Tally {
    done: u64,
    violated: BTreeMap<u64, BTreeSet<String>>,
    events: u64,
    simulated: Duration,
    operations: BTreeMap<String, u64>,
    answered: BTreeMap<String, u64>,
}

impl Tally {
    fn of(verdict: &Verdict) -> Self {
        let counts = |counts: &BTreeMap<&str, u64>| {
            counts.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect()
        };
        let which: BTreeSet<_> =
            verdict.violations.iter().map(|v| format!("{:?}", v.invariant)).collect();
        let violated = Some((verdict.seed, which)).filter(|(_, which)| !which.is_empty());
        Self {
            done: 1,
            violated: violated.into_iter().collect(),
            events: verdict.events,
            simulated: verdict.simulated,
            operations: counts(&verdict.operations),
            answered: counts(&verdict.answered),
        }
    }

    fn add(&mut self, other: Self) {
        self.done += other.done;
        self.events += other.events;
        self.simulated += other.simulated;
        self.violated.extend(other.violated);
        for (sums, counts) in
            [(&mut self.operations, other.operations), (&mut self.answered, other.answered)]
        {
            counts.into_iter().for_each(|(what, count)| *sums.entry(what).or_default() += count);
        }
    }

    /// The last lines, and whether all is well.
    fn close(&self, from: u64, count: u64, seconds: f64) -> ExitCode {
        let Self { done, violated, events, simulated, operations, answered } = self;
        println!("operations {operations:?}; definite answers {answered:?}");
        for (seed, invariants) in violated {
            println!("seed {seed} violates {invariants:?}: tests/simulate --seed {seed}");
        }
        println!(
            "simulation: {done} of {count} seeds from {from} on, {} with a violation; {events} \
             events in {} simulated hours; {seconds:.0} s, {:.2} s a seed",
            violated.len(),
            simulated.as_secs() / 3600,
            seconds / (*done).max(1) as f64
        );
        let well = violated.is_empty() && *done == count;
        if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

fn many(from: u64, count: u64, threads: u64) -> ExitCode {
    let started = Instant::now();
    let seconds = || started.elapsed().as_secs_f64();
    let (next, tally) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let ran = apart(from + n);
                    let mut tally = tally.lock();
                    match ran {
                        Ok(one) => tally.add(one),
                        Err(error) => println!("{error}"),
                    }
                    if tally.done.is_multiple_of(PROGRESS) {
                        let (done, violated, seconds) =
                            (tally.done, tally.violated.len(), seconds());
                        println!(
                            "{done} of {count} seeds, {violated} with a violation, \
                             {seconds:.0} s, {:.2} s each",
                            seconds / done as f64
                        );
                    }
                }
            });
        }
    });
    tally.into_inner().close(from, count, seconds())
}

fn report(verdict: &Verdict) {
    let Verdict { seed, violations, hash, events, simulated, operations, .. } = verdict;
    println!(
        "seed {seed}: {} violations, {events} events in {simulated:.1?}, operations {operations:?}, \
         hash {}",
        violations.len(),
        &hash[..16]
    );
    for violation in violations.iter().take(MOST_TOLD) {
        println!("  {violation}");
    }
    if let more @ 1.. = violations.len().saturating_sub(MOST_TOLD) {
        println!("  and {more} more");
    }
    if !violations.is_empty() {
        println!("  to see it again: tests/simulate --seed {seed}");
    }
}
