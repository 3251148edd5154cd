//! Signatures of URLs and forms: an HMAC over what is allowed, with a key that only the owner of
//! an account or container and the gateway know. No I/O.

use crate::{call::Call, gateway::Gateway, path::Account, refusal::Refusal};
use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use client::{ContainerName, Properties};
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// The names of the digests that are known.
pub const DIGESTS: [&str; 3] = ["sha1", "sha256", "sha512"];

/// The metadata of accounts and containers that has the keys.
const KEYS: [&str; 2] = ["temp-url-key", "temp-url-key-2"];

/// The longest signature that is looked at.
const MOST_BYTES: usize = 256;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digest {
    Sha1,
    Sha256,
    Sha512,
}

/// A signature that somebody shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    digest: Digest,
    bytes: Vec<u8>,
}

impl Signature {
    /// From hexadecimal digits, whose number tells the digest, or from `digest:base64`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > MOST_BYTES {
            return None;
        }
        match text.split_once(':') {
            Some((name, encoded)) => {
                let digest = match name {
                    "sha1" => Digest::Sha1,
                    "sha256" => Digest::Sha256,
                    "sha512" => Digest::Sha512,
                    _ => return None,
                };
                let standard = encoded.replace('-', "+").replace('_', "/");
                Some(Self { digest, bytes: BASE64.decode(standard).ok()? })
            }
            None => {
                let bytes = hex::decode(text).ok()?;
                let digest = match bytes.len() {
                    20 => Digest::Sha1,
                    32 => Digest::Sha256,
                    64 => Digest::Sha512,
                    _ => return None,
                };
                Some(Self { digest, bytes })
            }
        }
    }

    /// Whether who made it had this key and meant this message. Takes the same time whichever
    /// byte is wrong.
    pub fn is_of(&self, key: &str, message: &[u8]) -> bool {
        fn proves<M: Mac + KeyInit>(key: &str, message: &[u8], signature: &[u8]) -> bool {
            <M as KeyInit>::new_from_slice(key.as_bytes())
                .is_ok_and(|mac| mac.chain_update(message).verify_slice(signature).is_ok())
        }
        match self.digest {
            Digest::Sha1 => proves::<Hmac<Sha1>>(key, message, &self.bytes),
            Digest::Sha256 => proves::<Hmac<Sha256>>(key, message, &self.bytes),
            Digest::Sha512 => proves::<Hmac<Sha512>>(key, message, &self.bytes),
        }
    }
}

/// A key, and how far it reaches.
pub struct Key {
    /// The key.
    pub key: String,
    /// Whether it is one of the account and not only of the container.
    pub of_account: bool,
}

/// The keys with which what is in a container may be signed.
///
/// # Errors
/// The store does not answer.
pub async fn keys(
    gateway: &Gateway,
    account: &Account,
    container: &ContainerName,
) -> Result<Vec<Key>, Refusal> {
    let of = |properties: &Properties, of_account| {
        let filled = KEYS.iter().filter_map(|name| properties.get(*name).cloned());
        filled
            .filter(|key| !key.is_empty())
            .map(move |key| Key { key, of_account })
            .collect::<Vec<_>>()
    };
    let mut keys = Vec::new();
    if let Some(found) = gateway.account(&account.name).await? {
        keys.extend(of(&found.properties, true));
    }
    if let Some(found) = gateway.container(&account.name, container).await? {
        keys.extend(of(&found.properties, false));
    }
    Ok(keys)
}

/// What a signature lets its holder do.
#[derive(Debug, Clone)]
pub struct Grant {
    /// Its method.
    pub method: http::Method,
    /// The account.
    pub account: Account,
    /// The container of the object it is for.
    pub container: ContainerName,
    /// Whether it was signed with a key of the account.
    pub of_account: bool,
}

impl Grant {
    /// Whether a request under this signature may do this. Reading goes as far as the key: a
    /// large object's segments and a link's target are read too.
    pub fn covers(
        &self,
        method: &http::Method,
        account: &Account,
        container: Option<&ContainerName>,
        in_object: bool,
    ) -> bool {
        let reads =
            |method: &http::Method| matches!(*method, http::Method::GET | http::Method::HEAD);
        let Some(container) = container.filter(|_| *account == self.account) else { return false };
        let same = *container == self.container;
        match reads(&self.method) {
            true => reads(method) && (same || self.of_account),
            false => *method == self.method && same && in_object,
        }
    }
}

