//! Checking the keys of users: what is kept of a key, and at what price it is compared.
//!
//! A generated key has 256 random bits, so a fast hash of it gives nothing away. A key that a
//! person chose may be guessed: it is stretched with Argon2id, which costs memory and time at
//! every try. What a try costs follows from the form of the key that was shown and never from
//! the user, so that the time of a refusal does not tell which users there are.

use argon2::{Algorithm, Argon2, Params, Version};
use model::{Error, ErrorKind, KeyHash, Subject, UserKey, UserName};
use parking_lot::Mutex;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time::Instant};

const SALT_BYTES: usize = 16;
const HASH_BYTES: usize = 32;

/// The first byte of a kept hash: a generated key, then salt and keyed BLAKE3.
const GENERATED: u8 = 1;
/// The first byte of a kept hash: Argon2id, then memory, passes and lanes (u32, big-endian), salt
/// and hash.
const STRETCHED: u8 = 2;

/// OWASP's first choice for Argon2id.
const COST: Cost = Cost { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

/// Tries that may wait for their turn, all users together.
const MOST_WAITING: usize = 64;

/// Tries that may be under way or waiting for one user.
const MOST_OF_ONE_USER: usize = 4;

/// How long a key that was found good need not be stretched again.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Keys that are remembered.
const MOST_REMEMBERED: usize = 1024;

/// What stretching a key costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Hashes keys and compares them, a bounded number at a time.
pub(crate) struct KeyChecker {
    /// Threads that may stretch keys at the same time: most of the machine stays for the rest.
    threads: Arc<Semaphore>,
    /// Tries under way or waiting, by user.
    tries: Mutex<BTreeMap<String, usize>>,
    remembered: Mutex<BTreeMap<[u8; HASH_BYTES], Instant>>,
    /// Keys what is remembered, so that memory holds nothing that is good elsewhere.
    pepper: [u8; 32],
}

impl KeyChecker {
    /// With 32 random bytes of its own.
    pub(crate) fn new(pepper: [u8; 32]) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            threads: Arc::new(Semaphore::new((processors / 4).max(1))),
            tries: Mutex::default(),
            remembered: Mutex::default(),
            pepper,
        }
    }

    /// What is kept of a new key.
    pub(crate) async fn hash(
        &self,
        user: &UserName,
        key: &UserKey,
        salt: [u8; SALT_BYTES],
    ) -> Result<KeyHash, Error> {
        if key.is_generated() {
            let hash = fast(&salt, key);
            return [&[GENERATED][..], &salt, hash.as_bytes()].concat().try_into();
        }
        let hash = self.stretch(user.to_string(), key, salt, COST).await?;
        let cost = [COST.memory_kib, COST.passes, COST.lanes].map(u32::to_be_bytes).concat();
        [&[STRETCHED][..], &cost, &salt, hash.as_bytes()].concat().try_into()
    }

    /// Whether a key is the one that is kept; `kept` is nothing where there is no such user.
    ///
    /// # Errors
    /// *Unavailable* where too many tries wait already.
    pub(crate) async fn check(
        &self,
        user: &str,
        key: &UserKey,
        kept: Option<&KeyHash>,
    ) -> Result<bool, Error> {
        let kept = kept.and_then(Kept::parse);
        if key.is_generated() {
            let (salt, expected) = match kept {
                Some(Kept::Generated { salt, hash }) => (salt, Some(hash)),
                _ => ([0; SALT_BYTES], None),
            };
            let hash = fast(&salt, key);
            // `blake3::Hash` compares in constant time.
            return Ok(expected.is_some_and(|expected| expected == hash));
        }
        let (cost, salt, expected) = match kept {
            Some(Kept::Stretched { cost, salt, hash }) => (cost, salt, Some(hash)),
            _ => (COST, [0; SALT_BYTES], None),
        };
        let seen = expected.map(|expected| self.mark(key, &expected));
        if seen.is_some_and(|seen| self.remembers(&seen)) {
            return Ok(true);
        }
        let hash = self.stretch(user.to_owned(), key, salt, cost).await?;
        let good = expected.is_some_and(|expected| expected == hash);
        if let Some(seen) = seen.filter(|_| good) {
            self.remember(seen);
        }
        Ok(good)
    }

    /// Stretches a key on a thread that may be busy for long.
    async fn stretch(
        &self,
        user: String,
        key: &UserKey,
        salt: [u8; SALT_BYTES],
        cost: Cost,
    ) -> Result<blake3::Hash, Error> {
        let _try = Try::begin(&self.tries, user)?;
        let busy = |_| Error::internal("keys are checked no more");
        let permit = self.threads.clone().acquire_owned().await.map_err(busy)?;
        let key = key.clone();
        let stretched = tokio::task::spawn_blocking(move || {
            // Held by the thread: a caller that went away does not free it early.
            let _permit = permit;
            stretch(&key, &salt, cost)
        });
        stretched.await.map_err(|_| Error::internal("checking a key ended early"))?
    }

    /// What is remembered of a good key: it is good for this very hash alone.
    fn mark(&self, key: &UserKey, hash: &blake3::Hash) -> [u8; HASH_BYTES] {
        let mut hasher = blake3::Hasher::new_keyed(&self.pepper);
        hasher.update(hash.as_bytes()).update(key.reveal().as_bytes());
        *hasher.finalize().as_bytes()
    }

    fn remembers(&self, mark: &[u8; HASH_BYTES]) -> bool {
        let remembered = self.remembered.lock();
        remembered.get(mark).is_some_and(|at| at.elapsed() < REMEMBERED)
    }

    fn remember(&self, mark: [u8; HASH_BYTES]) {
        let mut remembered = self.remembered.lock();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.retain(|_, at| at.elapsed() < REMEMBERED);
        }
        if remembered.len() < MOST_REMEMBERED {
            remembered.insert(mark, Instant::now());
        }
    }
}

