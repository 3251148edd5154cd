//! How fast MD5 is beside the `md-5` crate, one stream at a time and many.
//!
//! `cargo bench -p checksum --bench checksum`
//!
//! Rates drift with the clock and with whatever else the machine does, so what counts are ratios.
//! Each round runs every candidate once for a fraction of a millisecond; a cell is the median over
//! the rounds of the ratio within a round. Rates are of all streams together.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bytes::Bytes;
use checksum::{Hashers, Kernel, Md5};
use futures::executor::block_on;
use futures::future::join_all;
use md5::Digest;

const KIB: usize = 1024;
const ROUNDS: usize = 61;
/// Long enough for the timer, short enough that few turns are interrupted.
const TURN: Duration = Duration::from_micros(400);
/// From one stream's data to the next: not a multiple of 4 KiB, which would have them compete for
/// the same lines of the first-level cache.
const APART: usize = 64;

struct Candidate<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1u64;
    let next = |_| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    (0..bytes).map(next).collect()
}

/// `streams` streams get `len` bytes each.
fn together(streams: usize, len: usize) -> Vec<(String, [f64; 2])> {
    let noise = noise(streams * (len + APART));
    let data: Vec<&[u8]> = noise.chunks(len + APART).map(|data| &data[..len]).collect();
    let mut candidates = Vec::new();
    let mut theirs = vec![md5::Md5::new(); streams];
    let inputs = data.clone();
    candidates.push(Candidate {
        name: "md-5".to_owned(),
        run: Box::new(move || {
            theirs.iter_mut().zip(&inputs).for_each(|(md5, data)| md5.update(data));
        }),
    });
    for kernel in Kernel::ALL {
        let Some(md5) = Md5::with_kernel(kernel) else { continue };
        let (mut ours, data) = (vec![md5; streams], data.clone());
        candidates.push(Candidate {
            name: kernel.to_string(),
            run: Box::new(move || {
                let mut batch: Vec<_> = ours.iter_mut().zip(data.iter().copied()).collect();
                Md5::update_together(&mut batch);
            }),
        });
    }
    measure(candidates, streams * len)
}

/// For each candidate its name, its rate in GB/s, and that rate over the first one's.
fn measure(mut candidates: Vec<Candidate>, bytes: usize) -> Vec<(String, [f64; 2])> {
    let mut calls = Vec::new();
    for candidate in &mut candidates {
        (candidate.run)();
        let start = Instant::now();
        (0..2).for_each(|_| (candidate.run)());
        calls.push((TURN.as_secs_f64() / (start.elapsed().as_secs_f64() / 2.0)).ceil() as usize);
    }
    let mut rounds = vec![Vec::new(); candidates.len()];
    for _ in 0..ROUNDS {
        let rate = |(candidate, calls): (&mut Candidate, &usize)| {
            let start = Instant::now();
            (0..*calls).for_each(|_| black_box(&mut candidate.run)());
            (bytes * calls) as f64 / start.elapsed().as_secs_f64() / 1e9
        };
        let rates: Vec<f64> = candidates.iter_mut().zip(&calls).map(rate).collect();
        for (cell, rate) in rounds.iter_mut().zip(&rates) {
            cell.push([*rate, rate / rates[0]]);
        }
    }
    let median = |rounds: &[[f64; 2]], i: usize| {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[i]).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    let medians = rounds.iter().map(|r| [median(r, 0), median(r, 1)]);
    candidates.into_iter().map(|c| c.name).zip(medians).collect()
}

