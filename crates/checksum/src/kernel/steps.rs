//! The sixty-four steps of RFC 1321, and the constants they add.

/// `floor(2^32 * |sin(i + 1)|)`.
#[rustfmt::skip]
pub(super) const K: [u32; 64] = [
    0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
    0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
    0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
    0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
    0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
    0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
    0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
    0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391,
];

/// Calls `step!(function, a, b, c, d, word, rotation, number)` for each step: which of F, G, H and
/// I, the places of a, b, c and d in the state, the word of the block, the bits to rotate by, and
/// the number of the step.
macro_rules! steps {
    ($step:ident) => {
        steps!($step F 0 [0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15] 7 12 17 22);
        steps!($step G 16 [1 6 11 0 5 10 15 4 9 14 3 8 13 2 7 12] 5 9 14 20);
        steps!($step H 32 [5 8 11 14 1 4 7 10 13 0 3 6 9 12 15 2] 4 11 16 23);
        steps!($step I 48 [0 7 14 5 12 3 10 1 8 15 6 13 4 11 2 9] 6 10 15 21);
    };
    ($step:ident $f:ident $i:tt [] $p:tt $q:tt $r:tt $s:tt) => {};
    ($step:ident $f:ident $i:tt [$a:tt $b:tt $c:tt $d:tt $($more:tt)*] $p:tt $q:tt $r:tt $s:tt) => {
        $step!($f, 0, 1, 2, 3, $a, $p, $i);
        $step!($f, 3, 0, 1, 2, $b, $q, $i + 1);
        $step!($f, 2, 3, 0, 1, $c, $r, $i + 2);
        $step!($f, 1, 2, 3, 0, $d, $s, $i + 3);
        steps!($step $f ($i + 4) [$($more)*] $p $q $r $s);
    };
}

/// The value in a register of the class, of which the compiler is told nothing more. It would sum
/// up in an order of its own and add the constants last, behind what the step before gave: that is
/// one more instruction in the chain of each step.
macro_rules! settled {
    (reg, $value:expr) => {
        settled!("/* {0:e} */" reg, $value)
    };
    (ymm_reg, $value:expr) => {
        settled!("/* {0:y} */" ymm_reg, $value)
    };
    (zmm_reg, $value:expr) => {
        settled!("/* {0:z} */" zmm_reg, $value)
    };
    ($nothing:literal $class:ident, $value:expr) => {{
        let mut value = $value;
        // SAFETY: it is a comment, no instruction.
        unsafe {
            std::arch::asm!(
                $nothing,
                inlateout($class) value,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        value
    }};
}