/// A try under way, counted until it ends.
struct Try<'a> {
    tries: &'a Mutex<BTreeMap<String, usize>>,
    user: String,
}

impl<'a> Try<'a> {
    fn begin(tries: &'a Mutex<BTreeMap<String, usize>>, user: String) -> Result<Self, Error> {
        let mut counts = tries.lock();
        let all: usize = counts.values().sum();
        let of_user = counts.get(&user).copied().unwrap_or(0);
        if all >= MOST_WAITING || of_user >= MOST_OF_ONE_USER {
            let why = "too many users are logging in; try again in a moment";
            return Err(Error::new(ErrorKind::Unavailable, Subject::User, why));
        }
        counts.insert(user.clone(), of_user + 1);
        drop(counts);
        Ok(Self { tries, user })
    }
}

impl Drop for Try<'_> {
    fn drop(&mut self) {
        let mut counts = self.tries.lock();
        if let Some(count) = counts.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.user);
            }
        }
    }
}

/// A hash that is kept, taken apart.
enum Kept {
    Generated { salt: [u8; SALT_BYTES], hash: blake3::Hash },
    Stretched { cost: Cost, salt: [u8; SALT_BYTES], hash: blake3::Hash },
}

impl Kept {
    fn parse(kept: &KeyHash) -> Option<Self> {
        let (form, rest) = kept.as_bytes().split_first()?;
        let (rest, hash) = rest.split_last_chunk::<HASH_BYTES>()?;
        let (rest, salt) = rest.split_last_chunk::<SALT_BYTES>()?;
        let (salt, hash) = (*salt, blake3::Hash::from_bytes(*hash));
        match (*form, rest.as_chunks::<4>()) {
            (GENERATED, ([], [])) => Some(Self::Generated { salt, hash }),
            (STRETCHED, ([memory_kib, passes, lanes], [])) => {
                let number = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes);
                let cost = Cost {
                    memory_kib: number(memory_kib),
                    passes: number(passes),
                    lanes: number(lanes),
                };
                Some(Self::Stretched { cost, salt, hash })
            }
            _ => None,
        }
    }
}

