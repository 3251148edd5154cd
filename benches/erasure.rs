//! How fast the kernels are beside `reed-solomon-erasure` with its SIMD, and beside memcpy.
//!
//! `cargo bench -p erasure --bench erasure`
//!
//! Rates drift with the clock and with whatever else the machine does, so what counts are ratios.
//! Each round runs every candidate once for a fraction of a millisecond; a cell is the median over
//! the rounds of the ratio within a round. Data is hot, as it is when a stripe is encoded just
//! after it was hashed. Rates are of the stripe's data, whatever number of fragments is rebuilt.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use erasure::{Codec, Kernel};
use reed_solomon_erasure::galois_8::ReedSolomon;

const CODES: [(usize, usize); 4] = [(4, 2), (6, 3), (8, 4), (12, 4)];
const KIB: usize = 1024;
const ROUNDS: usize = 61;
/// Long enough for the timer, short enough that few turns are interrupted.
const TURN: Duration = Duration::from_micros(200);

struct Candidate<'a> {
    name: String,
    run: Box<dyn FnMut() + 'a>,
}

impl<'a> Candidate<'a> {
    fn new(name: impl ToString, run: impl FnMut() + 'a) -> Self {
        Self { name: name.to_string(), run: Box::new(run) }
    }
}

/// Fragments in one allocation, as a caller who pools buffers has them: each on a 64-byte
/// boundary, and a line further than its length from the one before, since streams a multiple of
/// 4 KiB apart would compete for the same lines of the first-level cache.
struct Stripe {
    bytes: Vec<u8>,
    start: usize,
    len: usize,
}

impl Stripe {
    fn new(fragments: usize, len: usize) -> Self {
        let mut state = 1u64;
        let noise = |_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 56) as u8
        };
        let bytes: Vec<u8> = (0..fragments * Self::pitch(len) + 64).map(noise).collect();
        let start = bytes.as_ptr().align_offset(64);
        Self { bytes, start, len }
    }

    fn pitch(len: usize) -> usize {
        len.next_multiple_of(64) + 64
    }

    fn fragments(&self) -> Vec<&[u8]> {
        let fragments = self.bytes[self.start..].chunks_exact(Self::pitch(self.len));
        fragments.map(|f| &f[..self.len]).collect()
    }

    fn fragments_mut(&mut self) -> Vec<&mut [u8]> {
        let fragments = self.bytes[self.start..].chunks_exact_mut(Self::pitch(self.len));
        fragments.map(|f| &mut f[..self.len]).collect()
    }
}

fn codecs(k: usize, m: usize) -> impl Iterator<Item = Codec> {
    let available = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available());
    available.map(move |kernel| Codec::with_kernel(k, m, kernel).expect("it is available"))
}

fn encode(k: usize, m: usize, len: usize) -> Cells {
    let data = Stripe::new(k, len);
    let data = data.fragments();
    let mut candidates = vec![memcpy(&data)];
    let rival = ReedSolomon::new(k, m).expect("a legal code");
    let mut parity = Stripe::new(m, len);
    let inputs = data.clone();
    candidates.push(Candidate::new("rse-simd", move || {
        rival.encode_sep(&inputs, &mut parity.fragments_mut()).expect("legal arguments");
    }));
    for codec in codecs(k, m) {
        let mut parity = Stripe::new(m, len);
        let data = data.clone();
        candidates.push(Candidate::new(codec.kernel(), move || {
            codec.encode(&data, &mut parity.fragments_mut()).expect("legal arguments");
        }));
    }
    measure(candidates, k * len)
}

/// The first `lost` data fragments from the rest.
fn reconstruct(k: usize, m: usize, lost: usize, len: usize) -> Cells {
    let stripe = Stripe::new(k + m, len);
    let stripe = stripe.fragments();
    let mut candidates = vec![memcpy(&stripe[..k])];
    let rival = ReedSolomon::new(k, m).expect("a legal code");
    let mut theirs = Stripe::new(k + m, len);
    candidates.push(Candidate::new("rse-simd", move || {
        let fragments = theirs.fragments_mut().into_iter().enumerate();
        let mut fragments: Vec<(&mut [u8], bool)> =
            fragments.map(|(i, f)| (f, i >= lost)).collect();
        rival.reconstruct_data(&mut fragments).expect("legal arguments");
    }));
    for codec in codecs(k, m) {
        let mut rebuilt = Stripe::new(lost, len);
        let present: Vec<_> =
            stripe.iter().enumerate().map(|(i, f)| (i >= lost).then_some(*f)).collect();
        candidates.push(Candidate::new(codec.kernel(), move || {
            let mut wanted: Vec<_> = rebuilt.fragments_mut().into_iter().enumerate().collect();
            codec.reconstruct(&present, &mut wanted).expect("legal arguments");
        }));
    }
    measure(candidates, k * len)
}

