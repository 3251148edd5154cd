//! Log entries and their encoding.

use crate::{Command, FEATURE_LEVEL, Fatal};
use model::{Error, ErrorKind, RequestId, Subject};
use serde::{Deserialize, Serialize};

/// The largest encoded entry.
pub const MAX_ENTRY_BYTES: usize = 256 * 1024;

/// The format that [`Entry::encode`] writes: its first byte.
const FORMAT: u8 = 1;

/// A command with what was decided when it was proposed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The log index: given by the log, not encoded.
    pub index: u64,
    /// The proposer's clock, in microseconds since 1970, or more where log time is ahead of it.
    /// Log time follows it, but never back.
    pub time: u64,
    /// The client's name for the mutation, under which its answer is kept.
    pub request: Option<RequestId>,
    /// What to do.
    pub command: Command,
}

#[derive(Serialize, Deserialize)]
struct Encoded<C> {
    time: u64,
    request: Option<RequestId>,
    command: C,
}

impl Entry {
    /// The bytes that go to the log; the index is not among them. *Exhausted* if they are too
    /// many, *invalid* if they could not be read back or applied: such an entry would halt
    /// every replica.
    pub fn encode(&self) -> Result<Vec<u8>, Error> {
        if let Command::RaiseFeatureLevel { level } = self.command
            && level > FEATURE_LEVEL
        {
            let message = format!("this build knows feature levels up to {FEATURE_LEVEL}");
            return Err(Error::invalid(message));
        }
        let encoded = Encoded { time: self.time, request: self.request, command: &self.command };
        let bytes = postcard::to_extend(&encoded, vec![FORMAT])
            .map_err(|e| Error::internal(format!("a command cannot be encoded: {e}")))?;
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(Error::new(
                ErrorKind::Exhausted,
                Subject::Request,
                format!(
                    "the request takes {} bytes of the log; at most {MAX_ENTRY_BYTES} are allowed",
                    bytes.len()
                ),
            ));
        }
        Self::decode(self.index, &bytes)
            .map_err(|e| Error::invalid(format!("the request is out of bounds: {e}")))?;
        Ok(bytes)
    }

    /// Reads an entry back. Whatever is not exactly what `encode` wrote is fatal.
    pub fn decode(index: u64, bytes: &[u8]) -> Result<Self, Fatal> {
        let fail = |reason: String| Fatal::Entry { reason };
        let (format, body) = bytes.split_first().ok_or_else(|| fail("it is empty".into()))?;
        if *format != FORMAT {
            return Err(fail(format!("its format {format} is unknown")));
        }
        let (Encoded { time, request, command }, rest) =
            postcard::take_from_bytes::<Encoded<Command>>(body).map_err(|e| fail(e.to_string()))?;
        if !rest.is_empty() {
            return Err(fail(format!("{} bytes follow it", rest.len())));
        }
        Ok(Self { index, time, request, command })
    }
}