/// Seconds of processor that all threads of this process have used.
fn cpu_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("this is Linux");
    let nanos = tasks.filter_map(|task| {
        let stat = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        stat.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}

/// What several turns took: seconds, and seconds of processor.
fn timed(rounds: usize, mut run: impl FnMut()) -> [f64; 2] {
    run();
    let mut turns: Vec<[f64; 2]> = Vec::new();
    for _ in 0..rounds {
        let (cpu, start) = (cpu_seconds(), Instant::now());
        run();
        turns.push([start.elapsed().as_secs_f64(), cpu_seconds() - cpu]);
    }
    let median = |which: usize| {
        let mut values: Vec<f64> = turns.iter().map(|turn| turn[which]).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    [median(0), median(1)]
}

async fn hash(hashers: &Hashers, content: Bytes, piece: usize) -> [u8; 16] {
    let mut md5 = hashers.md5();
    for start in (0..content.len()).step_by(piece) {
        md5.update(content.slice(start..content.len().min(start + piece))).await;
    }
    md5.finish().await
}

/// Streams whose bytes are all there, in pieces of 64 KiB, hashed by one thread.
fn service() {
    println!("\nHashers, one thread, pieces of 64 KiB: GB/s, CPU seconds per GB, and inline");
    let hashers = Hashers::start(1).expect("a thread");
    let content = Bytes::from(noise(32 << 20));
    for streams in [1, 2, 4, 8, 16, 32] {
        let bytes = content.len() / streams;
        let all = |hashers: &Hashers| {
            let part = |n: usize| content.slice(n * bytes..(n + 1) * bytes);
            let streams = (0..streams).map(|n| hash(hashers, part(n), 64 * KIB));
            black_box(block_on(join_all(streams)));
        };
        let ours = timed(15, || all(&hashers));
        let inline = timed(5, || all(&Hashers::inline()));
        let gb = (bytes * streams) as f64 / 1e9;
        println!(
            "{streams:3} streams |{:7.2}{:7.3} |{:7.2}{:7.3}",
            gb / ours[0],
            ours[1] / gb,
            gb / inline[0],
            inline[1] / gb,
        );
    }
}

/// Streams that get a stripe now and then, 400 MB/s together, as uploads do that wait for disks and
/// networks.
fn paced() {
    println!(
        "\nHashers, one thread, 400 MB/s in stripes of 256 KiB: CPU seconds per GB, and inline"
    );
    let content = Bytes::from(noise(8 << 20));
    let stripe = 256 * KIB;
    let all = |hashers: Option<&Hashers>, streams: usize| {
        let mut md5s: Vec<_> = (0..streams).filter_map(|_| Some(hashers?.md5())).collect();
        let start = Instant::now();
        for n in 0..600 {
            let due = Duration::from_secs_f64((n * stripe) as f64 / 400e6);
            std::thread::sleep(due.saturating_sub(start.elapsed()));
            if let Some(md5) = md5s.get_mut(n % streams) {
                let at = n * stripe % content.len();
                for piece in content.slice(at..at + stripe).chunks(64 * KIB) {
                    block_on(md5.update(content.slice_ref(piece)));
                }
            }
        }
        black_box(block_on(join_all(md5s.into_iter().map(|md5| md5.finish()))));
    };
    let hashers = Hashers::start(1).expect("a thread");
    for streams in [1, 2, 4, 8, 32] {
        let cpu = |hashers: Option<&Hashers>| timed(3, || all(hashers, streams))[1];
        let (idle, gb) = (cpu(None), (600 * stripe) as f64 / 1e9);
        let [ours, inline] = [&hashers, &Hashers::inline()].map(|h| (cpu(Some(h)) - idle) / gb);
        println!("{streams:3} streams |{ours:7.3} |{inline:7.3}");
    }
}

/// One short stream after another: what is a thread's help worth?
fn short() {
    println!("\nOne stream of one piece, microseconds: until it is done, of processor, and inline");
    let hashers = Hashers::start(1).expect("a thread");
    for kib in [4, 16, 64, 128, 256] {
        let content = Bytes::from(noise(kib * KIB));
        let count = 400;
        let all = |hashers: &Hashers| {
            for _ in 0..count {
                black_box(block_on(hash(hashers, content.clone(), kib * KIB)));
                // So that the thread sleeps, as it does between rare uploads.
                std::thread::sleep(Duration::from_micros(100));
            }
        };
        let sleeps = timed(5, || {
            (0..count).for_each(|_| std::thread::sleep(Duration::from_micros(100)));
        });
        let micros = |turn: [f64; 2], i: usize| (turn[i] - sleeps[i]) * 1e6 / count as f64;
        let (ours, inline) = (timed(5, || all(&hashers)), timed(5, || all(&Hashers::inline())));
        println!(
            "{kib:4} KiB |{:8.1}{:8.1} |{:8.1}{:8.1}",
            micros(ours, 0),
            micros(ours, 1),
            micros(inline, 0),
            micros(inline, 1),
        );
    }
}

fn main() {
    println!("Best kernel: {}", Md5::new().kernel());
    for len in [4 * KIB, 16 * KIB] {
        println!("\nEach stream gets {} KiB: GB/s, and times md-5", len / KIB);
        for streams in [1, 2, 4, 8, 12, 16, 17, 24, 32, 48] {
            print!("{streams:3} streams");
            for (name, [rate, ratio]) in together(streams, len) {
                print!(" | {name:8}{rate:7.2}{ratio:7.2}");
            }
            println!();
        }
    }
    service();
    paced();
    short();
}
