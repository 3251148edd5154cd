//! Tokens: what a user shows with each call, after its key was checked once.
//!
//! A token says who its holder is and until when, under a keyed BLAKE3 whose key follows from the
//! cluster's secret: every metadata node verifies it by itself, and nobody else can make one.
//! It is good until it expires, whatever becomes of the user meanwhile.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | format, 1 |
//! | 1 | role, counted from 1 |
//! | 8 | seconds since 1970 at which it expires, big-endian |
//! | 8 | revision of the user, big-endian |
//! | to the end | the user's name |
//! | last 32 | keyed BLAKE3 over all before |
//!
//! In hexadecimal, as `authorization: Bearer <token>`.

use model::{AccountName, Role, UserName};
use std::fmt;

const FORMAT: u8 = 1;
const MAC_BYTES: usize = 32;
const HEAD_BYTES: usize = 18;
/// Account, colon, user.
const MAX_NAME_BYTES: usize = AccountName::MAX_BYTES + 1 + UserName::MAX_USER_BYTES;

/// What a token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// Who shows it.
    pub user: UserName,
    /// What it may do.
    pub role: Role,
    /// Seconds since 1970 from which on it is worth nothing.
    pub expires: u64,
    /// The user's revision when it logged in.
    pub revision: u64,
}

/// Makes and verifies tokens. Never printed.
#[derive(Clone)]
pub struct TokenKey([u8; 32]);

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenKey(..)")
    }
}

impl TokenKey {
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(key)
    }

    /// A token that says so.
    pub fn mint(&self, claims: &Claims) -> String {
        let role =
            Role::ALL.iter().position(|role| *role == claims.role).unwrap_or(Role::ALL.len());
        let mut bytes = vec![FORMAT, role as u8 + 1];
        bytes.extend(claims.expires.to_be_bytes());
        bytes.extend(claims.revision.to_be_bytes());
        bytes.extend(claims.user.to_string().as_bytes());
        bytes.extend(blake3::keyed_hash(&self.0, &bytes).as_bytes());
        hex::encode(bytes)
    }

    /// What a token says, if it is one of ours and has not expired at `now`, in seconds since
    /// 1970.
    pub fn verify(&self, token: &str, now: u64) -> Option<Claims> {
        if token.len() > 2 * (HEAD_BYTES + MAX_NAME_BYTES + MAC_BYTES) {
            return None;
        }
        let bytes = hex::decode(token).ok()?;
        let (said, mac) = bytes.split_last_chunk::<MAC_BYTES>()?;
        // `blake3::Hash` compares in constant time.
        if blake3::keyed_hash(&self.0, said) != blake3::Hash::from_bytes(*mac) {
            return None;
        }
        let (format, said) = said.split_first()?;
        let (role, said) = said.split_first()?;
        let (expires, said) = said.split_first_chunk::<8>()?;
        let (revision, name) = said.split_first_chunk::<8>()?;
        let claims = Claims {
            user: std::str::from_utf8(name).ok()?.parse().ok()?,
            role: *Role::ALL.get(usize::from(*role).checked_sub(1)?)?,
            expires: u64::from_be_bytes(*expires),
            revision: u64::from_be_bytes(*revision),
        };
        (*format == FORMAT && now < claims.expires).then_some(claims)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;
    use proptest::prelude::*;

    fn key(byte: u8) -> TokenKey {
        Secret::new([byte; 32]).keys().tokens
    }

    fn claims(user: &str, role: Role) -> Claims {
        Claims { user: user.parse().unwrap(), role, expires: 1000, revision: 7 }
    }

    #[test]
    fn a_token_is_good_for_its_cluster_until_it_expires() {
        for role in Role::ALL {
            let name = if role.is_of_account() { "acme:alice" } else { "root" };
            let said = claims(name, role);
            let token = key(1).mint(&said);
            assert_eq!(key(1).verify(&token, 999), Some(said));
            assert_eq!(key(1).verify(&token, 1000), None, "expired");
            assert_eq!(key(2).verify(&token, 0), None, "of another cluster");
            let gateway = Secret::new([1; 32]).keys().gateway;
            assert_eq!(gateway.verify(&token, 0), None, "of another use");
        }
        let longest = format!("{}:{}", "a".repeat(256), "u".repeat(256));
        let said = claims(&longest, Role::Reader);
        assert_eq!(key(1).verify(&key(1).mint(&said), 0), Some(said));
    }

    #[test]
    fn no_bit_of_it_can_be_changed() {
        let token = hex::decode(key(1).mint(&claims("acme:alice", Role::Reader))).unwrap();
        for bit in 0..token.len() * 8 {
            let mut forged = token.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(key(1).verify(&hex::encode(forged), 0), None, "bit {bit}");
        }
        for cut in 0..token.len() {
            assert_eq!(key(1).verify(&hex::encode(&token[..cut]), 0), None, "{cut} bytes");
        }
    }

    proptest! {
        #[test]
        fn nothing_else_is_a_token(text in "\\PC{0,200}", bytes in prop::collection::vec(any::<u8>(), 0..700)) {
            prop_assert_eq!(key(1).verify(&text, 0), None);
            prop_assert_eq!(key(1).verify(&hex::encode(&bytes), 0), None);
            // What is signed and still no token of this format.
            let mut signed = bytes;
            let mac = blake3::keyed_hash(&key(1).0, &signed);
            signed.extend(mac.as_bytes());
            let _ = key(1).verify(&hex::encode(signed), 0);
        }
    }
}
