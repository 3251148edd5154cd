//! Each kernel against the `md-5` crate's compression function.

use super::*;

fn engines() -> impl Iterator<Item = Engine> {
    Kernel::ALL.into_iter().filter_map(Engine::of)
}

fn noise(seed: usize, blocks: usize) -> Vec<Block> {
    let byte = |i: usize| ((seed * 70_001 + i).wrapping_mul(0x9E37_79B9) >> 13) as u8;
    (0..blocks).map(|block| std::array::from_fn(|i| byte(block * 64 + i))).collect()
}

/// A job for each length, of states that differ, beside what must come out.
fn check(engine: Engine, lengths: &[usize]) {
    let data: Vec<_> = lengths.iter().enumerate().map(|(seed, n)| noise(seed, *n)).collect();
    let start = |seed: usize| {
        std::array::from_fn(|x| (seed as u32 * 4 + x as u32).wrapping_mul(0x9E37_79B9))
    };
    let mut states: Vec<State> = (0..lengths.len()).map(start).collect();
    let mut expected = states.clone();
    for (state, blocks) in expected.iter_mut().zip(&data) {
        portable::compress(state, blocks);
    }
    let jobs = states.iter_mut().zip(&data);
    let mut jobs: Vec<_> = jobs.map(|(state, blocks)| Job { state, blocks }).collect();
    engine.compress_together(&mut jobs);
    assert_eq!(states, expected, "{engine:?} {lengths:?}");
}

#[test]
fn every_number_of_streams() {
    for engine in engines() {
        for streams in 0..=70 {
            check(engine, &vec![3; streams]);
        }
    }
}

#[test]
fn streams_end_at_any_block_and_others_take_their_lanes() {
    for engine in engines() {
        for streams in [2, 3, 8, 9, 16, 17, 31, 32, 33, 64, 65] {
            let up: Vec<usize> = (0..streams).collect();
            let down: Vec<usize> = (0..streams).rev().collect();
            let mixed: Vec<usize> = (0..streams).map(|i| i * 7 % 11).collect();
            let one_long: Vec<usize> = (0..streams).map(|i| if i == 1 { 40 } else { 1 }).collect();
            [up, down, mixed, one_long, vec![0; streams]].iter().for_each(|l| check(engine, l));
        }
    }
}

#[test]
fn one_stream_of_any_number_of_blocks() {
    for engine in engines() {
        (0..20).for_each(|blocks| check(engine, &[blocks]));
    }
}

#[test]
fn the_portable_kernel_is_always_there() {
    assert!(Kernel::Portable.is_available());
    assert!(Engine::best().kernel().is_available());
    assert_eq!(format!("{:>9}", Kernel::Portable), " portable");
}
