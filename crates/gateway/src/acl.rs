//! Access control lists of containers and accounts: reading and checking them. No I/O.

use serde::{Deserialize, Serialize};

/// What a container's list grants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerAcl {
    /// Hosts of referrers, in order; a minus in front takes away again.
    referrers: Vec<String>,
    /// Groups, and `.rlistings`.
    groups: Vec<String>,
}

/// The names of the element that grants by referrer.
const REFERRERS: [&str; 4] = [".r", ".ref", ".referer", ".referrer"];

/// Brings a list into the form that is kept: `name` is the header it came in.
///
/// # Errors
/// What is wrong with it.
pub fn clean(name: &str, value: &str) -> Result<String, String> {
    let mut values = Vec::new();
    for raw in value.split(',').map(str::trim).filter(|raw| !raw.is_empty()) {
        let Some((first, second)) = raw.split_once(':') else {
            values.push(raw.to_owned());
            continue;
        };
        let (first, mut second) = (first.trim(), second.trim());
        if first.is_empty() || !first.starts_with('.') {
            values.push(raw.to_owned());
        } else if REFERRERS.contains(&first) {
            if name.to_ascii_lowercase().contains("write") {
                return Err(format!("Referrers not allowed in write ACL: {raw:?}"));
            }
            let negated = second.starts_with('-');
            if negated {
                second = second[1..].trim();
            }
            if second.starts_with('*') && second != "*" {
                second = second[1..].trim();
            }
            if second.is_empty() || second == "." {
                return Err(format!(
                    "No host/domain value after referrer designation in ACL: {raw:?}"
                ));
            }
            values.push(format!(".r:{}{second}", if negated { "-" } else { "" }));
        } else {
            return Err(format!("Unknown designator {first:?} in ACL: {raw:?}"));
        }
    }
    Ok(values.join(","))
}

impl ContainerAcl {
    /// From the form that is kept.
    pub fn parse(text: &str) -> Self {
        let mut acl = Self::default();
        for value in text.split(',').filter(|value| !value.is_empty()) {
            match value.strip_prefix(".r:") {
                Some(host) => acl.referrers.push(host.to_owned()),
                None => acl.groups.push(value.to_owned()),
            }
        }
        acl
    }

    /// Whether a request that comes from a page at `referrer` may read.
    pub fn admits_referrer(&self, referrer: Option<&str>) -> bool {
        let host = referrer.and_then(host_of).unwrap_or_else(|| "unknown".to_owned());
        let mut allowed = false;
        for designation in &self.referrers {
            let (negated, wanted) = match designation.strip_prefix('-') {
                Some(wanted) => (true, wanted),
                None => (false, designation.as_str()),
            };
            let is_it = wanted == "*"
                || wanted == host
                || (wanted.starts_with('.') && host.ends_with(wanted));
            if is_it {
                allowed = !negated;
            }
        }
        allowed
    }

    /// Whether who may read its objects may list them too.
    pub fn lists(&self) -> bool {
        self.groups.iter().any(|group| group == ".rlistings")
    }

    /// Whether one of the groups is in it.
    pub fn admits(&self, groups: &[String]) -> bool {
        groups.iter().any(|group| self.groups.contains(group))
    }
}

fn host_of(url: &str) -> Option<String> {
    let rest = url.split_once("://")?.1;
    let authority = rest.split(['/', '?', '#']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// What an account's list grants, by levels.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountAcl {
    /// Everything but deleting the account.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub admin: Vec<String>,
    /// Containers and objects.
    #[serde(default, rename = "read-write", skip_serializing_if = "Vec::is_empty")]
    pub read_write: Vec<String>,
    /// Reading.
    #[serde(default, rename = "read-only", skip_serializing_if = "Vec::is_empty")]
    pub read_only: Vec<String>,
}

/// How far an account's list lets somebody go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Reading.
    ReadOnly,
    /// Containers and objects.
    ReadWrite,
    /// Everything but deleting the account.
    Admin,
}

