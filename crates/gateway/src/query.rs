//! The query of a request.

use crate::{path::invalid_utf8, refusal::Refusal};
use percent_encoding::percent_decode;

/// The most parameters that are looked at.
const MOST: usize = 256;

/// The parameters of a request, decoded, in their order.
#[derive(Debug, Clone, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// From what stands behind the question mark.
    ///
    /// # Errors
    /// 412 for what is no UTF-8. A NUL is allowed: markers that end in one are right behind a name.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let decode = |text: &str| {
            let spaced = text.replace('+', " ");
            percent_decode(spaced.as_bytes()).decode_utf8().ok().map(|text| text.into_owned())
        };
        let mut pairs = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()).take(MOST) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let pair = decode(name).zip(decode(value)).ok_or_else(invalid_utf8)?;
            pairs.push(pair);
        }
        Ok(Self(pairs))
    }

    /// The last value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// The last value of a parameter, if it is not empty.
    pub fn filled(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|value| !value.is_empty())
    }

    /// Whether a parameter is there, with or without a value.
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a parameter says yes.
    pub fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(is_true)
    }
}

/// Whether a value says yes, as Swift reads it.
pub fn is_true(value: &str) -> bool {
    ["true", "1", "yes", "on", "t", "y"].iter().any(|yes| value.eq_ignore_ascii_case(yes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;

    #[test]
    fn parameters_are_decoded_and_the_last_one_counts() {
        let query = Query::parse("a=1&b&a=x%2Fy+z&&reverse=True").unwrap();
        assert_eq!(query.get("a"), Some("x/y z"));
        assert!(query.has("b") && query.filled("b").is_none() && !query.has("c"));
        assert!(query.is_true("reverse") && !query.is_true("b"));
        assert!(Query::parse("a=%ff").is_err());
    }

    proptest! {
        #[test]
        fn parameters_come_through_urls(pairs in prop::collection::vec(any::<(String, String)>(), 0..6)) {
            let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
            let filled = pairs.iter();
            let text: Vec<_> = filled.clone().map(|(n, v)| format!("{}={}", encode(n), encode(v))).collect();
            let query = Query::parse(&text.join("&")).unwrap();
            prop_assert!(query.0.iter().eq(filled.clone()));
            for (name, _) in filled {
                let last = pairs.iter().rfind(|(n, _)| n == name);
                prop_assert_eq!(query.get(name), last.map(|(_, value)| value.as_str()));
            }
        }

        #[test]
        fn no_query_does_harm(text in "[a&=%0-9f+]{0,40}|\\PC{0,40}") {
            if let Ok(query) = Query::parse(&text) {
                prop_assert!(query.0.len() <= MOST);
            }
        }
    }
}
