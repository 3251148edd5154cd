//! What a file contains, by its hash.

use std::{
    fs::File,
    io::{self, Read, Seek},
};

/// Bytes read at once.
const READ_BYTES: usize = 1 << 20;

/// The BLAKE3 of a whole file, and how many bytes it has.
pub fn of(mut file: &File) -> io::Result<(blake3::Hash, u64)> {
    file.rewind()?;
    let (mut hasher, mut buffer) = (blake3::Hasher::new(), vec![0; READ_BYTES]);
    let mut bytes = 0;
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok((hasher.finalize(), bytes)),
            Ok(read) => {
                hasher.update(&buffer[..read]);
                bytes += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
