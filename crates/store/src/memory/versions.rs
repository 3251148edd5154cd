//! An ordered map that keeps old values for as long as a snapshot can see them.

use crate::bounds::Range;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// A value, shared between the versions and the durable state.
pub type Value = Arc<[u8]>;

/// Keys with their values by sequence number; a batch is one number.
///
/// A write costs its own keys only, however large the map and however many snapshots are open;
/// a value nobody can see any more is dropped once, by the queue of what was superseded.
#[derive(Default)]
pub struct Versions {
    sequence: u64,
    /// Values of a key, oldest first; `None` where the key was removed.
    keys: BTreeMap<Vec<u8>, Vec<(u64, Option<Value>)>>,
    /// Open snapshots, counted by the number they see.
    open: BTreeMap<u64, usize>,
    /// Keys that got a new value, and its number: once every snapshot sees that number, what
    /// the key had before it can go.
    superseded: VecDeque<(u64, Vec<u8>)>,
}

/// A view of [`Versions`] at one number.
pub struct Snapshot {
    versions: Arc<Mutex<Versions>>,
    sequence: u64,
}

impl Versions {
    /// The versions of a map that has no history.
    pub fn from_map(map: &BTreeMap<Vec<u8>, Value>) -> Self {
        let first =
            |(key, value): (&Vec<u8>, &Value)| (key.clone(), vec![(0, Some(value.clone()))]);
        Self { keys: map.iter().map(first).collect(), ..Self::default() }
    }

    /// Writes a batch; the last change of a key wins.
    pub fn write(&mut self, batch: &[(Vec<u8>, Option<Value>)]) {
        self.sequence += 1;
        for (key, value) in batch {
            let values = self.keys.entry(key.clone()).or_default();
            match values.last_mut() {
                Some((sequence, last)) if *sequence == self.sequence => *last = value.clone(),
                _ => values.push((self.sequence, value.clone())),
            }
            if values.len() > 1 || value.is_none() {
                self.superseded.push_back((self.sequence, key.clone()));
            }
        }
        self.prune();
    }

    /// Opens a snapshot of what is written so far.
    pub fn snapshot(this: &Arc<Mutex<Self>>) -> Snapshot {
        let mut versions = this.lock();
        let sequence = versions.sequence;
        *versions.open.entry(sequence).or_default() += 1;
        Snapshot { versions: this.clone(), sequence }
    }

    /// Drops the values that no snapshot can see.
    fn prune(&mut self) {
        let oldest = self.open.keys().next().copied().unwrap_or(self.sequence);
        while let Some((sequence, _)) = self.superseded.front()
            && *sequence <= oldest
            && let Some((_, key)) = self.superseded.pop_front()
        {
            // An earlier entry of the queue may have done the work of this one.
            let Some(values) = self.keys.get_mut(&key) else { continue };
            let seen = values.iter().rposition(|(sequence, _)| *sequence <= oldest);
            values.drain(..seen.unwrap_or(0));
            // Nothing is left below a removal, so it need not be remembered either.
            if matches!(values.first(), Some((sequence, None)) if *sequence <= oldest) {
                values.remove(0);
            }
            if values.is_empty() {
                self.keys.remove(&key);
            }
        }
    }
}

impl Snapshot {
    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.seen(self.versions.lock().keys.get(key)?)
    }

    /// The first pair of a range, from its start or its end.
    pub fn first(&self, range: &Range, descending: bool) -> Option<(Vec<u8>, Value)> {
        let versions = self.versions.lock();
        let mut keys = versions.keys.range::<Vec<u8>, _>((range.0.as_ref(), range.1.as_ref()));
        loop {
            let (key, values) = if descending { keys.next_back()? } else { keys.next()? };
            if let Some(value) = self.seen(values) {
                return Some((key.clone(), value));
            }
        }
    }

    fn seen(&self, values: &[(u64, Option<Value>)]) -> Option<Value> {
        let mut newest_first = values.iter().rev();
        let (_, value) = newest_first.find(|(sequence, _)| *sequence <= self.sequence)?;
        value.clone()
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        let mut versions = self.versions.lock();
        if let Some(count) = versions.open.get_mut(&self.sequence) {
            *count -= 1;
            if *count == 0 {
                versions.open.remove(&self.sequence);
            }
        }
        versions.prune();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_snapshot_sees_is_dropped() {
        let versions = Arc::new(Mutex::new(Versions::default()));
        let change = |value: Option<&str>| {
            let value = value.map(|value| Value::from(value.as_bytes()));
            versions.lock().write(&[(b"key".to_vec(), value)]);
        };
        let held = |count| {
            let versions = versions.lock();
            assert_eq!(versions.keys.values().map(Vec::len).sum::<usize>(), count);
        };

        change(Some("one"));
        change(Some("two"));
        held(1);
        let two = Versions::snapshot(&versions);
        change(Some("three"));
        let three = Versions::snapshot(&versions);
        change(None);
        held(3);
        assert_eq!(three.get(b"key").as_deref(), Some(&b"three"[..]));
        drop(three);
        assert_eq!(two.get(b"key").as_deref(), Some(&b"two"[..]));
        drop(two);
        held(0);
        assert!(versions.lock().keys.is_empty());
        assert!(versions.lock().superseded.is_empty());
    }
}
