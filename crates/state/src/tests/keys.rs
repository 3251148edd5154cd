//! Keys sort as their parts do, and can be taken apart.

use super::harness::Memory;
use crate::{
    kv::{Kind, head, key::Key, listed},
    txn::Txn,
};
use model::{ContainerId, Version};
use proptest::prelude::*;
use std::{collections::BTreeMap, ops::Bound};
use store::Read;

#[test]
fn kinds_have_numbers_of_their_own() {
    let mut bytes: Vec<_> = Kind::ALL.iter().map(|kind| *kind as u8).collect();
    let count = bytes.len();
    bytes.sort_unstable();
    bytes.dedup();
    assert_eq!(bytes.len(), count);
    assert!(!bytes.contains(&crate::DRIVER_PREFIX) && !bytes.contains(&0xFF));
    // The document beside the crate lists every one of them.
    let document = include_str!("../../FORMAT.md");
    for kind in Kind::ALL {
        let line = format!("| {:#04x} | {kind:?} |", *kind as u8);
        assert!(document.contains(&line), "FORMAT.md lacks {line}");
    }
}

/// Names of few characters, so that they are often prefixes of each other.
fn names() -> impl Strategy<Value = String> {
    "[\0\u{1}a\u{7f}é\u{10ffff}]{1,6}"
}

proptest! {
    #[test]
    fn keys_sort_as_names_and_versions_do(
        a in names(), b in names(), v in any::<u64>(), w in any::<u64>(),
    ) {
        let container = ContainerId([9; 32]);
        let key = |name: &str, version| head::key(&container, name, Version(version)).into_bytes();
        let order = a.as_bytes().cmp(b.as_bytes()).then(w.cmp(&v));
        prop_assert_eq!(key(&a, v).cmp(&key(&b, w)), order);
        let bytes = key(&a, v);
        prop_assert_eq!(head::name(&bytes).unwrap(), a.clone());
        prop_assert_eq!(head::split(&bytes).unwrap().1, Version(v));
        let whole = listed::key(&"x\0y".parse().unwrap(), &a.parse().unwrap()).into_bytes();
        prop_assert_eq!(listed::name(&whole).unwrap(), a);
    }

    #[test]
    fn a_successor_is_behind_all_that_begin_so(prefix in names(), name in names()) {
        let base = Key::new(Kind::Account);
        let end = base.clone().partial(&prefix).successor();
        let key = base.clone().name(&name).into_bytes();
        let within = key >= base.clone().partial(&prefix).into_bytes() && key < end;
        prop_assert_eq!(within, name.starts_with(&prefix));
        prop_assert!(base.clone().name(&prefix).successor() > base.name(&prefix).into_bytes());
    }

    #[test]
    fn keys_of_any_bytes_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = (head::name(&bytes), head::split(&bytes), listed::name(&bytes));
        let _ = (crate::kv::repair::parse(&bytes), crate::kv::deletion::parse(&bytes));
        let _ = crate::kv::expiry::parse(&bytes);
        let _ = (crate::kv::request::parse_expiry(&bytes), crate::kv::barred::parse_expiry(&bytes));
    }

    #[test]
    fn a_transaction_reads_its_own_writes(
        below in prop::collection::btree_map(0..20u8, any::<u8>(), 0..12),
        above in prop::collection::btree_map(0..20u8, any::<Option<u8>>(), 0..12),
        from in 0..21u8, to in 0..21u8, bounds in 0..4u8, descending: bool,
    ) {
        let memory = Memory(below.iter().map(|(k, v)| (vec![*k], vec![*v])).collect());
        let mut txn = Txn::new(&memory);
        let mut merged = below.clone();
        for (key, value) in &above {
            match value {
                Some(value) => {
                    txn.put(vec![*key], vec![*value]);
                    merged.insert(*key, *value);
                }
                None => {
                    txn.delete(vec![*key]);
                    merged.remove(key);
                }
            }
        }
        for key in 0..20 {
            prop_assert_eq!(txn.get(&[key]).unwrap(), merged.get(&key).map(|v| vec![*v]));
        }
        let bound = |key, excluded| match excluded {
            true => Bound::Excluded(key),
            false => Bound::Included(key),
        };
        let (a, b) = ([from], [to]);
        let range = (bound(&a[..], bounds & 1 != 0), bound(&b[..], bounds & 2 != 0));
        let got: Vec<_> =
            txn.range(range.0, range.1, descending).map(|pair| pair.unwrap()).collect();
        let inside = |key: u8| {
            (key > from || (key == from && bounds & 1 == 0))
                && (key < to || (key == to && bounds & 2 == 0))
        };
        let merged: BTreeMap<u8, u8> = merged.into_iter().filter(|(k, _)| inside(*k)).collect();
        let mut want: Vec<_> = merged.into_iter().map(|(k, v)| (vec![k], vec![v])).collect();
        if descending {
            want.reverse();
        }
        prop_assert_eq!(got, want);
    }
}
