//! Lengths and places, against the plainest way to compute them.
#![allow(clippy::unwrap_used, reason = "a test may")]

use layout::{Geometry, Stripe};
use model::{BLOCK_BYTES, MAX_CHUNK_BLOCKS, Method, Policy};
use proptest::prelude::*;

fn method(k: u8, m: u8) -> Method {
    if m == 0 { Method::Copies { copies: 1 } } else { Method::Erasure { data: k, parity: m } }
}

/// Lengths around the edges, and any.
fn lengths(geometry: Geometry) -> impl Strategy<Value = u64> {
    let (block, stripe) = (BLOCK_BYTES, geometry.stripe_bytes());
    let full = geometry.metachunk_bytes(MAX_CHUNK_BLOCKS);
    prop_oneof![
        prop::sample::select(vec![
            0,
            1,
            block - 1,
            block,
            block + 1,
            stripe - 1,
            stripe,
            stripe + 1,
            full - 1,
            full
        ]),
        0..5 * stripe,
        0..=full,
    ]
}

fn cases() -> impl Strategy<Value = (Geometry, u64)> {
    (1u8..=16, 0u8..=16)
        .prop_map(|(k, m)| Geometry::new(method(k, m)))
        .prop_flat_map(|g| (Just(g), lengths(g)))
}

fn stripes(geometry: Geometry, length: u64) -> Vec<Stripe> {
    (0..).map_while(|n| geometry.stripe(length, n)).collect()
}

proptest! {
    #[test]
    fn stripes_and_fragments_cover_every_byte_once((geometry, length) in cases()) {
        let stripes = stripes(geometry, length);
        prop_assert_eq!(Some(stripes.len() as u32), geometry.stripes(length));
        let mut offset = 0;
        let mut body = 0;
        for stripe in &stripes {
            prop_assert_eq!(stripe.offset(), offset);
            prop_assert_eq!(stripe.block().start, body);
            let mut within = 0;
            for j in 0..geometry.data() {
                let fragment = stripe.fragment(j);
                prop_assert_eq!(fragment.start, within);
                prop_assert!(fragment.len() <= stripe.fragment_bytes());
                within = fragment.end;
            }
            prop_assert_eq!(within, stripe.data_bytes());
            let zeros = geometry.data() * stripe.fragment_bytes() - within;
            prop_assert!(zeros < geometry.data());
            prop_assert!(stripe.fragment_bytes() as u64 <= BLOCK_BYTES);
            offset += within as u64;
            body = stripe.block().end;
        }
        prop_assert_eq!(offset, length);
        prop_assert_eq!(body, geometry.body_bytes(length));
    }

    #[test]
    fn a_range_touches_exactly_its_bytes(
        (geometry, length) in cases(),
        a in any::<prop::sample::Index>(),
        span in 0u64..3_000_000,
    ) {
        let start = a.index(length as usize + 2) as u64;
        let end = start + span;
        let mut at = start;
        for part in geometry.range(length, start..end) {
            prop_assert_eq!(part.stripe.offset() + part.range.start as u64, at);
            prop_assert!(!part.range.is_empty());
            let mut within = part.range.start;
            for (j, range) in part.fragments() {
                let whole = part.stripe.fragment(j);
                prop_assert!(!range.is_empty());
                prop_assert_eq!(whole.start + range.start, within);
                prop_assert!(whole.start + range.end <= whole.end);
                within = whole.start + range.end;
            }
            prop_assert_eq!(within, part.range.end);
            at += part.range.len() as u64;
        }
        prop_assert_eq!(at.max(start), end.min(length).max(start));
    }
}

#[test]
fn nonsense_is_answered_and_not_computed() {
    let geometry = Geometry::new(method(6, 3));
    assert_eq!(geometry.stripes(u64::MAX), None);
    assert_eq!(geometry.stripes(geometry.metachunk_bytes(MAX_CHUNK_BLOCKS) + 1), None);
    assert!(geometry.stripe(u64::MAX, u32::MAX).is_some());
    assert!(geometry.body_bytes(u64::MAX) > 0);
    assert_eq!(geometry.range(10, 10..u64::MAX).count(), 0);
    #[allow(clippy::reversed_empty_ranges)]
    let reversed = 7..3;
    assert_eq!(geometry.range(10, reversed).count(), 0);
    assert!(geometry.stripe(10, 0).unwrap().fragment(usize::MAX).is_empty());
}

#[test]
fn a_content_is_cut_into_full_metachunks_and_a_rest() {
    let policy = Policy::new("P", method(6, 3)).unwrap();
    let full = policy.metachunk_bytes();
    let geometry = Geometry::new(policy.method);
    assert_eq!(geometry.metachunks(&policy, 0).count(), 0);
    let cut: Vec<_> = geometry.metachunks(&policy, 2 * full + 5).collect();
    assert_eq!(cut, [0..full, full..2 * full, 2 * full..2 * full + 5]);
}
