//! The client against a whole store: metadata node and chunk servers in this process, over
//! loopback, with real volumes. One file per family of operations.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod accounts;
mod appends;
mod cluster;
mod containers;
mod deadlines;
mod deletes;
mod links;
mod objects;
mod snapshots;
mod tables;
mod truncates;
