//! Streams hashed by threads: right digests, bounded memory, and nothing left behind.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use checksum::{Hashers, Md5Stream};
use futures::{FutureExt, executor::block_on, future::join_all};
use md5::Digest;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

const KIB: usize = 1024;

fn noise(bytes: usize, seed: usize) -> Bytes {
    (0..bytes).map(|i| ((i + seed * 977).wrapping_mul(0x9E37_79B9) >> 15) as u8).collect()
}

fn expected(data: &[u8]) -> [u8; 16] {
    md5::Md5::digest(data).into()
}

fn everywhere() -> [Hashers; 4] {
    let start = |threads| Hashers::start(threads).unwrap();
    [Hashers::inline(), start(1), start(2), start(5)]
}

/// A buffer that counts those there are.
struct Counted(Vec<u8>, Arc<AtomicUsize>);

impl Counted {
    fn bytes(count: &Arc<AtomicUsize>, bytes: usize) -> Bytes {
        count.fetch_add(1, Ordering::SeqCst);
        Bytes::from_owner(Self(vec![7; bytes], count.clone()))
    }
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(1, Ordering::SeqCst);
    }
}

#[test]
fn many_streams_at_once_whatever_their_lengths_and_pieces() {
    // More than there are lanes; short ones, which are hashed where they are, among long ones.
    let contents: Vec<Bytes> = (0..90).map(|i| noise(i * i * i * i % 700_001, i)).collect();
    for hashers in everywhere() {
        let stream = |(number, content): (usize, &Bytes)| {
            let (mut md5, content) = (hashers.md5(), content.clone());
            async move {
                let mut rest = content;
                for step in number.. {
                    let piece = rest.len().min([1, 63, 64, 1000, 20_000, 65_536][step % 6]);
                    md5.update(rest.split_to(piece)).await;
                    if rest.is_empty() {
                        break;
                    }
                }
                md5.finish().await
            }
        };
        let digests = block_on(join_all(contents.iter().enumerate().map(stream)));
        for (digest, content) in digests.into_iter().zip(&contents) {
            assert_eq!(digest, expected(content), "{hashers:?}, {} bytes", content.len());
        }
    }
}

#[test]
fn callers_on_many_threads() {
    let hashers = Hashers::start(2).unwrap();
    let callers: Vec<_> = (0..12)
        .map(|seed| {
            let hashers = hashers.clone();
            std::thread::spawn(move || {
                let content = noise(400_000 + seed, seed);
                for _ in 0..4 {
                    let digest = block_on(async {
                        let mut md5 = hashers.md5();
                        for piece in content.chunks(50_000) {
                            md5.update(content.slice_ref(piece)).await;
                        }
                        md5.finish().await
                    });
                    assert_eq!(digest, expected(&content));
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
}

#[test]
fn a_stream_holds_a_bounded_number_of_bytes() {
    let hashers = Hashers::start(1).unwrap();
    let count = Arc::new(AtomicUsize::new(0));
    let mut md5 = hashers.md5();
    block_on(async {
        for _ in 0..500 {
            md5.update(Counted::bytes(&count, 64 * KIB)).await;
            let held = count.load(Ordering::SeqCst);
            // A MiB, and the piece of which a part is hashed.
            assert!(held <= 17, "{held} pieces of 64 KiB are held");
        }
        assert_eq!(md5.finish().await, expected(&vec![7; 500 * 64 * KIB]));
    });
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn a_short_stream_needs_nobody_else() {
    let hashers = Hashers::start(1).unwrap();
    let short = async {
        let mut md5 = hashers.md5();
        md5.update(noise(60 * KIB, 1)).await;
        md5.finish().await
    };
    assert_eq!(short.now_or_never(), Some(expected(&noise(60 * KIB, 1))));
    let inline = async {
        let mut md5 = Hashers::inline().md5();
        md5.update(noise(4096 * KIB, 1)).await;
        md5.finish().await
    };
    assert_eq!(inline.now_or_never(), Some(expected(&noise(4096 * KIB, 1))));
    assert_eq!(hashers.md5().finish().now_or_never(), Some(expected(b"")));
}

#[test]
fn a_stream_does_not_wait_for_others_that_are_silent() {
    let hashers = Hashers::start(1).unwrap();
    let content = noise(3000 * KIB, 1);
    block_on(async {
        let mut silent: Vec<_> = (0..3).map(|_| hashers.md5()).collect();
        for md5 in &mut silent {
            md5.update(content.slice(..100 * KIB)).await;
        }
        for bytes in [70 * KIB, 600 * KIB, 3000 * KIB] {
            let mut md5 = hashers.md5();
            for piece in content[..bytes].chunks(64 * KIB) {
                md5.update(content.slice_ref(piece)).await;
            }
            assert_eq!(md5.finish().await, expected(&content[..bytes]));
        }
        for md5 in silent {
            assert_eq!(md5.finish().await, expected(&content[..100 * KIB]));
        }
    });
}

#[test]
fn streams_dropped_in_the_middle_leave_nothing_and_threads_end() {
    let count = Arc::new(AtomicUsize::new(0));
    for round in 0..50 {
        let hashers = Hashers::start(1 + round % 2).unwrap();
        let mut streams: Vec<Md5Stream> = (0..20).map(|_| hashers.md5()).collect();
        // Some wait for room when they are dropped.
        for md5 in &mut streams {
            for _ in 0..=round {
                md5.update(Counted::bytes(&count, 40 * KIB)).now_or_never();
            }
        }
        let last = streams.pop().unwrap();
        drop(streams);
        // The last stream keeps the threads, which have forgotten the others.
        drop(hashers);
        let digest = block_on(last.finish());
        let whole = (0..=round + 1).find(|n| digest == expected(&vec![7; n * 40 * KIB]));
        assert!(whole.is_some(), "a piece was hashed in part, or twice");
        // The threads have ended: whatever they held is free.
        assert_eq!(count.load(Ordering::SeqCst), 0);
    }
}
