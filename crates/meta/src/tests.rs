//! Nodes of this process: founding, restarts, snapshots, catching up.

mod admission;
mod harness;
mod leaders;
mod restarts;
mod snapshots;
