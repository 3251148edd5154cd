//! A handful of seeds violate nothing, and one seed is one history. Thousands are for
//! `tests/simulate`.

use simulation::run::{Options, run};

/// Seeds of every run of the tests.
const SEEDS: std::ops::Range<u64> = 0..40;

#[test]
fn a_handful_of_seeds_violates_nothing() {
    let seeds: Vec<u64> = SEEDS.collect();
    let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
    std::thread::scope(|scope| {
        for share in seeds.chunks(seeds.len().div_ceil(threads)) {
            scope.spawn(move || {
                for seed in share {
                    let verdict = run(*seed, &Options::default());
                    let violations = &verdict.violations;
                    assert!(violations.is_empty(), "tests/simulate --seed {seed}: {violations:#?}");
                    // A simulation in which nothing works shows nothing.
                    let definite = verdict.operations.get("definite").copied().unwrap_or(0);
                    assert!(definite > 50, "seed {seed} did little: {:?}", verdict.operations);
                }
            });
        }
    });
}

/// In processes of their own, as it is told again: beside others in one process a history has
/// been seen to depend on them.
#[test]
fn one_seed_is_one_history() {
    let tell = |seed: &str| {
        let simulation = std::process::Command::new(env!("CARGO_BIN_EXE_simulation"));
        let told = { simulation }.args(["--seed", seed]).output().expect("it runs");
        assert!(told.status.success(), "seed {seed} violates something");
        // Its verdict with the hash, and every line of the story.
        (String::from_utf8(told.stdout), String::from_utf8(told.stderr))
    };
    for seed in ["3", "17", "29"] {
        assert!(tell(seed) == tell(seed), "seed {seed} told two stories");
    }
}

#[test]
fn different_seeds_are_different_histories() {
    let hash = |seed| run(seed, &Options::default()).hash;
    assert_ne!(hash(5), hash(6));
}
