//! MD5 of streams, alone and many at once, with kernels chosen at run time.
//!
//! MD5 is slow because each of its steps waits for the one before, not because it is much work:
//! sixteen streams in the lanes of vectors take little longer than one. [`Md5`] is computed where
//! it is called, of one stream or of several together. [`Hashers`] gathers the streams of a whole
//! process and computes them together on threads of its own, while those who have the bytes go on.
//! The digests are those of the `md-5` crate, which is the portable kernel and the oracle of the
//! tests.
//!
//! ```
//! use checksum::Hashers;
//!
//! # futures::executor::block_on(async {
//! let mut md5 = Hashers::of_the_process().md5();
//! md5.update("any bytes, ".into()).await;
//! md5.update("shared and not copied".into()).await;
//! assert_eq!(md5.finish().await[..4], [0x80, 0x63, 0x9d, 0x2a]);
//! # });
//! ```
//!
//! # What it does not do
//!
//! No I/O, no randomness, no async runtime: whatever polls a stream's futures will do. Time decides
//! what is hashed together, and nothing else.
//! It is no protection against anybody: MD5 is here because protocols want it.
//!
//! # Modules
//!
//! - `md5`: [`Md5`], one stream or several where they are called.
//! - `hashers`: [`Hashers`], the threads, and [`Md5Stream`], what is hashed there.
//! - `kernel`: [`Kernel`], and under it one module for each instruction set. The only unsafe code.

mod hashers;
mod kernel;
mod md5;

pub use hashers::{Hashers, Md5Stream};
pub use kernel::Kernel;
pub use md5::Md5;
