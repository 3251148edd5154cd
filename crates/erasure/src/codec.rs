//! The code itself: checks what it is given, then runs a kernel over it.

use std::sync::Arc;

use crate::error::Error;
use crate::kernel::{Engine, Kernel};
use crate::rows::coefficients;

/// Fragments a stripe has at most, data and parity together.
pub const FRAGMENTS_MAX: usize = 32;

/// Coefficients a matrix has at most: `k * m` is largest where both are half of [`FRAGMENTS_MAX`].
pub(crate) const COEFFICIENTS_MAX: usize = (FRAGMENTS_MAX / 2) * (FRAGMENTS_MAX / 2);

/// A systematic Reed-Solomon code of `k` data and `m` parity fragments.
///
/// Immutable, cheap to clone and free to share between threads. Fragments are numbered from 0,
/// parity after data.
#[derive(Clone, Debug)]
pub struct Codec {
    data: usize,
    parity: usize,
    engine: Engine,
    /// One row of `data` coefficients for each parity fragment.
    rows: Arc<[u8]>,
}

impl Codec {
    /// A code of `data` and `parity` fragments that runs on the fastest kernel of this processor.
    ///
    /// # Errors
    /// [`Error::Shape`] unless there is a data fragment and at most [`FRAGMENTS_MAX`] in all.
    pub fn new(data: usize, parity: usize) -> Result<Self, Error> {
        Self::build(data, parity, Engine::best())
    }

    /// A code that runs on the kernel named, for tests and measurements.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`Error::KernelUnavailable`].
    pub fn with_kernel(data: usize, parity: usize, kernel: Kernel) -> Result<Self, Error> {
        let engine = Engine::of(kernel).ok_or(Error::KernelUnavailable { kernel })?;
        Self::build(data, parity, engine)
    }

    fn build(data: usize, parity: usize, engine: Engine) -> Result<Self, Error> {
        if data == 0 || data > FRAGMENTS_MAX || parity > FRAGMENTS_MAX - data {
            return Err(Error::Shape { data, parity });
        }
        let numbers: [u8; FRAGMENTS_MAX] = std::array::from_fn(|i| i as u8);
        let mut rows = [0; COEFFICIENTS_MAX];
        let rows = &mut rows[..data * parity];
        coefficients(&numbers[..data], &numbers[data..data + parity], rows);
        Ok(Self { data, parity, engine, rows: Arc::from(&*rows) })
    }

    /// Data fragments of a stripe.
    pub fn data(&self) -> usize {
        self.data
    }

    /// Parity fragments of a stripe: as many losses can be survived.
    pub fn parity(&self) -> usize {
        self.parity
    }

    /// Fragments of a stripe.
    pub fn total(&self) -> usize {
        self.data + self.parity
    }

    /// The kernel this code runs on.
    pub fn kernel(&self) -> Kernel {
        self.engine.kernel()
    }

    /// Overwrites `parity` with the parity fragments of `data`. All are of one length, any length.
    ///
    /// # Errors
    /// [`Error::FragmentCount`] or [`Error::FragmentLength`]; nothing is written then.
    pub fn encode(&self, data: &[&[u8]], parity: &mut [&mut [u8]]) -> Result<(), Error> {
        check_count(self.data, data.len())?;
        check_count(self.parity, parity.len())?;
        let lengths = data.iter().map(|f| f.len()).chain(parity.iter().map(|f| f.len()));
        check_lengths(lengths.enumerate())?;
        self.engine.apply(&self.rows, data, parity);
        Ok(())
    }

    /// Rebuilds the `wanted` fragments, given by number and buffer, data or parity alike, from any
    /// `k` that are `present`; fragments that are neither present nor wanted cost nothing.
    ///
    /// `present` has one entry for each fragment of the stripe. Where more than `k` are there, the
    /// first `k` are used. All fragments and buffers are of one length, any length.
    ///
    /// # Errors
    /// [`Error::TooFewPresent`] when more than `m` fragments are lost; the other variants when the
    /// arguments do not fit the code or each other. Nothing is written then.
    pub fn reconstruct(
        &self,
        present: &[Option<&[u8]>],
        wanted: &mut [(usize, &mut [u8])],
    ) -> Result<(), Error> {
        check_count(self.total(), present.len())?;
        self.check_wanted(present, wanted)?;
        let found = present.iter().flatten().count();
        if found < self.data {
            return Err(Error::TooFewPresent { present: found, needed: self.data });
        }
        let given = present.iter().enumerate().filter_map(|(i, f)| f.map(|f| (i, f.len())));
        check_lengths(given.chain(wanted.iter().map(|(i, f)| (*i, f.len()))))?;

        let mut numbers = [0; FRAGMENTS_MAX];
        let mut sources: [&[u8]; FRAGMENTS_MAX] = [&[]; FRAGMENTS_MAX];
        let survivors = present.iter().enumerate().filter_map(|(i, f)| f.map(|f| (i, f)));
        for (slot, (i, fragment)) in survivors.take(self.data).enumerate() {
            numbers[slot] = i as u8;
            sources[slot] = fragment;
        }
        let count = wanted.len();
        let mut targets = [0; FRAGMENTS_MAX];
        let mut outputs: [&mut [u8]; FRAGMENTS_MAX] = std::array::from_fn(|_| &mut [][..]);
        for (slot, (i, buffer)) in wanted.iter_mut().enumerate() {
            targets[slot] = *i as u8;
            outputs[slot] = buffer;
        }
        let mut rows = [0; COEFFICIENTS_MAX];
        let rows = &mut rows[..self.data * count];
        coefficients(&numbers[..self.data], &targets[..count], rows);
        self.engine.apply(rows, &sources[..self.data], &mut outputs[..count]);
        Ok(())
    }

    /// Every wanted fragment is in the stripe, lost, and named once. That there are then at most
    /// `m` of them whenever `k` are present is what bounds the arrays of `reconstruct`.
    fn check_wanted(
        &self,
        present: &[Option<&[u8]>],
        wanted: &[(usize, &mut [u8])],
    ) -> Result<(), Error> {
        let mut seen = [false; FRAGMENTS_MAX];
        for &(fragment, _) in wanted {
            match present.get(fragment) {
                None => return Err(Error::NoSuchFragment { fragment, total: self.total() }),
                Some(Some(_)) => return Err(Error::AlreadyPresent { fragment }),
                Some(None) if seen[fragment] => return Err(Error::WantedTwice { fragment }),
                Some(None) => seen[fragment] = true,
            }
        }
        Ok(())
    }
}

fn check_count(expected: usize, found: usize) -> Result<(), Error> {
    if found == expected { Ok(()) } else { Err(Error::FragmentCount { expected, found }) }
}

/// Takes fragments as their numbers and lengths.
fn check_lengths(mut fragments: impl Iterator<Item = (usize, usize)>) -> Result<(), Error> {
    let Some((_, expected)) = fragments.next() else { return Ok(()) };
    match fragments.find(|(_, found)| *found != expected) {
        None => Ok(()),
        Some((fragment, found)) => Err(Error::FragmentLength { fragment, expected, found }),
    }
}
