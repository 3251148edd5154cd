//! Whole chunks: what is made is accepted, what is damaged is not.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use bytes::Bytes;
use common::{ORIGIN, chunk, content, name};
use layout::{
    Footer, FooterError, Geometry, MAX_CHUNK_BYTES, Seed, StripeSum, Verified, Verifier,
    VerifyError, fragment_crc,
};
use model::{BlobId, ChunkName, Method};
use proptest::prelude::*;

const EC: Method = Method::Erasure { data: 2, parity: 1 };
const COPIES: Method = Method::Copies { copies: 2 };

fn verify(
    name: &ChunkName,
    origin: BlobId,
    slices: impl IntoIterator<Item = Bytes>,
) -> Result<Verified, VerifyError> {
    let mut verifier = Verifier::new(name, origin);
    for slice in slices {
        verifier.push(slice)?;
    }
    verifier.finish()
}

#[test]
fn chunks_of_all_edges_verify() {
    for method in [EC, COPIES, Method::Erasure { data: 6, parity: 3 }] {
        let stripe = Geometry::new(method).stripe_bytes() as usize;
        for length in [1, 2, 65_535, 65_536, 65_537, stripe - 1, stripe, stripe + 1, 3 * stripe] {
            for position in [0, 1] {
                let (bytes, footer) = chunk(method, position, &content(length));
                let whole = verify(&name(position), ORIGIN, [bytes.clone()]).unwrap();
                assert_eq!(whole, Verified { footer, bytes: bytes.len() as u64 });
            }
        }
    }
}

#[test]
fn every_flipped_bit_is_detected() {
    let (bytes, _) = chunk(EC, 1, b"cairn");
    for bit in 0..bytes.len() * 8 {
        let mut damaged = bytes.to_vec();
        damaged[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&name(1), ORIGIN, [damaged.into()]).is_err(), "bit {bit}");
    }
}

#[test]
fn every_cut_is_detected() {
    let (bytes, _) = chunk(EC, 1, &content(200_000));
    for end in (0..bytes.len()).step_by(997).chain(bytes.len() - 300..bytes.len()) {
        assert!(verify(&name(1), ORIGIN, [bytes.slice(..end)]).is_err(), "cut at {end}");
    }
    let twice = [bytes.clone(), bytes];
    assert!(verify(&name(1), ORIGIN, twice).is_err());
}

#[test]
fn a_chunk_is_only_accepted_under_its_name() {
    let (bytes, _) = chunk(EC, 1, &content(300_000));
    let mut other = name(1);
    other.metachunk = 1;
    for (name, origin) in [(name(0), ORIGIN), (other, ORIGIN), (name(1), BlobId([9; 16]))] {
        let error = verify(&name, origin, [bytes.clone()]).unwrap_err();
        assert!(matches!(error, VerifyError::Block(_)), "{error}");
    }
    let (small, _) = chunk(EC, 1, b"cairn");
    let error = verify(&name(0), ORIGIN, [small.clone()]).unwrap_err();
    assert!(error.to_string().contains("position is 1, expected 0"), "{error}");
    // A link has another blob and another write id, and the same origin.
    let link = ChunkName { blob: BlobId([3; 16]), ..name(1) };
    verify(&link, ORIGIN, [small]).unwrap();
}

#[test]
fn blocks_of_another_metachunk_of_the_same_length_are_not_the_footers() {
    let (a, _) = chunk(EC, 1, &content(100_000));
    let mut changed = content(100_000);
    changed[0] ^= 1;
    let (b, footer) = chunk(EC, 1, &changed);
    // Position 1 holds the same fragment in both; only the stripe's sum differs.
    let body = footer.body_bytes() as usize;
    let error = verify(&name(1), ORIGIN, [a.slice(..body), b.slice(body..)]).unwrap_err();
    let VerifyError::Footer(FooterError::Mismatch { field, .. }) = error else {
        panic!("{error}");
    };
    assert_eq!(field, "stripes hash");
}

#[test]
fn an_endless_body_is_cut_off() {
    let mut verifier = Verifier::new(&name(0), ORIGIN);
    let zeros = Bytes::from(vec![0; 65_000]);
    verifier.push(zeros.clone()).unwrap();
    assert!(matches!(verifier.push(zeros), Err(VerifyError::Block(_))));
    let mut verifier = Verifier::new(&name(0), ORIGIN);
    let all = Bytes::from(vec![0; MAX_CHUNK_BYTES as usize + 1]);
    assert_eq!(verifier.push(all), Err(VerifyError::TooLong));
}

