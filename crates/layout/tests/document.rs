//! The example of the format's document is what the code makes.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod common;

use common::{ORIGIN, chunk, name};
use layout::Verifier;
use model::Method;

const FORMAT: &str = include_str!("../../chunk/FORMAT.md");

#[test]
fn the_worked_example_is_what_the_code_makes() {
    let (_, rest) = FORMAT.split_once("```hex\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let digits: String = example
        .lines()
        .filter_map(|line| line.split(';').next())
        .flat_map(|line| line.chars().filter(|c| !c.is_whitespace()))
        .collect();
    let (made, _) = chunk(Method::Erasure { data: 2, parity: 1 }, 1, b"cairn");
    assert_eq!(digits, hex::encode(&made), "FORMAT.md, or the code, is wrong");
    let mut verifier = Verifier::new(&name(1), ORIGIN);
    verifier.push(hex::decode(digits).unwrap().into()).unwrap();
    verifier.finish().unwrap();
}
