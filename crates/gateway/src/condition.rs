//! Conditional requests. No I/O.

use crate::time;
use http::{HeaderMap, HeaderName, StatusCode, header};
use std::borrow::Cow;

/// Whether an entity tag is one of a list, or the list is a star.
fn matches(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|one| {
        let one = one.strip_prefix("W/").unwrap_or(one);
        one == "*" || one.trim_matches('"') == etag
    })
}

/// A header, which is no tag and no date where it is no text.
fn text(headers: &HeaderMap, name: HeaderName) -> Option<Cow<'_, str>> {
    headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()))
}

/// What the conditions of a GET or HEAD make of it, if they do not hold: 304 or 412. `modified`
/// is in seconds since 1970.
pub fn outcome(headers: &HeaderMap, etag: &str, modified: u64) -> Option<StatusCode> {
    let text = |name| text(headers, name);
    if let Some(list) = text(header::IF_MATCH)
        && !matches(&list, etag)
    {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    if let Some(list) = text(header::IF_NONE_MATCH)
        && matches(&list, etag)
    {
        return Some(StatusCode::NOT_MODIFIED);
    }
    let date = |name| text(name).and_then(|text| time::parse_http(&text));
    if let Some(since) = date(header::IF_UNMODIFIED_SINCE)
        && modified > since
    {
        return Some(StatusCode::PRECONDITION_FAILED);
    }
    if let Some(since) = date(header::IF_MODIFIED_SINCE)
        && modified <= since
        && !headers.contains_key(header::IF_NONE_MATCH)
    {
        return Some(StatusCode::NOT_MODIFIED);
    }
    None
}

/// Whether an `If-Range` lets ranges stand.
pub fn ranges_stand(headers: &HeaderMap, etag: &str, modified: u64) -> bool {
    let Some(value) = text(headers, header::IF_RANGE) else { return true };
    match time::parse_http(&value) {
        Some(since) => modified <= since,
        None => matches(&value, etag),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use proptest::prelude::*;

    #[test]
    fn conditions_are_those_of_http() {
        let at = 1_000_000_000;
        let date = |seconds| time::http_seconds(seconds);
        let table: [(header::HeaderName, String, Option<u16>); 14] = [
            (header::IF_MATCH, "abc".into(), None),
            (header::IF_MATCH, "\"x\", \"abc\"".into(), None),
            (header::IF_MATCH, "*".into(), None),
            (header::IF_MATCH, "x".into(), Some(412)),
            (header::IF_NONE_MATCH, "x".into(), None),
            (header::IF_NONE_MATCH, "\"abc\"".into(), Some(304)),
            (header::IF_NONE_MATCH, "*".into(), Some(304)),
            (header::IF_MODIFIED_SINCE, date(at - 1), None),
            (header::IF_MODIFIED_SINCE, date(at), Some(304)),
            (header::IF_UNMODIFIED_SINCE, date(at), None),
            (header::IF_UNMODIFIED_SINCE, date(at - 1), Some(412)),
            (header::IF_MODIFIED_SINCE, "nonsense".into(), None),
            (header::IF_UNMODIFIED_SINCE, "nonsense".into(), None),
            (header::RANGE, "bytes=0-1".into(), None),
        ];
        for (name, value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(&name, HeaderValue::from_str(&value).unwrap());
            let status = outcome(&headers, "abc", at).map(|status| status.as_u16());
            assert_eq!(status, expected, "{name}: {value}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_MATCH, HeaderValue::from_bytes(b"\xff").unwrap());
        assert_eq!(outcome(&headers, "abc", at), Some(StatusCode::PRECONDITION_FAILED));
        let mut headers = HeaderMap::new();
        assert!(ranges_stand(&headers, "abc", at));
        for (value, stand) in
            [("\"abc\"".into(), true), ("x".into(), false), (date(at), true), (date(at - 1), false)]
        {
            headers.insert(header::IF_RANGE, HeaderValue::from_str(&value).unwrap());
            assert_eq!(ranges_stand(&headers, "abc", at), stand, "{value}");
        }
    }

    proptest! {
        #[test]
        fn no_condition_does_harm(
            name in prop::sample::select(vec![
                header::IF_MATCH,
                header::IF_NONE_MATCH,
                header::IF_MODIFIED_SINCE,
                header::IF_UNMODIFIED_SINCE,
                header::IF_RANGE,
            ]),
            value in prop::collection::vec(any::<u8>(), 0..40),
            modified in any::<u64>(),
        ) {
            let mut headers = HeaderMap::new();
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                headers.insert(name, value);
            }
            let _ = (outcome(&headers, "abc", modified), ranges_stand(&headers, "abc", modified));
        }

        #[test]
        fn a_tag_is_found_wherever_it_stands(
            before in "((W/)?\"[a-z]{0,3}\" ?, ?){0,3}",
            weak in "(W/)?",
            after in "( ?, ?[a-z]{0,3}){0,3}",
        ) {
            let list = format!("{before}{weak}\"etag\"{after}");
            prop_assert!(matches(&list, "etag"), "{list}");
            let list = format!("{before}x{after}");
            prop_assert!(!matches(&list, "etag"));
        }
    }
}
