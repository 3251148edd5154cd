//! What can be wrong with a call. Nothing here is transient: the same call fails again.

use crate::kernel::Kernel;

/// A call that this crate refuses. No buffer has been written when one is returned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The code has no data fragments, or more fragments than [`FRAGMENTS_MAX`](crate::FRAGMENTS_MAX).
    #[error(
        "{data}+{parity} is no code: it takes one data fragment at least, 32 fragments at most"
    )]
    Shape {
        /// Data fragments asked for.
        data: usize,
        /// Parity fragments asked for.
        parity: usize,
    },
    /// The processor, or the architecture this was built for, lacks the kernel.
    #[error("this processor cannot run the {kernel} kernel")]
    KernelUnavailable {
        /// The kernel asked for.
        kernel: Kernel,
    },
    /// A list of fragments has the wrong number of entries.
    #[error("{found} fragments were given where the code has {expected}")]
    FragmentCount {
        /// Entries the code needs in that list.
        expected: usize,
        /// Entries in the list.
        found: usize,
    },
    /// A fragment's length differs from that of the first one given.
    #[error("fragment {fragment} is {found} bytes long where the first is {expected}")]
    FragmentLength {
        /// Number of the fragment in the stripe, parity after data.
        fragment: usize,
        /// Length of the first fragment given, in bytes.
        expected: usize,
        /// Length of this one, in bytes.
        found: usize,
    },
    /// More fragments are lost than the code has parity.
    #[error("{present} fragments are present and {needed} are needed")]
    TooFewPresent {
        /// Fragments that were given.
        present: usize,
        /// Fragments that any reconstruction takes.
        needed: usize,
    },
    /// A wanted fragment is beyond the end of the stripe.
    #[error("fragment {fragment} is wanted from a code of {total} fragments")]
    NoSuchFragment {
        /// The fragment wanted.
        fragment: usize,
        /// Fragments in the code, data and parity.
        total: usize,
    },
    /// A wanted fragment is among those present, so there is nothing to rebuild.
    #[error("fragment {fragment} is both present and wanted")]
    AlreadyPresent {
        /// The fragment wanted.
        fragment: usize,
    },
    /// A fragment is wanted more than once.
    #[error("fragment {fragment} is wanted twice")]
    WantedTwice {
        /// The fragment wanted.
        fragment: usize,
    },
}
