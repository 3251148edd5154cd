//! Cairn, an erasure-coded distributed object store: one binary.
fn main() {}
