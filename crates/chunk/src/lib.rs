//! The chunk server: volumes, the chunk format on disk, HTTP for bodies and gRPC for control.
//!
//! - [`server`]: a server put together, from a [`Config`]; [`volume`] is one disk of it.
//! - [`engine`]: what a volume can do; [`files`] does it with one file per chunk.
//! - [`http`](mod@crate::http): PUT, GET, HEAD, DELETE and COPY of bodies; [`service`]: gRPC for control.
//! - [`rebuild`]: a lost chunk made anew from those that are left.
//! - [`directory`]: registration and heartbeats; [`health`]: failures and the score.
//! - [`identity`] and [`index`]: what a volume says it is, and what it has.
//!
//! A chunk server is passive: it knows no objects, decides no placement and starts no traffic
//! but its heartbeats and the reads of a rebuild it was asked for. It never replaces a chunk, and a name exists only with its whole
//! content. What it stores is what it was sent, after every block and the footer were checked.
//! Nothing outside of the engine assumes files, and every file but the index's is reached
//! through [`disk::Disk`].
//!
#![doc = include_str!("../FORMAT.md")]
#![forbid(unsafe_code)]

mod buffers;
pub mod config;
pub mod directory;
pub mod engine;
pub mod error;
pub mod files;
pub mod health;
pub mod http;
pub mod identity;
pub mod index;
pub mod rebuild;
pub mod server;
pub mod service;
mod verify;
pub mod volume;

pub use config::{Config, Seams, VolumeConfig};
pub use directory::{Beat, Directory, DirectoryApi, Registered, Registration};
pub use error::{OpenError, VolumeError};
pub use server::{ChunkServer, Volumes};
