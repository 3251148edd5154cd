//! Tests of the crate as a whole.

mod harness;

mod accounts;
mod cluster;
mod commits;
mod containers;
mod deletes;
mod encoding;
mod expiry;
mod keys;
mod listings;
mod naive;
mod purges;
mod queues;
mod random;
mod requests;
mod samples;
mod snapshots;
mod staged;
mod truncates;
mod users;
