//! Capabilities: what a leader lets a client do with the chunks of one blob on one volume.
//!
//! Chunk servers know no users. A leader that has checked what a caller may do mints a
//! capability; the chunk server verifies it by itself, as both derive the key from the cluster's
//! secret.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | verbs, a bit each: 1 PUT, 2 GET and HEAD, 4 COPY to it, 8 DELETE |
//! | 8 | seconds since 1970 at which it expires, big-endian |
//! | 16 | the first bytes of a keyed BLAKE3 over blob (16), volume (4, big-endian) and the above |
//!
//! In hexadecimal, in the header [`CAPABILITY`] (and for the new name of a copy in
//! [`DESTINATION_CAPABILITY`]).

use http::HeaderName;
use model::{BlobId, ContainerId, VolumeId};
use std::fmt;

/// Header with the capability for the chunk that a request names.
pub const CAPABILITY: HeaderName = HeaderName::from_static("x-cairn-capability");
/// Header with the capability for the new name of a copy.
pub const DESTINATION_CAPABILITY: HeaderName =
    HeaderName::from_static("x-cairn-destination-capability");

const MAC_BYTES: usize = 16;

/// Stands for every volume in a capability to make copies, which go where their sources are.
pub const ANY_VOLUME: VolumeId = VolumeId(0);

/// What may be done with chunks: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verbs(u8);

impl Verbs {
    /// Writing them.
    pub const PUT: Verbs = Verbs(1);
    /// Reading them, and asking whether they are there.
    pub const GET: Verbs = Verbs(2);
    /// Making them as copies of others.
    pub const COPY: Verbs = Verbs(4);
    /// Removing them.
    pub const DELETE: Verbs = Verbs(8);

    /// Both sets together.
    pub const fn and(self, other: Verbs) -> Verbs {
        Verbs(self.0 | other.0)
    }

    fn contains(self, other: Verbs) -> bool {
        self.0 & other.0 == other.0
    }
}

/// A capability as it travels. Never printed by `Debug`: who has it may use it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Capability([u8; Capability::BYTES]);

impl fmt::Debug for Capability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Capability(..)")
    }
}

impl Capability {
    /// Its length.
    pub const BYTES: usize = 1 + 8 + MAC_BYTES;

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// From its bytes; nothing if there are more or fewer.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// As the header has it.
    pub fn to_text(&self) -> String {
        hex::encode(self.0)
    }

    /// From the header.
    pub fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; Self::BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        Some(Self(bytes))
    }
}

/// Mints and verifies capabilities. Never printed.
#[derive(Clone)]
pub struct CapabilityKey([u8; 32]);

impl fmt::Debug for CapabilityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CapabilityKey(..)")
    }
}

impl CapabilityKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// Lets its holder do this with the blob's chunks on the volume until `expires`, in seconds
    /// since 1970.
    pub fn mint(&self, blob: &BlobId, volume: VolumeId, verbs: Verbs, expires: u64) -> Capability {
        let mut bytes = [0; Capability::BYTES];
        let (verb, rest) = bytes.split_at_mut(1);
        let (expiry, mac) = rest.split_at_mut(8);
        verb[0] = verbs.0;
        expiry.copy_from_slice(&expires.to_be_bytes());
        mac.copy_from_slice(&self.mac(blob, volume, verbs, expires));
        Capability(bytes)
    }

    /// Whether a capability allows this with the blob's chunks on the volume at `now`, in seconds
    /// since 1970.
    pub fn allows(
        &self,
        capability: &Capability,
        blob: &BlobId,
        volume: VolumeId,
        verb: Verbs,
        now: u64,
    ) -> bool {
        let Some((verbs, rest)) = capability.0.split_first() else { return false };
        let Some((expires, mac)) = rest.split_first_chunk::<8>() else { return false };
        let (verbs, expires) = (Verbs(*verbs), u64::from_be_bytes(*expires));
        let expected = self.mac(blob, volume, verbs, expires);
        constant_time_eq(mac, &expected) && verbs.contains(verb) && now < expires
    }

    /// What shows that a blob was minted for uploads into this incarnation of a container.
    pub fn vouch(
        &self,
        blob: &BlobId,
        container: &ContainerId,
        incarnation: u64,
    ) -> [u8; MAC_BYTES] {
        // Longer than what capabilities are signed over: neither can pass for the other.
        let mut said = [0; 16 + 32 + 8];
        said[..16].copy_from_slice(&blob.0);
        said[16..48].copy_from_slice(&container.0);
        said[48..].copy_from_slice(&incarnation.to_be_bytes());
        self.short(&said)
    }

    /// Whether it was.
    pub fn vouches(
        &self,
        shown: &[u8],
        blob: &BlobId,
        container: &ContainerId,
        incarnation: u64,
    ) -> bool {
        constant_time_eq(shown, &self.vouch(blob, container, incarnation))
    }

    fn mac(&self, blob: &BlobId, volume: VolumeId, verbs: Verbs, expires: u64) -> [u8; MAC_BYTES] {
        let mut said = [0; 16 + 4 + 1 + 8];
        said[..16].copy_from_slice(&blob.0);
        said[16..20].copy_from_slice(&volume.0.to_be_bytes());
        said[20] = verbs.0;
        said[21..].copy_from_slice(&expires.to_be_bytes());
        self.short(&said)
    }

    fn short(&self, said: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = [0; MAC_BYTES];
        mac.copy_from_slice(&blake3::keyed_hash(&self.0, said).as_bytes()[..MAC_BYTES]);
        mac
    }
}

