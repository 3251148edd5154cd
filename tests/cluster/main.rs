//! Cairn as it runs: the real binary, as daemons of their own over real files, killed for real.
//!
//! A test starts its daemons in a [`harness::Scene`], which lets one test run at a time, keeps
//! everything in a temporary directory, and shows the daemons' logs when the test fails.
//! Daemons that a test leaves running are killed. Nothing waits for a fixed time: what is
//! waited for has a deadline.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may")]
#![forbid(unsafe_code)]

mod codes;
mod commands;
mod crashes;
mod documents;
mod expiry;
mod front;
mod harness;
mod listings;
mod losses;
mod memory;
mod operations;
mod power;
mod refusals;
mod repair;
mod replicas;
mod server;
mod tables;
mod trees;
mod users;