fn fast(salt: &[u8; SALT_BYTES], key: &UserKey) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new_derive_key("cairn hash of a generated key v1");
    hasher.update(salt).update(key.reveal().as_bytes());
    hasher.finalize()
}

fn stretch(key: &UserKey, salt: &[u8; SALT_BYTES], cost: Cost) -> Result<blake3::Hash, Error> {
    let failed = |e: argon2::Error| Error::internal(format!("a key cannot be stretched: {e}"));
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(HASH_BYTES));
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.map_err(failed)?);
    let mut hash = [0; HASH_BYTES];
    argon2.hash_password_into(key.reveal().as_bytes(), salt, &mut hash).map_err(failed)?;
    Ok(blake3::Hash::from_bytes(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user() -> UserName {
        "acme:alice".parse().unwrap()
    }

    #[tokio::test]
    async fn only_the_key_itself_is_good() {
        let checker = KeyChecker::new([1; 32]);
        let own: UserKey = "a key of my own".parse().unwrap();
        let generated = UserKey::generate([5; 32]);
        for key in [&own, &generated] {
            let kept = checker.hash(&user(), key, [7; 16]).await.unwrap();
            let again = checker.hash(&user(), key, [8; 16]).await.unwrap();
            assert_ne!(kept, again, "the salt is in it");
            let other_own: UserKey = "a key of my own ".parse().unwrap();
            for shown in [&own, &generated, &other_own, &UserKey::generate([6; 32])] {
                let good = checker.check("acme:alice", shown, Some(&kept)).await.unwrap();
                assert_eq!(good, shown == key);
                assert!(!checker.check("acme:alice", shown, None).await.unwrap());
            }
            assert!(checker.check("acme:alice", key, Some(&again)).await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_good_key_is_remembered_and_a_wrong_one_is_not() {
        let checker = KeyChecker::new([1; 32]);
        let (key, wrong): (UserKey, UserKey) = ("right".parse().unwrap(), "wrong".parse().unwrap());
        let kept = checker.hash(&user(), &key, [7; 16]).await.unwrap();
        assert!(!checker.check("acme:alice", &wrong, Some(&kept)).await.unwrap());
        assert!(checker.remembered.lock().is_empty());
        assert!(checker.check("acme:alice", &key, Some(&kept)).await.unwrap());
        assert_eq!(checker.remembered.lock().len(), 1);
        // No thread is left: what is remembered needs none.
        checker.threads.close();
        assert!(checker.check("acme:alice", &key, Some(&kept)).await.unwrap());
        assert!(checker.check("acme:alice", &wrong, Some(&kept)).await.is_err());
        let changed = KeyHash::try_from(vec![0; 61]).unwrap();
        assert!(checker.check("acme:alice", &key, Some(&changed)).await.is_err());
    }

    #[tokio::test]
    async fn nobody_takes_all_the_turns() {
        let checker = KeyChecker::new([1; 32]);
        let one = |user: &str| Try::begin(&checker.tries, user.to_owned());
        let of_alice: Vec<_> = (0..MOST_OF_ONE_USER).map(|_| one("alice").ok().unwrap()).collect();
        assert_eq!(one("alice").err().unwrap().kind, ErrorKind::Unavailable);
        let others = MOST_WAITING - MOST_OF_ONE_USER;
        let others: Vec<_> = (0..others).map(|n| one(&n.to_string()).ok().unwrap()).collect();
        assert_eq!(one("bob").err().unwrap().kind, ErrorKind::Unavailable);
        drop(of_alice);
        assert!(one("alice").is_ok() && one("bob").is_ok());
        drop(others);
        assert!(checker.tries.lock().is_empty());
    }

    #[test]
    fn what_is_no_hash_is_no_key() {
        for bytes in
            [vec![], vec![GENERATED], vec![GENERATED; 48], vec![STRETCHED; 60], vec![9; 61]]
        {
            let Ok(kept) = KeyHash::try_from(bytes) else { continue };
            assert!(Kept::parse(&kept).is_none(), "{:?}", kept.as_bytes());
        }
    }
}