/// Compares without telling by the time it takes where the first difference is: what `blake3`
/// does for whole hashes.
fn constant_time_eq(one: &[u8], other: &[u8; MAC_BYTES]) -> bool {
    if one.len() != MAC_BYTES {
        return false;
    }
    let pad = |bytes: &[u8]| {
        let mut whole = [0; 32];
        whole[..MAC_BYTES].copy_from_slice(bytes);
        blake3::Hash::from_bytes(whole)
    };
    pad(one) == pad(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use proptest::prelude::*;

    const BLOB: BlobId = BlobId([7; 16]);
    const VOLUME: VolumeId = VolumeId(3);

    fn key(byte: u8) -> CapabilityKey {
        Secret::new([byte; 32]).keys().capabilities
    }

    #[test]
    fn it_allows_what_it_says_and_nothing_else() {
        let verbs = Verbs::PUT.and(Verbs::DELETE);
        let capability = key(1).mint(&BLOB, VOLUME, verbs, 1000);
        let allows = |key: CapabilityKey, blob, volume, verb, now| {
            key.allows(&capability, &blob, volume, verb, now)
        };
        assert!(allows(key(1), BLOB, VOLUME, Verbs::PUT, 999));
        assert!(allows(key(1), BLOB, VOLUME, Verbs::DELETE, 0));
        assert!(!allows(key(1), BLOB, VOLUME, Verbs::GET, 0), "another verb");
        assert!(!allows(key(1), BLOB, VOLUME, Verbs::COPY, 0), "another verb");
        assert!(!allows(key(1), BLOB, VOLUME, Verbs::PUT.and(Verbs::GET), 0), "one verb of two");
        assert!(!allows(key(1), BLOB, VOLUME, Verbs::PUT, 1000), "expired");
        assert!(!allows(key(1), BlobId([8; 16]), VOLUME, Verbs::PUT, 0), "another blob");
        assert!(!allows(key(1), BLOB, VolumeId(4), Verbs::PUT, 0), "another volume");
        assert!(!allows(key(2), BLOB, VOLUME, Verbs::PUT, 0), "another cluster");
    }

    #[test]
    fn no_bit_of_it_can_be_changed() {
        let capability = key(1).mint(&BLOB, VOLUME, Verbs::GET, 1000);
        assert_eq!(Capability::parse(&capability.to_text()), Some(capability));
        assert_eq!(Capability::from_bytes(capability.as_bytes()), Some(capability));
        for bit in 0..Capability::BYTES * 8 {
            let mut forged = capability;
            forged.0[bit / 8] ^= 1 << (bit % 8);
            for verb in [Verbs::PUT, Verbs::GET, Verbs::COPY, Verbs::DELETE] {
                assert!(!key(1).allows(&forged, &BLOB, VOLUME, verb, 0), "bit {bit}");
            }
        }
    }

    #[test]
    fn an_upload_is_vouched_for_its_container_as_it_is() {
        let (c, d) = (ContainerId([1; 32]), ContainerId([2; 32]));
        let shown = key(1).vouch(&BLOB, &c, 5);
        assert!(key(1).vouches(&shown, &BLOB, &c, 5));
        assert!(!key(1).vouches(&shown, &BLOB, &d, 5), "another container");
        assert!(!key(1).vouches(&shown, &BLOB, &c, 6), "re-created");
        assert!(!key(1).vouches(&shown, &BlobId([8; 16]), &c, 5), "another blob");
        assert!(!key(2).vouches(&shown, &BLOB, &c, 5), "another cluster");
        for bad in [&[][..], &shown[..15], &[0; 16], &[0; 40]] {
            assert!(!key(1).vouches(bad, &BLOB, &c, 5));
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_capability(
            text in "\\PC{0,80}",
            bytes in prop::collection::vec(any::<u8>(), 0..40),
        ) {
            for capability in
                [Capability::parse(&text), Capability::parse(&hex::encode(&bytes)), Capability::from_bytes(&bytes)]
                    .into_iter()
                    .flatten()
            {
                prop_assert!(!key(1).allows(&capability, &BLOB, VOLUME, Verbs::GET, 0));
            }
        }
    }
}
