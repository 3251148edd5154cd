//! Systematic Reed-Solomon codes over GF(2^8), with kernels chosen at run time.
//!
//! A stripe of `k` data fragments gains `m` parity fragments of the same length; any `k` of the
//! `k + m` give every other one back. The bytes are those of the `reed-solomon-erasure` crate
//! (polynomial 0x11D, a Vandermonde matrix made systematic), which is the portable kernel's
//! arithmetic and the oracle of the tests, so a fragment on disk does not depend on the processor
//! that wrote it.
//!
//! ```
//! use erasure::Codec;
//!
//! let codec = Codec::new(4, 2)?;
//! let data: [&[u8]; 4] = [b"any ", b"four", b" of ", b"six!"];
//! let (mut p, mut q) = ([0; 4], [0; 4]);
//! codec.encode(&data, &mut [&mut p, &mut q])?;
//!
//! // Fragments 1 and 4 are lost; only fragment 1 is wanted back.
//! let present = [Some(data[0]), None, Some(data[2]), Some(data[3]), None, Some(&q[..])];
//! let mut rebuilt = [0; 4];
//! codec.reconstruct(&present, &mut [(1, &mut rebuilt)])?;
//! assert_eq!(&rebuilt, b"four");
//! # Ok::<(), erasure::Error>(())
//! ```
//!
//! # What it does not do
//!
//! No I/O, no async, no clock, no randomness, no threads, and no allocation after [`Codec::new`].
//! It does not detect corruption: a wrong fragment handed in as present gives wrong bytes out, so
//! callers verify checksums first. It neither splits objects into fragments nor pads them.
//!
//! Buffers belong to the caller. The kernels take them anywhere, but run fastest when they are
//! reused, start on 64-byte boundaries, hold stripes small enough (64 KiB a fragment) that the
//! next step finds them in cache, and do not all start a multiple of 4 KiB apart, where they
//! compete for the same lines of the first-level cache. At 8+4 with 8 KiB a fragment, a pitch of
//! 8 KiB plus one line encoded a third faster than one of 8 KiB.
//!
//! # Modules
//!
//! - `codec`: [`Codec`], which checks its arguments and hands them to a kernel.
//! - `rows`: the coefficients that make any fragment from any `k` others.
//! - `field`: arithmetic in GF(2^8) and the tables the kernels look coefficients up in.
//! - `kernel`: [`Kernel`], and under it one module for each instruction set. The only unsafe code.
//! - `error`: [`Error`].

mod codec;
mod error;
mod field;
mod kernel;
mod rows;

pub use codec::{Codec, FRAGMENTS_MAX};
pub use error::Error;
pub use kernel::Kernel;