fn memcpy<'a>(data: &[&'a [u8]]) -> Candidate<'a> {
    let mut copy = Stripe::new(data.len(), data[0].len());
    let data = data.to_vec();
    Candidate::new("memcpy", move || {
        copy.fragments_mut().iter_mut().zip(&data).for_each(|(to, from)| to.copy_from_slice(from));
    })
}

/// For each candidate its name, its rate in GB/s, and that rate over memcpy's and the rival's.
type Cells = Vec<(String, [f64; 3])>;

fn measure(mut candidates: Vec<Candidate>, bytes: usize) -> Cells {
    let mut calls = Vec::new();
    for candidate in &mut candidates {
        (candidate.run)();
        let start = Instant::now();
        (0..8).for_each(|_| (candidate.run)());
        calls.push((TURN.as_secs_f64() / (start.elapsed().as_secs_f64() / 8.0)).ceil() as usize);
    }
    let mut rounds = vec![Vec::new(); candidates.len()];
    for _ in 0..ROUNDS {
        let rate = |(candidate, calls): (&mut Candidate, &usize)| {
            (candidate.run)();
            let start = Instant::now();
            (0..*calls).for_each(|_| black_box(&mut candidate.run)());
            (bytes * calls) as f64 / start.elapsed().as_secs_f64() / 1e9
        };
        let rates: Vec<f64> = candidates.iter_mut().zip(&calls).map(rate).collect();
        for (cell, rate) in rounds.iter_mut().zip(&rates) {
            cell.push([*rate, rate / rates[0], rate / rates[1]]);
        }
    }
    let median = |rounds: &[[f64; 3]], i: usize| {
        let mut values: Vec<f64> = rounds.iter().map(|round| round[i]).collect();
        values.sort_by(f64::total_cmp);
        values[ROUNDS / 2]
    };
    let medians = rounds.iter().map(|r| [median(r, 0), median(r, 1), median(r, 2)]);
    candidates.into_iter().map(|c| c.name).zip(medians).collect()
}

fn table(title: &str, cells: impl Fn(usize, usize) -> Cells) {
    println!("\n{title}");
    print!("{:12}", "");
    CODES.iter().for_each(|(k, m)| print!(" | {:^24}", format!("{k}+{m}")));
    print!("\n{:12}", "");
    CODES.iter().for_each(|_| print!(" | {:>8}{:>8}{:>8}", "GB/s", "/memcpy", "/rse"));
    println!();
    let columns: Vec<Cells> = CODES.iter().map(|(k, m)| cells(*k, *m)).collect();
    for (row, (name, _)) in columns[0].iter().enumerate() {
        print!("{name:12}");
        for column in &columns {
            let [rate, memcpy, rival] = column[row].1;
            print!(" | {rate:8.2}{memcpy:8.2}{rival:8.2}");
        }
        println!();
    }
}

/// What a call costs before it touches data, the rows of the loss pattern included.
fn overhead() {
    println!("\nShortest calls, 64-byte fragments, ns");
    for (k, m) in CODES {
        let mut line = format!("{:12}", format!("{k}+{m}"));
        let calls = [("encode", encode(k, m, 64)), ("rebuild 1", reconstruct(k, m, 1, 64))];
        for (name, cells) in calls.into_iter().chain([("rebuild m", reconstruct(k, m, m, 64))]) {
            let nanos = |cell: &(String, [f64; 3])| (k * 64) as f64 / cell.1[0];
            line += &format!(" | {name} {:7.0}, rse {:7.0}", nanos(&cells[2]), nanos(&cells[1]));
        }
        println!("{line}");
    }
}

fn main() {
    println!("Best kernel: {}", Codec::new(1, 0).expect("a legal code").kernel());
    table("Encode, 64 KiB fragments", |k, m| encode(k, m, 64 * KIB));
    table("Encode, 64 KiB of data", |k, m| encode(k, m, 64 * KIB / k));
    for (len, what) in [(64 * KIB, "64 KiB fragments"), (0, "64 KiB of data")] {
        let len = |k: usize| if len == 0 { 64 * KIB / k } else { len };
        table(&format!("Rebuild 1, {what}"), |k, m| reconstruct(k, m, 1, len(k)));
        table(&format!("Rebuild 2, {what}"), |k, m| reconstruct(k, m, 2, len(k)));
        table(&format!("Rebuild m, {what}"), |k, m| reconstruct(k, m, m, len(k)));
    }
    overhead();
}
