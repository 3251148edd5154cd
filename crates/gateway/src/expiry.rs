//! Objects that go by themselves: `X-Delete-At` and `X-Delete-After`.

use crate::{metadata, refusal::Refusal};
use http::{HeaderMap, StatusCode};

/// The last second that `X-Delete-At` can say.
const LAST: u64 = 9_999_999_999;

/// When an object is to go, in seconds since 1970, if its request says so at `now`.
///
/// # Errors
/// 400 for what is no number, or in the past.
pub fn of(headers: &HeaderMap, now: u64) -> Result<Option<u64>, Refusal> {
    let seconds = |name: &str, shown: &str| -> Result<Option<u64>, Refusal> {
        let Some(text) = metadata::text(headers, name)? else { return Ok(None) };
        let text = text.trim();
        let refused = |what: &str| Refusal::bad(format!("{what}{shown}"));
        match text.strip_prefix('-') {
            Some(digits) if is_number(digits) => Err(Refusal::bad(format!("{shown} in past"))),
            None if is_number(text) => Ok(Some(text.parse().unwrap_or(LAST).min(LAST))),
            _ => Err(refused("Non-integer ")),
        }
    };
    let after = seconds("x-delete-after", "X-Delete-After")?;
    let at = seconds("x-delete-at", "X-Delete-At")?;
    match (after, at) {
        (Some(0), _) => Err(Refusal::bad("X-Delete-After in past")),
        (Some(after), _) => Ok(Some((now + after).min(LAST))),
        (None, Some(at)) if at <= now => Err(Refusal::bad("X-Delete-At in past")),
        (None, at) => Ok(at),
    }
}

/// When a DELETE says that what it deletes must end: `X-If-Delete-At`.
///
/// # Errors
/// 400 for what is no number.
pub fn asked(headers: &HeaderMap) -> Result<Option<u64>, Refusal> {
    let Some(text) = metadata::text(headers, "x-if-delete-at")? else { return Ok(None) };
    match text.trim().parse() {
        Ok(at) => Ok(Some(at)),
        Err(_) => Err(Refusal::bad("Bad X-If-Delete-At header value")),
    }
}

/// Refuses with 412 what does not end when it is `asked` to.
pub fn check(asked: Option<u64>, ends: Option<u64>) -> Result<(), Refusal> {
    match asked.is_none_or(|at| ends == Some(at)) {
        true => Ok(()),
        false => {
            let text = "X-If-Delete-At and X-Delete-At do not match";
            Err(Refusal::says(StatusCode::PRECONDITION_FAILED, text))
        }
    }
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};
    use proptest::prelude::*;

    #[test]
    fn the_time_to_go_is_read_as_in_swift() {
        let now = 1000;
        let table = [
            (None, None, Ok(None)),
            (Some("1001"), None, Ok(Some(1001))),
            (Some("1000"), None, Err("X-Delete-At in past")),
            (Some("-1"), None, Err("X-Delete-At in past")),
            (Some("x"), None, Err("Non-integer X-Delete-At")),
            (Some("1.5"), None, Err("Non-integer X-Delete-At")),
            (None, Some("5"), Ok(Some(1005))),
            (None, Some("0"), Err("X-Delete-After in past")),
            (None, Some("*"), Err("Non-integer X-Delete-After")),
            (Some("2000"), Some("5"), Ok(Some(1005))),
            (Some("11111111111111111111111111"), None, Ok(Some(LAST))),
        ];
        for (at, after, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, text) in [("x-delete-at", at), ("x-delete-after", after)] {
                if let Some(text) = text {
                    let value = HeaderValue::from_static(text);
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
            let read = of(&headers, now).map_err(|refusal| refusal.text().into_owned());
            assert_eq!(read, expected.map_err(str::to_owned), "{at:?} {after:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_to_go_goes_later(at in "-?[0-9]{0,25}|\\PC{0,9}", after in prop::option::of("-?[0-9]{0,25}"), now in 0..LAST) {
            let mut headers = HeaderMap::new();
            metadata::set(&mut headers, "x-delete-at", &at);
            if let Some(after) = after {
                metadata::set(&mut headers, "x-delete-after", &after);
            }
            if let Ok(Some(at)) = of(&headers, now) {
                prop_assert!(at > now && at <= LAST);
            }
        }
    }
}