impl AccountAcl {
    /// From JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, serde_json::Error> {
        // A list would do for a structure otherwise.
        let members: serde_json::Map<_, _> = serde_json::from_str(text)?;
        serde_json::from_value(members.into())
    }

    /// As it is kept and shown.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Whether it grants nothing.
    pub fn is_empty(&self) -> bool {
        self.admin.is_empty() && self.read_write.is_empty() && self.read_only.is_empty()
    }

    /// How far it lets a user with these groups go.
    pub fn level(&self, groups: &[String]) -> Option<Level> {
        let has = |list: &[String]| groups.iter().any(|group| list.contains(group));
        if has(&self.admin) {
            Some(Level::Admin)
        } else if has(&self.read_write) {
            Some(Level::ReadWrite)
        } else if has(&self.read_only) {
            Some(Level::ReadOnly)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_kept_in_one_form() {
        let table = [
            (".r:*", Ok(".r:*")),
            (" .referrer : * , bob ,, .rlistings", Ok(".r:*,bob,.rlistings")),
            (".r:*.example.com, .ref:-bad.example.com", Ok(".r:.example.com,.r:-bad.example.com")),
            ("acct:bob, acct2", Ok("acct:bob,acct2")),
            (".r:", Err(())),
            (".r:-", Err(())),
            (".x:y", Err(())),
        ];
        for (text, expected) in table {
            let cleaned = clean("X-Container-Read", text);
            assert_eq!(cleaned.as_deref().map_err(|_| ()), expected, "{text}");
        }
        assert!(clean("X-Container-Write", ".r:*").is_err());
        assert_eq!(clean("X-Container-Write", "a:b").unwrap(), "a:b");
    }

    #[test]
    fn referrers_are_matched_in_order() {
        let acl = ContainerAcl::parse(".r:*,.r:-.bad.com,.r:ok.bad.com");
        assert!(acl.admits_referrer(None) && !acl.lists());
        assert!(acl.admits_referrer(Some("http://good.com/x")));
        assert!(!acl.admits_referrer(Some("http://www.bad.com/x")));
        assert!(acl.admits_referrer(Some("http://OK.bad.com:80/x")));
        let one = ContainerAcl::parse(".r:example.com,.rlistings");
        assert!(!one.admits_referrer(None) && one.lists());
        assert!(one.admits_referrer(Some("https://example.com")));
        assert!(!one.admits_referrer(Some("example.com")));
        assert!(!ContainerAcl::parse("").admits_referrer(None));
    }

    #[test]
    fn an_account_list_has_levels() {
        let acl = AccountAcl::parse(r#"{"admin":["a:x"],"read-only":["b"]}"#).unwrap();
        let groups = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        assert_eq!(acl.level(&groups(&["a", "a:x"])), Some(Level::Admin));
        assert_eq!(acl.level(&groups(&["b", "b:y"])), Some(Level::ReadOnly));
        assert_eq!(acl.level(&groups(&["c"])), None);
        assert_eq!(acl.to_json(), r#"{"admin":["a:x"],"read-only":["b"]}"#);
        assert!(AccountAcl::parse(r#"{"other":[]}"#).is_err());
        assert!(AccountAcl::parse("[]").is_err() && AccountAcl::parse("{}").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_kept_stays_as_it_is(
            items in prop::collection::vec(" ?(\\.r|\\.ref|acct|\\.x)? ?:? ?-? ?\\*?\\.?[a-z]{0,4} ?", 0..5),
        ) {
            for name in ["X-Container-Read", "X-Container-Write"] {
                if let Ok(kept) = clean(name, &items.join(",")) {
                    prop_assert_eq!(clean(name, &kept), Ok(kept.clone()));
                    let acl = ContainerAcl::parse(&kept);
                    prop_assert!(name == "X-Container-Read" || acl.referrers.is_empty());
                }
            }
        }

        #[test]
        fn no_list_and_no_referrer_does_harm(text in "\\PC{0,40}", referrer in "\\PC{0,9}(://)?\\PC{0,20}") {
            let _ = clean("X-Container-Read", &text);
            let _ = ContainerAcl::parse(&text).admits_referrer(Some(&referrer));
            let _ = AccountAcl::parse(&text);
        }

        #[test]
        fn an_account_list_comes_back(lists in any::<[Vec<String>; 3]>()) {
            let [admin, read_write, read_only] = lists;
            let acl = AccountAcl { admin, read_write, read_only };
            prop_assert_eq!(AccountAcl::parse(&acl.to_json()).unwrap(), acl);
        }
    }
}