#[test]
fn the_longest_names_fit_a_footer() {
    let (_, footer) = chunk(EC, 1, b"x");
    let longest = Footer {
        policy: "p".repeat(32).parse().unwrap(),
        account: "a".repeat(256).parse().unwrap(),
        container: "c".repeat(256).parse().unwrap(),
        object: "o".repeat(1024).parse().unwrap(),
        ..footer
    };
    let bytes = longest.encode();
    assert_eq!(Footer::parse(&bytes), Ok((longest, bytes.len())));
}

/// A footer's bytes with a right sum around any body.
fn sealed(body: &[u8]) -> Vec<u8> {
    let mut out = body.to_vec();
    out.extend((body.len() as u32).to_le_bytes());
    out.extend(fragment_crc(&out).to_le_bytes());
    out.extend(layout::MAGIC);
    out
}

proptest! {
    #[test]
    fn slicing_does_not_matter(
        length in prop_oneof![1usize..300, 60_000usize..400_000],
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..40),
        copies: bool,
    ) {
        let method = if copies { COPIES } else { EC };
        let (bytes, footer) = chunk(method, 1, &content(length));
        let mut cuts: Vec<_> = cuts.iter().map(|i| i.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let mut at = 0;
        let slices = cuts.iter().map(|&end| bytes.slice(std::mem::replace(&mut at, end)..end));
        let whole = verify(&name(1), ORIGIN, slices.collect::<Vec<_>>()).unwrap();
        prop_assert_eq!(whole.footer, footer);
    }

    #[test]
    fn a_flipped_byte_anywhere_is_detected(
        length in 1usize..400_000,
        at: prop::sample::Index,
        mask in 1u8..,
    ) {
        let (bytes, _) = chunk(EC, 0, &content(length));
        let mut damaged = bytes.to_vec();
        damaged[at.index(bytes.len())] ^= mask;
        prop_assert!(verify(&name(0), ORIGIN, [damaged.into()]).is_err());
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..5000)) {
        prop_assert!(Footer::parse(&bytes).is_err());
        let _ = Footer::parse(&sealed(&bytes));
        let mut with_magic = bytes.clone();
        with_magic.extend(layout::MAGIC);
        let _ = Footer::parse(&with_magic);
        prop_assert!(verify(&name(0), ORIGIN, [bytes.into()]).is_err());
    }

    #[test]
    fn a_changed_footer_body_is_refused_or_reads_back_the_same(
        at: prop::sample::Index,
        value: u8,
    ) {
        let (_, footer) = chunk(EC, 1, b"cairn");
        let bytes = footer.encode();
        let mut body = bytes[..bytes.len() - layout::FOOTER_TAIL_BYTES].to_vec();
        let at = at.index(body.len());
        body[at] = value;
        let changed = sealed(&body);
        if let Ok((parsed, length)) = Footer::parse(&changed) {
            prop_assert_eq!(length, changed.len());
            prop_assert_eq!(parsed.encode(), changed);
        }
    }

    #[test]
    fn one_pass_gives_the_same_sums_as_many(k in 1u8..16, length in 1u64..2_000_000) {
        let geometry = Geometry::new(Method::Erasure { data: k, parity: 1 });
        let last = (length - 1) / geometry.stripe_bytes();
        let stripe = geometry.stripe(length, last as u32).unwrap();
        let data = content(stripe.data_bytes());
        let seed = Seed::new(ORIGIN, 7, 3);
        let mut sum = StripeSum::new(stripe.fragment_bytes());
        for j in 0..geometry.data() {
            let mut fragment = data[stripe.fragment(j)].to_vec();
            let crc = sum.push(&fragment);
            fragment.resize(stripe.fragment_bytes(), 0);
            prop_assert_eq!(crc, fragment_crc(&fragment));
            prop_assert_eq!(
                seed.crc_of(stripe.number(), crc, fragment.len()),
                seed.crc(stripe.number(), &fragment)
            );
        }
        prop_assert_eq!(sum.finish(), fragment_crc(&data));
    }
}
