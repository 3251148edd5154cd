//! A handful of seeds violate nothing, and one seed is one history. Thousands are for
//! `tests/simulate`.

use simulation::run::{Options, run};

/// Seeds of every run of the tests.
const SEEDS: std::ops::Range<u64> = 0..40;

/// Seeds that found something once: what, is said in the commits that name them.
const FOUND: [u64; 1] = [1533];

#[test]
fn a_handful_of_seeds_violates_nothing() {
    let seeds: Vec<u64> = SEEDS.chain(FOUND).collect();
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

#[test]
fn one_seed_is_one_history() {
    for seed in [3, 1533] {
        let tell = || {
            let verdict = run(seed, &Options { tell: Some(false), ..Options::default() });
            (verdict.hash, verdict.events, verdict.story)
        };
        let first = tell();
        // Beside another simulation, too.
        std::thread::scope(|scope| {
            scope.spawn(|| run(seed + 1, &Options::default()));
            assert_eq!(tell(), first, "seed {seed}");
        });
    }
}

#[test]
fn different_seeds_are_different_histories() {
    let hash = |seed| run(seed, &Options::default()).hash;
    assert_ne!(hash(5), hash(6));
}
