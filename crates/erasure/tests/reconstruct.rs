//! Any `k` fragments give back any others, and only those asked for.
#![allow(clippy::unwrap_used)]

use erasure::{Codec, Error, FRAGMENTS_MAX, Kernel};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const CODES: [(usize, usize); 4] = [(4, 2), (6, 3), (8, 4), (12, 4)];

/// All fragments of one stripe of noise.
fn stripe(k: usize, m: usize, len: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut fragments = vec![vec![0; len]; k + m];
    let (data, parity) = fragments.split_at_mut(k);
    data.iter_mut().for_each(|fragment| rng.fill_bytes(fragment));
    let data: Vec<&[u8]> = data.iter().map(Vec::as_slice).collect();
    let mut parity: Vec<&mut [u8]> = parity.iter_mut().map(Vec::as_mut_slice).collect();
    let codec = Codec::with_kernel(k, m, Kernel::Portable).unwrap();
    codec.encode(&data, &mut parity).unwrap();
    fragments
}

/// Rebuilds the fragments of `wanted` from those that are not in `lost`, both bit masks.
fn rebuild(
    codec: &Codec,
    stripe: &[Vec<u8>],
    lost: u32,
    wanted: u32,
) -> Result<Vec<(usize, Vec<u8>)>, Error> {
    let bit = |mask: u32, i: usize| mask >> i & 1 == 1;
    let present: Vec<Option<&[u8]>> =
        stripe.iter().enumerate().map(|(i, f)| (!bit(lost, i)).then_some(&f[..])).collect();
    let mut rebuilt: Vec<(usize, Vec<u8>)> = (0..stripe.len())
        .filter(|i| bit(wanted, *i))
        .map(|i| (i, vec![0xEE; stripe[0].len()]))
        .collect();
    let mut buffers: Vec<(usize, &mut [u8])> =
        rebuilt.iter_mut().map(|(i, buffer)| (*i, &mut buffer[..])).collect();
    codec.reconstruct(&present, &mut buffers)?;
    Ok(rebuilt)
}

fn check(codec: &Codec, stripe: &[Vec<u8>], lost: u32, wanted: u32) {
    for (i, fragment) in rebuild(codec, stripe, lost, wanted).unwrap() {
        assert!(fragment == stripe[i], "{}: fragment {i}, {lost:b} lost", codec.kernel());
    }
}

fn codecs(k: usize, m: usize) -> impl Iterator<Item = Codec> {
    let available = Kernel::ALL.into_iter().filter(|kernel| kernel.is_available());
    available.map(move |kernel| Codec::with_kernel(k, m, kernel).unwrap())
}

#[test]
fn every_loss_that_can_be_survived() {
    for (k, m) in CODES {
        let stripe = stripe(k, m, 97, 1);
        for codec in codecs(k, m) {
            for lost in 0..1u32 << (k + m) {
                if lost.count_ones() as usize <= m {
                    check(&codec, &stripe, lost, lost);
                }
            }
        }
    }
}

#[test]
fn every_subset_of_a_loss() {
    let stripe = stripe(6, 3, 70, 2);
    let codec = Codec::new(6, 3).unwrap();
    for lost in (0..1u32 << 9).filter(|lost| lost.count_ones() <= 3) {
        for wanted in (0..1u32 << 9).filter(|wanted| wanted & !lost == 0) {
            check(&codec, &stripe, lost, wanted);
        }
    }
}

#[test]
fn long_fragments() {
    for (k, m) in CODES {
        let stripe = stripe(k, m, 65_537, 3);
        for codec in codecs(k, m) {
            for shift in 0..=k {
                let lost = ((1 << m) - 1) << shift;
                check(&codec, &stripe, lost, lost);
                check(&codec, &stripe, lost, 1 << shift);
            }
        }
    }
}

#[test]
fn every_loss_that_cannot_be_survived() {
    for (k, m) in CODES {
        let stripe = stripe(k, m, 3, 4);
        let codec = Codec::new(k, m).unwrap();
        for lost in (0..1u32 << (k + m)).filter(|lost| lost.count_ones() as usize > m) {
            let wanted = lost & lost.wrapping_neg();
            let present = k + m - lost.count_ones() as usize;
            assert_eq!(
                rebuild(&codec, &stripe, lost, wanted),
                Err(Error::TooFewPresent { present, needed: k })
            );
        }
    }
}

#[test]
fn nothing_wanted_is_nothing_done() {
    let stripe = stripe(4, 2, 10, 5);
    let codec = Codec::new(4, 2).unwrap();
    assert_eq!(rebuild(&codec, &stripe, 0b11, 0), Ok(vec![]));
}

#[test]
fn wanted_fragments_come_in_any_order() {
    let stripe = stripe(4, 2, 100, 6);
    let codec = Codec::new(4, 2).unwrap();
    let mut present: Vec<Option<&[u8]>> = stripe.iter().map(|f| Some(&f[..])).collect();
    (present[1], present[5]) = (None, None);
    let (mut five, mut one) = ([0; 100], [0; 100]);
    codec.reconstruct(&present, &mut [(5, &mut five), (1, &mut one)]).unwrap();
    assert_eq!((&five[..], &one[..]), (&stripe[5][..], &stripe[1][..]));
}

#[test]
fn arguments_that_do_not_fit_are_refused() {
    let stripe = stripe(2, 2, 8, 7);
    let codec = Codec::new(2, 2).unwrap();
    let present = [None, Some(&stripe[1][..]), Some(&stripe[2][..]), None];
    let (mut a, mut b, mut short) = ([7; 8], [7; 8], [7; 7]);
    assert_eq!(
        codec.reconstruct(&present[..3], &mut [(0, &mut a)]),
        Err(Error::FragmentCount { expected: 4, found: 3 })
    );
    assert_eq!(
        codec.reconstruct(&present, &mut [(4, &mut a)]),
        Err(Error::NoSuchFragment { fragment: 4, total: 4 })
    );
    assert_eq!(
        codec.reconstruct(&present, &mut [(1, &mut a)]),
        Err(Error::AlreadyPresent { fragment: 1 })
    );
    assert_eq!(
        codec.reconstruct(&present, &mut [(3, &mut a), (3, &mut b)]),
        Err(Error::WantedTwice { fragment: 3 })
    );
    assert_eq!(
        codec.reconstruct(&present, &mut [(3, &mut a), (0, &mut short)]),
        Err(Error::FragmentLength { fragment: 0, expected: 8, found: 7 })
    );
    let uneven = [None, Some(&stripe[1][..]), Some(&stripe[2][..5]), None];
    assert_eq!(
        codec.reconstruct(&uneven, &mut [(0, &mut a)]),
        Err(Error::FragmentLength { fragment: 2, expected: 8, found: 5 })
    );
    assert_eq!((a, b, short), ([7; 8], [7; 8], [7; 7]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_code_and_loss(
        k in 1..=FRAGMENTS_MAX,
        m in 0..FRAGMENTS_MAX,
        len in 0..5_000usize,
        pattern: u32,
        wanted: u32,
        seed: u64,
    ) {
        let m = m.min(FRAGMENTS_MAX - k);
        // The first `m` set bits of the pattern that fall in the stripe are lost.
        let mut lost = 0u32;
        for i in (0..k + m).filter(|i| pattern >> i & 1 == 1).take(m) {
            lost |= 1 << i;
        }
        let stripe = stripe(k, m, len, seed);
        for codec in codecs(k, m) {
            check(&codec, &stripe, lost, lost);
            check(&codec, &stripe, lost, lost & wanted);
        }
    }
}
