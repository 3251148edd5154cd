//! Tests of the simulation and tests by simulation, in one program: each would be built with all
//! of the code under test.

mod checkers;
mod disk;
mod orders;
mod seeds;
