//! The end of a chunk, which says what the chunk is.

use crate::Geometry;
use model::{AccountName, BlobId, ChunkName, ContainerName, Hash, Method, ObjectName, PolicyName};

/// The version of the footer's body that this code writes.
pub const FORMAT_VERSION: u16 = 1;

/// The last bytes of every chunk.
pub const MAGIC: [u8; 8] = *b"CAIRNCK1";

/// Bytes behind the footer's body: its length, its sum and the magic number.
pub const FOOTER_TAIL_BYTES: usize = 16;

/// Most bytes of a footer, body and tail. The names in it have 1568 bytes at most, so there is
/// room for later versions.
pub const MAX_FOOTER_BYTES: usize = 4096;

/// Why bytes are not a footer, or not the one expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FooterError {
    /// The chunk does not end in the magic number: it is no chunk, or it was cut.
    #[error("the chunk does not end in a footer; it is cut short or not a chunk")]
    Missing,
    /// The length of the footer's body is impossible.
    #[error("the footer says it has {bytes} bytes, which is not possible here")]
    Length {
        /// The length it says.
        bytes: u32,
    },
    /// Its sum is not that of its bytes.
    #[error("the footer says its sum is {stored:08x}, but its bytes have {computed:08x}")]
    Sum {
        /// The sum in the footer.
        stored: u32,
        /// The sum of its bytes.
        computed: u32,
    },
    /// It was written by a later version.
    #[error("the footer has format version {version}; this server knows up to {FORMAT_VERSION}")]
    Version {
        /// The version it says.
        version: u16,
    },
    /// A field cannot be read.
    #[error("the footer's {field} is not valid")]
    Field {
        /// Which.
        field: &'static str,
    },
    /// A field is not what the chunk's name, or its blocks, say.
    #[error("the footer says {field} is {stored}, expected {expected}")]
    Mismatch {
        /// Which.
        field: &'static str,
        /// What the footer says.
        stored: String,
        /// What was expected.
        expected: String,
    },
}

/// What a chunk says of itself. It names the origin of its bytes and not its own blob or write
/// id: links of an object share bytes on a volume under different names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Footer {
    /// The blob the bytes were first written under.
    pub origin: BlobId,
    /// The content the bytes were first written for.
    pub content: BlobId,
    /// Number of the metachunk.
    pub metachunk: u32,
    /// Position in the metachunk.
    pub position: u8,
    /// Bytes of content in the metachunk, at least 1.
    pub length: u64,
    /// BLAKE3 over the CRC-32s of the metachunk's stripes.
    pub stripes: Hash,
    /// The policy it was written with.
    pub policy: PolicyName,
    /// How its stripes were encoded.
    pub method: Method,
    /// The account.
    pub account: AccountName,
    /// The container.
    pub container: ContainerName,
    /// The object.
    pub object: ObjectName,
}

impl Footer {
    /// The geometry of the chunk's metachunk.
    pub fn geometry(&self) -> Geometry {
        Geometry::new(self.method)
    }

    /// Bytes of the chunk before the footer.
    pub fn body_bytes(&self) -> u64 {
        self.geometry().body_bytes(self.length)
    }

    /// The footer's bytes, body and tail, as they follow the last block.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        out.extend(FORMAT_VERSION.to_le_bytes());
        out.extend(self.origin.as_bytes());
        out.extend(self.content.as_bytes());
        out.extend(self.metachunk.to_le_bytes());
        out.push(self.position);
        out.extend(self.length.to_le_bytes());
        out.extend(self.geometry().stripes(self.length).unwrap_or(u32::MAX).to_le_bytes());
        out.extend(self.body_bytes().to_le_bytes());
        out.extend(self.stripes.as_bytes());
        let method = self.method.to_string();
        let (account, container) = (self.account.as_str(), self.container.as_str());
        for text in [self.policy.as_str(), &method, account, container, self.object.as_str()] {
            // The bounds of names are far below 64 KiB.
            out.extend((text.len() as u16).to_le_bytes());
            out.extend(text.as_bytes());
        }
        out.extend((out.len() as u32).to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out.extend(MAGIC);
        out
    }

