//! Arithmetic in GF(2^8) with the polynomial 0x11D, and the tables kernels multiply with. All of
//! it is computed by the compiler: 11 KiB of read-only data, nothing to initialise. The portable
//! kernel brings tables of its own, so two of these serve the vector kernels alone.

/// x^8 + x^4 + x^3 + x^2 + 1, without its leading term: what x^8 reduces to.
const REDUCTION: u8 = 0x1D;

/// The order of the multiplicative group: exponents count modulo this.
pub(crate) const ORDER: u32 = 255;

/// `EXP[n]` is the generator 2 to the power `n`.
pub(crate) static EXP: [u8; ORDER as usize] = exp_table();

/// `LOG[EXP[n]]` is `n`. Zero has no logarithm; its entry is 0, which `rows` makes use of.
pub(crate) static LOG: [u8; 256] = log_table();

/// For each coefficient, multiplication by it as the 8x8 bit matrix that `gf2p8affineqb` takes:
/// byte `7 - i` has a bit for each input bit that contributes to output bit `i`.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) static AFFINE: [u64; 256] = affine_table();

/// For each coefficient, its products with the 16 low nibbles and then with the 16 high ones.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
pub(crate) static NIBBLES: [Nibbles; 256] = nibble_table();

/// The 32 products that make a multiplication of any byte two lookups. Aligned, so that the pair
/// never straddles a cache line.
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
#[repr(C, align(32))]
pub(crate) struct Nibbles(pub(crate) [u8; 32]);

impl Nibbles {
    #[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))]
    /// The product of the coefficient this table belongs to and one byte.
    pub(crate) fn multiply(&self, byte: u8) -> u8 {
        self.0[usize::from(byte & 15)] ^ self.0[16 + usize::from(byte >> 4)]
    }
}

/// Multiplication by long hand. Slow, and used only to compute the tables.
const fn multiply(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 != 0 {
            product ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= REDUCTION;
        }
        b >>= 1;
    }
    product
}

const fn exp_table() -> [u8; ORDER as usize] {
    let mut table = [0; ORDER as usize];
    let mut power = 1;
    let mut n = 0;
    while n < ORDER as usize {
        table[n] = power;
        power = multiply(power, 2);
        n += 1;
    }
    table
}

const fn log_table() -> [u8; 256] {
    let exp = exp_table();
    let mut table = [0; 256];
    let mut n = 0;
    while n < ORDER as usize {
        table[exp[n] as usize] = n as u8;
        n += 1;
    }
    table
}

const fn affine_table() -> [u64; 256] {
    let mut table = [0; 256];
    let mut c = 0;
    while c < 256 {
        let mut input = 0;
        while input < 8 {
            let column = multiply(c as u8, 1 << input);
            let mut output = 0;
            while output < 8 {
                let bit = (column >> output & 1) as u64;
                table[c] |= bit << (8 * (7 - output) + input);
                output += 1;
            }
            input += 1;
        }
        c += 1;
    }
    table
}

const fn nibble_table() -> [Nibbles; 256] {
    let mut table = [const { Nibbles([0; 32]) }; 256];
    let mut c = 0;
    while c < 256 {
        let mut x = 0;
        while x < 16 {
            table[c].0[x] = multiply(c as u8, x as u8);
            table[c].0[16 + x] = multiply(c as u8, (x << 4) as u8);
            x += 1;
        }
        c += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use reed_solomon_erasure::galois_8;

    #[test]
    fn every_product_is_the_oracles() {
        for a in 0..=255 {
            for b in 0..=255 {
                let expected = galois_8::mul(a, b);
                assert_eq!(multiply(a, b), expected);
                assert_eq!(NIBBLES[usize::from(a)].multiply(b), expected);
                let matrix = AFFINE[usize::from(a)].to_be_bytes();
                let bits = matrix.map(|row| ((row & b).count_ones() & 1) as u8);
                let affine = (0..8).fold(0, |byte, i| byte | bits[i] << i);
                assert_eq!(affine, expected);
            }
        }
    }

    #[test]
    fn logarithms_and_powers_are_inverse() {
        for byte in 1..=255u8 {
            assert_eq!(EXP[usize::from(LOG[usize::from(byte)])], byte);
        }
    }
}
