//! The gRPC services of Cairn and their messages, compiled from the files in `proto/`.
//!
//! [`v1`] is generated. `convert` turns messages into the types of [`model`] and back, checking
//! every bound on the way in: what has passed it needs no further checks. `status` is the one
//! table between [`model::ErrorKind`] and gRPC's codes, `rights` the one table of what each call
//! needs of its caller, [`Codec`] how messages become bytes.
#![forbid(unsafe_code)]

mod codec;
pub mod convert;
mod rights;
mod status;

pub use codec::Codec;
pub use rights::right_of;
pub use status::{LEADER, from_status, leader_of, to_status};

/// Messages, clients and servers of protocol version 1.
pub mod v1 {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("cairn.v1");
}