    /// Reads the footer at the end of `bytes`, which are the last bytes of a chunk, at most
    /// [`MAX_FOOTER_BYTES`] of them needed; gives it with its length, tail included.
    pub fn parse(bytes: &[u8]) -> Result<(Self, usize), FooterError> {
        let (rest, magic) = bytes.split_last_chunk::<8>().ok_or(FooterError::Missing)?;
        if *magic != MAGIC {
            return Err(FooterError::Missing);
        }
        let (summed, stored) = rest.split_last_chunk::<4>().ok_or(FooterError::Missing)?;
        let (before, length) = summed.split_last_chunk::<4>().ok_or(FooterError::Missing)?;
        let (stored, length) = (u32::from_le_bytes(*stored), u32::from_le_bytes(*length));
        let total = (length as usize).saturating_add(FOOTER_TAIL_BYTES);
        let start = before.len().checked_sub(length as usize);
        let (Some(start), true) = (start, total <= MAX_FOOTER_BYTES) else {
            return Err(FooterError::Length { bytes: length });
        };
        let computed = crc32fast::hash(&summed[start..]);
        if computed != stored {
            return Err(FooterError::Sum { stored, computed });
        }
        Ok((Self::parse_body(&before[start..])?, total))
    }

    fn parse_body(body: &[u8]) -> Result<Self, FooterError> {
        let mut fields = Fields(body);
        let version = u16::from_le_bytes(fields.take("version")?);
        if version != FORMAT_VERSION {
            return Err(FooterError::Version { version });
        }
        let origin = BlobId(fields.take("origin")?);
        let content = BlobId(fields.take("content")?);
        let metachunk = u32::from_le_bytes(fields.take("metachunk")?);
        let [position] = fields.take("position")?;
        let length = u64::from_le_bytes(fields.take("metachunk length")?);
        let blocks = u32::from_le_bytes(fields.take("block count")?);
        let body_bytes = u64::from_le_bytes(fields.take("body length")?);
        let stripes = Hash(fields.take("stripes hash")?);
        let policy = fields.text("policy")?;
        let method_text: String = fields.text("chunk method")?;
        let field = "chunk method";
        let method: Method = method_text.parse().map_err(|_| FooterError::Field { field })?;
        let account = fields.text("account")?;
        let container = fields.text("container")?;
        let object = fields.text("object")?;
        // One chunk, one spelling: no other form of the method, nothing behind the last field.
        if method.to_string() != method_text {
            return Err(FooterError::Field { field });
        }
        if !fields.0.is_empty() {
            return Err(FooterError::Field { field: "end" });
        }
        let footer = Self {
            origin,
            content,
            metachunk,
            position,
            length,
            stripes,
            policy,
            method,
            account,
            container,
            object,
        };
        footer.check_sizes(blocks, body_bytes)?;
        Ok(footer)
    }

    /// Whether what the footer says of sizes fits together.
    fn check_sizes(&self, blocks: u32, body_bytes: u64) -> Result<(), FooterError> {
        if self.length == 0 {
            return Err(FooterError::Field { field: "metachunk length" });
        }
        let stripes = self.geometry().stripes(self.length);
        let stripes = stripes.ok_or(FooterError::Field { field: "metachunk length" })?;
        expect("block count", &blocks, &stripes)?;
        expect("body length", &body_bytes, &self.body_bytes())?;
        if usize::from(self.position) >= self.geometry().width() {
            return Err(FooterError::Field { field: "position" });
        }
        Ok(())
    }

    /// Whether it can be the footer of a chunk of this name and origin.
    pub fn check_name(&self, name: &ChunkName, origin: BlobId) -> Result<(), FooterError> {
        expect("origin", &self.origin, &origin)?;
        expect("metachunk", &self.metachunk, &name.metachunk)?;
        expect("position", &self.position, &name.position)
    }

    /// Whether it follows as many bytes as it was made for.
    pub fn check_body_bytes(&self, bytes: u64) -> Result<(), FooterError> {
        expect("body length", &self.body_bytes(), &bytes)
    }

    /// Whether the blocks before it are of the stripes it was made for.
    pub fn check_stripes(&self, stripes: Hash) -> Result<(), FooterError> {
        expect("stripes hash", &self.stripes, &stripes)
    }
}

fn expect<T: PartialEq + std::fmt::Display>(
    field: &'static str,
    stored: &T,
    expected: &T,
) -> Result<(), FooterError> {
    if stored == expected {
        return Ok(());
    }
    let (stored, expected) = (stored.to_string(), expected.to_string());
    Err(FooterError::Mismatch { field, stored, expected })
}

/// What is left to read of a footer's body.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], FooterError> {
        let (first, rest) = self.0.split_first_chunk::<N>().ok_or(FooterError::Field { field })?;
        self.0 = rest;
        Ok(*first)
    }

    fn text<T: std::str::FromStr>(&mut self, field: &'static str) -> Result<T, FooterError> {
        let wrong = || FooterError::Field { field };
        let length = u16::from_le_bytes(self.take(field)?);
        let (text, rest) = self.0.split_at_checked(length.into()).ok_or_else(wrong)?;
        self.0 = rest;
        std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or_else(wrong)
    }
}
