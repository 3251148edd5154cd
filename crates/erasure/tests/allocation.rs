//! Encoding and reconstructing allocate nothing: both run for every stripe that passes.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use erasure::{Codec, Kernel};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is passed on to the system's allocator; the default methods end there too.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_stripe_allocates_nothing() {
    let data = [[3; 100]; 12];
    let data: [&[u8]; 12] = data.each_ref().map(|fragment| &fragment[..]);
    for kernel in Kernel::ALL.into_iter().filter(|kernel| kernel.is_available()) {
        let codec = Codec::with_kernel(12, 4, kernel).unwrap();
        let mut parity = [[0; 100]; 4];
        let mut rebuilt = [[0; 100]; 2];
        let before = ALLOCATIONS.get();

        codec.encode(&data, &mut parity.each_mut().map(|fragment| &mut fragment[..])).unwrap();
        let mut present = [None; 16];
        let fragments = data.into_iter().chain(parity.each_ref().map(|fragment| &fragment[..]));
        present.iter_mut().zip(fragments).for_each(|(slot, fragment)| *slot = Some(fragment));
        (present[0], present[13]) = (None, None);
        let [first, second] = &mut rebuilt;
        codec.reconstruct(&present, &mut [(0, first), (13, second)]).unwrap();

        assert_eq!(ALLOCATIONS.get(), before, "{kernel}");
        assert_eq!((rebuilt[0], rebuilt[1]), ([3; 100], parity[1]));
    }
}
