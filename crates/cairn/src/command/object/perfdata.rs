//! How long the stages of a transfer took.

use client::{Stages, Timings};
use std::{collections::BTreeMap, time::Duration};

/// Seconds of each stage that there was, by its name.
pub type Perfdata = BTreeMap<&'static str, f64>;

/// What was measured, if the user asked for it.
pub fn of(timings: Option<&Timings>) -> Option<Perfdata> {
    let Stages { resolve, prepare, upload, commit, ttfb, ttlb, .. } = timings?.stages();
    let stages = [
        ("resolve", resolve),
        ("prepare", prepare),
        ("upload", upload),
        ("commit", commit),
        ("ttfb", ttfb),
        ("ttlb", ttlb),
    ];
    let measured = |(name, took): (_, Option<Duration>)| Some((name, took?.as_secs_f64()));
    Some(stages.into_iter().filter_map(measured).collect())
}

/// The same for people.
pub fn text(perfdata: &Perfdata) -> String {
    let stage = |(name, seconds): (&&str, &f64)| format!("{name} {:.1} ms", seconds * 1000.0);
    format!("  took {}\n", perfdata.iter().map(stage).collect::<Vec<_>>().join(", "))
}
