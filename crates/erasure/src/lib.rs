//! Systematic Reed-Solomon codes over GF(2^8), with kernels chosen at run time.