impl Call {
    /// The path of the target, with nothing escaped: what is signed.
    pub fn plain_path(&self) -> String {
        let mut path = format!("/v1/{}", self.target.account);
        if let Some(container) = &self.target.container {
            path = format!("{path}/{container}");
        }
        match &self.target.object {
            Some(object) => format!("{path}/{object}"),
            None if self.path.ends_with('/') => format!("{path}/"),
            None => path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;
    use proptest::prelude::*;

    #[test]
    fn signatures_are_read_in_every_form() {
        // RFC 2202 and RFC 4231, the second test cases.
        let (key, message) = ("Jefe", b"what do ya want for nothing?".as_slice());
        let hex = [
            "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79",
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65\
             f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
        ];
        for (name, text) in DIGESTS.into_iter().zip(hex) {
            let signature = Signature::parse(text).unwrap();
            assert!(signature.is_of(key, message), "{name}");
            assert!(!signature.is_of(key, b"else") && !signature.is_of("key", message));
            let bytes = hex::decode(text).unwrap();
            let padded = base64::engine::general_purpose::STANDARD.encode(&bytes);
            let url = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&bytes);
            for encoded in [padded, url] {
                assert_eq!(Signature::parse(&format!("{name}:{encoded}")), Some(signature.clone()));
            }
            let short = format!("{name}:{}", BASE64.encode(&bytes[..8]));
            assert!(!Signature::parse(&short).unwrap().is_of(key, message));
        }
        for text in ["", "xx", "abcd", "md5:abcd", "sha1:*", ":", &"a".repeat(1000)] {
            assert_eq!(Signature::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_signature_covers_what_was_signed_and_reads_as_far_as_its_key() {
        let account = |name| Account::parse(name).unwrap();
        let name = |text: &str| text.parse::<ContainerName>().unwrap();
        let grant = |method, of_account| Grant {
            method,
            account: account("AUTH_a"),
            container: name("c"),
            of_account,
        };
        let table = [
            (Method::GET, false, Method::GET, "AUTH_a", "c", true, true),
            (Method::GET, false, Method::GET, "AUTH_a", "c", false, true),
            (Method::GET, false, Method::GET, "AUTH_a", "d", true, false),
            (Method::GET, true, Method::GET, "AUTH_a", "d", true, true),
            (Method::GET, true, Method::GET, "AUTH_b", "c", true, false),
            (Method::GET, true, Method::PUT, "AUTH_a", "c", true, false),
            (Method::PUT, true, Method::PUT, "AUTH_a", "c", true, true),
            (Method::PUT, true, Method::PUT, "AUTH_a", "c", false, false),
            (Method::PUT, true, Method::PUT, "AUTH_a", "d", true, false),
            (Method::PUT, true, Method::GET, "AUTH_a", "c", true, false),
            (Method::DELETE, true, Method::PUT, "AUTH_a", "c", true, false),
        ];
        for (of, wide, method, in_account, container, in_object, expected) in table {
            let covers = grant(of.clone(), wide).covers(
                &method,
                &account(in_account),
                Some(&name(container)),
                in_object,
            );
            assert_eq!(covers, expected, "{of} {wide} {method} {in_account} {container}");
        }
        let grant = grant(Method::GET, true);
        assert!(!grant.covers(&Method::GET, &account("AUTH_a"), None, false));
    }

    proptest! {
        #[test]
        fn no_signature_does_harm(text in "(sha1|sha256|md5)?:?[0-9a-zA-Z+/=_-]{0,140}|\\PC{0,40}", key in any::<String>()) {
            if let Some(signature) = Signature::parse(&text) {
                prop_assert!(!signature.is_of(&key, text.as_bytes()));
            }
        }

        #[test]
        fn whoever_has_the_key_signs(key in any::<String>(), message in any::<Vec<u8>>()) {
            let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.as_bytes()).unwrap();
            let bytes = mac.chain_update(&message).finalize().into_bytes();
            let signature = Signature::parse(&hex::encode(bytes)).unwrap();
            prop_assert!(signature.is_of(&key, &message));
            let other = format!("{key}x");
            prop_assert!(!signature.is_of(&other, &message));
            let encoded = format!("sha256:{}", BASE64.encode(bytes));
            prop_assert_eq!(Signature::parse(&encoded), Some(signature));
        }
    }
}
