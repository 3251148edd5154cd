//! Cairn in a simulated world.
//!
//! The real metadata nodes, chunk servers and clients run over turmoil: one thread, simulated
//! time, a simulated network, and disks and state stores in memory that lose what was not synced.
//! Everything that happens follows from a seed: what clients do, which messages are late, which
//! machine loses power in the middle of a write. An oracle knows what clients were told and
//! checks the invariants of the design; a seed that violates one can be run again, and tells the
//! same story.
//!
//! | module | what is in it |
//! |---|---|
//! | `run` | a simulation from a seed to a verdict |
//! | `cluster`, `machine` | the machines, and what runs on them |
//! | `disk`, `stores`, `network` | what the code under test stands on |
//! | `workload`, `faults` | what clients do, and what goes wrong |
//! | `history`, `contents`, `observer` | what was seen |
//! | `naive` | what an object is, told simply: what was seen must fit it |
//! | `invariant` | the checkers, a file for each invariant |

#[cfg(not(tokio_unstable))]
compile_error!("build in tests/simulation, whose .cargo/config.toml sets what turmoil needs");

pub mod cluster;
pub mod contents;
pub mod disk;
pub mod faults;
pub mod history;
pub mod invariant;
pub mod machine;
pub mod naive;
pub mod network;
pub mod observer;
pub mod random;
pub mod run;
pub mod stores;
pub mod workload;
