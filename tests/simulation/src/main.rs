//! Runs many seeds on all cores, or tells the story of one.

use simulation::run::{Options, Verdict, run};
use std::{
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

const USAGE: &str = "usage: tests/simulate COUNT [--from SEED] [--threads N]   run COUNT seeds
       tests/simulate --seed SEED                        run one, and tell what happens";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match Request::parse(&arguments) {
        Some(Request::Tell(seed)) => tell(seed),
        Some(Request::Many { from, count, threads }) => many(from, count, threads),
        None => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

enum Request {
    Tell(u64),
    Many { from: u64, count: u64, threads: u64 },
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

fn many(from: u64, count: u64, threads: u64) -> ExitCode {
    let started = Instant::now();
    let (next, violated) = (AtomicU64::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= count {
                        return;
                    }
                    let verdict = run(from + n, &Options::default());
                    if !verdict.violations.is_empty() {
                        report(&verdict);
                        if let Ok(mut violated) = violated.lock() {
                            violated.push(verdict.seed);
                        }
                    }
                    if (n + 1).is_multiple_of(100) || n + 1 == count {
                        let seconds = started.elapsed().as_secs_f64();
                        let failed = violated.lock().map_or(0, |v| v.len());
                        println!(
                            "{} of {count} seeds, {failed} with a violation, {seconds:.0} s, {:.2} s each",
                            n + 1,
                            seconds / (n + 1) as f64
                        );
                    }
                }
            });
        }
    });
    let violated = violated.into_inner().unwrap_or_default();
    if violated.is_empty() {
        println!("{count} seeds from {from} on violate nothing");
        return ExitCode::SUCCESS;
    }
    println!("violated by seeds {violated:?}; see what happens with tests/simulate --seed SEED");
    ExitCode::FAILURE
}

fn report(verdict: &Verdict) {
    let Verdict { seed, violations, hash, events, simulated, operations, .. } = verdict;
    println!(
        "seed {seed}: {} violations, {events} events in {simulated:.1?}, operations {operations:?}, \
         hash {}",
        violations.len(),
        &hash[..16]
    );
    for violation in violations {
        println!("  {violation}");
    }
    if !violations.is_empty() {
        println!("  to see it again: tests/simulate --seed {seed}");
    }
}
