//! Parity is byte-identical to that of `reed-solomon-erasure`, on every kernel of this processor.
#![allow(clippy::unwrap_used)]

use erasure::{Codec, Error, FRAGMENTS_MAX, Kernel};
use proptest::prelude::*;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use reed_solomon_erasure::galois_8::ReedSolomon;

const LENGTHS: [usize; 21] = [
    0, 1, 2, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 255, 1000, 1023, 65535, 65536,
    65537,
];

fn noise(fragments: usize, len: usize, seed: u64) -> Vec<Vec<u8>> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut data = vec![vec![0; len]; fragments];
    data.iter_mut().for_each(|fragment| rng.fill_bytes(fragment));
    data
}

fn kernels() -> impl Iterator<Item = Kernel> {
    Kernel::ALL.into_iter().filter(|kernel| kernel.is_available())
}

/// What `reed-solomon-erasure` makes of the data. It refuses empty fragments, whose parity is
/// empty too.
fn oracle(data: &[&[u8]], parity: usize) -> Vec<Vec<u8>> {
    let mut expected = vec![vec![0; data[0].len()]; parity];
    if !data[0].is_empty() {
        let oracle = ReedSolomon::new(data.len(), parity).unwrap();
        oracle.encode_sep(data, &mut expected).unwrap();
    }
    expected
}

fn check(data: &[&[u8]], parity: usize) {
    let expected = oracle(data, parity);
    for kernel in kernels() {
        let codec = Codec::with_kernel(data.len(), parity, kernel).unwrap();
        // Buffers are reused, so what they hold must not matter.
        let mut made = vec![vec![0xEE; data[0].len()]; parity];
        let mut slices: Vec<&mut [u8]> = made.iter_mut().map(Vec::as_mut_slice).collect();
        codec.encode(data, &mut slices).unwrap();
        assert!(made == expected, "{kernel}, {}+{parity}, {}", data.len(), data[0].len());
    }
}

#[test]
fn every_code_at_every_length() {
    let noise = noise(FRAGMENTS_MAX, 65537, 1);
    for k in 1..FRAGMENTS_MAX {
        for m in 1..=FRAGMENTS_MAX - k {
            for len in LENGTHS {
                let data: Vec<&[u8]> = noise[..k].iter().map(|f| &f[..len]).collect();
                check(&data, m);
            }
        }
    }
}

#[test]
fn one_data_fragment_is_copied() {
    let codec = Codec::new(1, 3).unwrap();
    let mut parity = [[0; 5]; 3];
    let [a, b, c] = &mut parity;
    codec.encode(&[b"Cairn"], &mut [a, b, c]).unwrap();
    assert_eq!(parity, [*b"Cairn"; 3]);
}

#[test]
fn no_parity_is_legal() {
    let codec = Codec::new(FRAGMENTS_MAX, 0).unwrap();
    assert_eq!(codec.encode(&[&[1, 2, 3][..]; FRAGMENTS_MAX], &mut []), Ok(()));
}

#[test]
fn codes_out_of_bounds_are_refused() {
    for (data, parity) in [(0, 0), (0, 4), (33, 0), (1, 32), (usize::MAX, 1), (1, usize::MAX)] {
        assert_eq!(Codec::new(data, parity).unwrap_err(), Error::Shape { data, parity });
    }
}

#[test]
fn a_kernel_the_processor_lacks_is_refused() {
    for kernel in Kernel::ALL {
        match Codec::with_kernel(4, 2, kernel) {
            Ok(codec) => assert_eq!((codec.kernel(), kernel.is_available()), (kernel, true)),
            Err(error) => {
                assert_eq!(error, Error::KernelUnavailable { kernel });
                assert!(!kernel.is_available());
            }
        }
    }
}

#[test]
fn fragments_that_do_not_fit_are_refused() {
    let codec = Codec::new(2, 2).unwrap();
    let (mut p, mut q, mut short) = ([7; 8], [7; 8], [7; 7]);
    let data: [&[u8]; 2] = [&[1; 8], &[2; 8]];
    assert_eq!(
        codec.encode(&data[..1], &mut [&mut p, &mut q]),
        Err(Error::FragmentCount { expected: 2, found: 1 })
    );
    assert_eq!(
        codec.encode(&data, &mut [&mut p]),
        Err(Error::FragmentCount { expected: 2, found: 1 })
    );
    assert_eq!(
        codec.encode(&[&[1; 8], &[2; 9]], &mut [&mut p, &mut q]),
        Err(Error::FragmentLength { fragment: 1, expected: 8, found: 9 })
    );
    assert_eq!(
        codec.encode(&data, &mut [&mut p, &mut short]),
        Err(Error::FragmentLength { fragment: 3, expected: 8, found: 7 })
    );
    assert_eq!((p, q, short), ([7; 8], [7; 8], [7; 7]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// Fragments are slices of something larger in practice, so they start anywhere.
    #[test]
    fn any_code_length_and_alignment(
        k in 1..FRAGMENTS_MAX,
        m in 1..FRAGMENTS_MAX,
        len in prop_oneof![0..300usize, 0..40_000usize],
        offset in 0..64usize,
        seed: u64,
    ) {
        let m = m.min(FRAGMENTS_MAX - k);
        let noise = noise(k, offset + len, seed);
        let data: Vec<&[u8]> = noise.iter().map(|f| &f[offset..]).collect();
        check(&data, m);
    }
}
