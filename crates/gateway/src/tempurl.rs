//! Temporary URLs: whoever has one may do one thing to one object, or to all whose names begin
//! the same, until it expires.

use crate::{
    gateway::Gateway,
    metadata,
    path::Target,
    query::Query,
    refusal::Refusal,
    signature::{Grant, Signature, keys},
    time,
};
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::net::IpAddr;

/// The methods that can be signed.
pub const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];
/// What of a request is not listened to.
pub const INCOMING_REMOVED: [&str; 1] = ["x-timestamp"];
/// What of an answer is not shown, but for [`OUTGOING_ALLOWED`].
pub const OUTGOING_REMOVED: &str = "x-object-meta-";
/// What of it is shown.
pub const OUTGOING_ALLOWED: &str = "x-object-meta-public-";

/// What would make an object of others' bytes: who may store one need not see those.
const POINTERS: [&str; 2] = ["x-object-manifest", "x-symlink-target"];

/// What stands for itself in the name of a file, as Python quotes it; a slash does not here.
const NAME: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'.').remove(b'-').remove(b'~');
/// The same with slashes.
const PATH: &AsciiSet = &NAME.remove(b'/');
/// The same between quotation marks.
const QUOTED: &AsciiSet = &PATH.remove(b' ');

/// A request that came with a temporary URL's parameters.
#[derive(Debug, Clone)]
pub struct TempUrl {
    /// What it may do.
    pub grant: Grant,
    expires: u64,
    filename: Option<String>,
    inline: bool,
}

/// What the parameters of a URL say.
#[derive(Debug, PartialEq, Eq)]
struct Shown<'a> {
    signature: Signature,
    expires: u64,
    prefix: Option<&'a str>,
    ip_range: Option<&'a str>,
}

impl<'a> Shown<'a> {
    /// None for what is no temporary URL any more, or never was.
    fn of(query: &'a Query, now: u64) -> Option<Self> {
        let expires = query.get("temp_url_expires")?;
        let expires = expires.parse().ok().or_else(|| expiry(expires))?;
        if expires < now {
            return None;
        }
        Some(Self {
            signature: Signature::parse(query.get("temp_url_sig")?)?,
            expires,
            prefix: query.get("temp_url_prefix"),
            ip_range: query.filled("temp_url_ip_range"),
        })
    }

    /// What was signed for a method.
    fn message(&self, method: &str, path: &str) -> Vec<u8> {
        let range = self.ip_range.map(|range| format!("ip={range}\n")).unwrap_or_default();
        format!("{range}{method}\n{}\n{path}", self.expires).into_bytes()
    }
}

/// The second of an expiry that is written as a date in UTC.
fn expiry(text: &str) -> Option<u64> {
    text.ends_with('Z').then(|| time::parse_expiry(text)).flatten()
}

/// Whether an address is in a range such as `10.1.0.0/16`, or is the one given.
fn is_in(address: IpAddr, range: &str) -> bool {
    let (network, bits) = match range.split_once('/') {
        Some((network, bits)) => (network, Some(bits)),
        None => (range, None),
    };
    let Ok(network) = network.parse::<IpAddr>() else { return false };
    let number = |address: IpAddr| match address {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32),
        IpAddr::V6(v6) => (u128::from(v6), 128),
    };
    let ((address, width), (network, of_width)) = (number(address.to_canonical()), number(network));
    let bits = match bits.map(str::parse::<u32>) {
        None => width,
        Some(Ok(bits)) if bits <= width => bits,
        Some(_) => return false,
    };
    if width != of_width {
        return false;
    }
    let behind = |number: u128| number & u128::MAX.checked_shr(128 - (width - bits)).unwrap_or(0);
    // A network has nothing behind its own bits.
    behind(network) == 0 && address - behind(address) == network
}

/// 401: the URL is none, or not for this.
fn invalid() -> Refusal {
    Refusal::says(StatusCode::UNAUTHORIZED, "401 Unauthorized: Temp URL invalid")
}

/// Checks a request's temporary URL, if it is one.
///
/// # Errors
/// 401 if it is not good, 400 for what cannot be done with one.
pub async fn check(
    gateway: &Gateway,
    method: &Method,
    headers: &HeaderMap,
    target: &Target,
    query: &Query,
    remote: IpAddr,
) -> Result<Option<TempUrl>, Refusal> {
    if !query.has("temp_url_sig") && !query.has("temp_url_expires") {
        return Ok(None);
    }
    let shown = Shown::of(query, time::now_seconds()).ok_or_else(invalid)?;
    let (Some(container), Some(object)) = (&target.container, &target.object) else {
        return Err(invalid());
    };
    if !METHODS.contains(&method.as_str())
        || shown.ip_range.is_some_and(|range| !is_in(remote, range))
    {
        return Err(invalid());
    }
    let path = match shown.prefix {
        None => format!("/v1/{}/{container}/{object}", target.account),
        Some(prefix) if object.as_str().starts_with(prefix) => {
            format!("prefix:/v1/{}/{container}/{prefix}", target.account)
        }
        Some(_) => return Err(invalid()),
    };
    // Who may read or write an object may look at it.
    let signed: &[&str] = match *method {
        Method::HEAD => &["HEAD", "GET", "POST", "PUT"],
        _ => &[method.as_str()],
    };
    let messages: Vec<_> = signed.iter().map(|method| shown.message(method, &path)).collect();
    let keys = keys(gateway, &target.account, container).await?;
    let proves = |key: &str| messages.iter().any(|message| shown.signature.is_of(key, message));
    let key = keys.into_iter().find(|key| proves(&key.key)).ok_or_else(invalid)?;
    if !matches!(*method, Method::GET | Method::HEAD)
        && let Some(name) = POINTERS.into_iter().find(|name| headers.contains_key(*name))
    {
        return Err(Refusal::bad(format!("The header '{name}' is not allowed in this tempurl")));
    }
    Ok(Some(TempUrl {
        grant: Grant {
            method: method.clone(),
            account: target.account.clone(),
            container: container.clone(),
            of_account: key.of_account,
        },
        expires: shown.expires,
        filename: query.filled("filename").map(str::to_owned),
        inline: query.has("inline"),
    }))
}

impl TempUrl {
    /// Makes an answer one to a temporary URL: without what is the owner's business, and such
    /// that browsers store it under a name.
    pub fn dress(&self, status: StatusCode, headers: &mut HeaderMap, path: &str) {
        let hidden: Vec<_> = headers
            .keys()
            .filter(|name| {
                name.as_str().starts_with(OUTGOING_REMOVED)
                    && !name.as_str().starts_with(OUTGOING_ALLOWED)
            })
            .cloned()
            .collect();
        for name in hidden {
            headers.remove(name);
        }
        let reads = matches!(self.grant.method, Method::GET | Method::HEAD);
        if !reads || !status.is_success() {
            return;
        }
        let disposition = match (&self.filename, self.inline) {
            (Some(name), true) => Some(disposition("inline", name)),
            (None, true) => Some("inline".to_owned()),
            (Some(name), false) => Some(disposition("attachment", name)),
            (None, false) if headers.contains_key("content-disposition") => None,
            (None, false) => {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                Some(disposition("attachment", name))
            }
        };
        if let Some(disposition) = disposition {
            metadata::set(headers, "content-disposition", &disposition);
        }
        metadata::set(headers, "expires", &time::http_seconds(self.expires));
    }
}

/// A disposition with the name of a file, as RFC 6266 and RFC 5987 write it.
fn disposition(kind: &str, filename: &str) -> String {
    let quoted = utf8_percent_encode(filename, QUOTED);
    format!(
        "{kind}; filename=\"{quoted}\"; filename*=UTF-8''{}",
        utf8_percent_encode(filename, PATH)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::net::Ipv4Addr;

    #[test]
    fn addresses_are_in_their_ranges() {
        let table = [
            ("127.0.0.1", "127.0.0.0/8", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.1/32", true),
            ("127.0.0.1", "10.1.1.1", false),
            ("127.0.0.1", "0.0.0.0/0", true),
            ("10.1.2.3", "10.1.0.0/16", true),
            ("10.2.2.3", "10.1.0.0/16", false),
            ("10.1.2.3", "10.1.2.0/16", false),
            ("10.1.2.3", "10.1.0.0/33", false),
            ("10.1.2.3", "10.1.0.0/x", false),
            ("10.1.2.3", "::/0", false),
            ("10.1.2.3", "nonsense", false),
            ("::ffff:10.1.2.3", "10.1.0.0/16", true),
            ("2001:db8::1", "2001:db8::/32", true),
            ("2001:db9::1", "2001:db8::/32", false),
            ("2001:db8::1", "::/0", true),
        ];
        for (address, range, expected) in table {
            assert_eq!(is_in(address.parse().unwrap(), range), expected, "{address} {range}");
        }
    }

    #[test]
    fn what_a_url_says_is_read_and_what_is_over_is_none() {
        let sig = "a".repeat(40);
        let shown = |text: &str| {
            let query = Query::parse(&text.replace("SIG", &sig)).unwrap();
            Shown::of(&query, 1000).map(|shown| shown.message("GET", "/p"))
        };
        let message = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(shown("temp_url_sig=SIG&temp_url_expires=1000"), message("GET\n1000\n/p"));
        assert_eq!(
            shown("temp_url_sig=SIG&temp_url_expires=1970-01-01T00:16:41Z"),
            message("GET\n1001\n/p")
        );
        assert_eq!(
            shown("temp_url_sig=SIG&temp_url_expires=1000&temp_url_ip_range=::1"),
            message("ip=::1\nGET\n1000\n/p")
        );
        for text in [
            "temp_url_sig=SIG&temp_url_expires=999",
            "temp_url_sig=SIG&temp_url_expires=x",
            "temp_url_sig=SIG&temp_url_expires=-1",
            "temp_url_sig=SIG",
            "temp_url_sig=&temp_url_expires=1000",
            "temp_url_expires=1000",
        ] {
            assert_eq!(shown(text), None, "{text}");
        }
    }

    #[test]
    fn answers_are_stored_under_a_name() {
        let dressed = |filename: Option<&str>, inline, kept: Option<&str>| {
            let url = TempUrl {
                grant: Grant {
                    method: Method::GET,
                    account: crate::path::Account::parse("AUTH_a").unwrap(),
                    container: "c".parse().unwrap(),
                    of_account: true,
                },
                expires: 0,
                filename: filename.map(str::to_owned),
                inline,
            };
            let mut headers = HeaderMap::new();
            metadata::set(&mut headers, "x-object-meta-secret", "x");
            metadata::set(&mut headers, "x-object-meta-public-x", "x");
            if let Some(kept) = kept {
                metadata::set(&mut headers, "content-disposition", kept);
            }
            url.dress(StatusCode::OK, &mut headers, "/v1/AUTH_a/c/d/a b\"\u{e9}/");
            assert!(!headers.contains_key("x-object-meta-secret"));
            assert!(headers.contains_key("x-object-meta-public-x"));
            assert_eq!(headers["expires"], "Thu, 01 Jan 1970 00:00:00 GMT");
            headers["content-disposition"].to_str().unwrap().to_owned()
        };
        assert_eq!(
            dressed(None, false, None),
            "attachment; filename=\"a b%22%C3%A9\"; filename*=UTF-8''a%20b%22%C3%A9"
        );
        assert_eq!(dressed(None, false, Some("inline; x")), "inline; x");
        assert_eq!(dressed(None, true, Some("attachment")), "inline");
        assert_eq!(
            dressed(Some("x/y"), true, None),
            "inline; filename=\"x/y\"; filename*=UTF-8''x/y"
        );
        assert_eq!(
            dressed(Some("x"), false, Some("inline")),
            "attachment; filename=\"x\"; filename*=UTF-8''x"
        );
    }

    proptest! {
        #[test]
        fn no_url_does_harm(
            text in "\\PC{0,40}",
            expires in "[0-9TZ:+-]{0,25}",
            range in "[0-9a-f:.]{0,20}(/[0-9]{0,4})?",
            address in any::<u128>(),
        ) {
            let query = format!("temp_url_sig={text}&temp_url_expires={expires}&temp_url_ip_range={range}");
            if let Ok(query) = Query::parse(&query) {
                let _ = Shown::of(&query, 0);
            }
            let _ = is_in(IpAddr::V6(address.into()), &range);
            let _ = is_in(IpAddr::V4((address as u32).into()), &range);
        }

        #[test]
        fn an_address_is_in_its_own_networks(address in any::<u32>(), bits in 0_u32..=32) {
            let network = address & u32::MAX.checked_shl(32 - bits).unwrap_or(0);
            let (address, network): (Ipv4Addr, Ipv4Addr) = (address.into(), network.into());
            let network = format!("{network}/{bits}");
            prop_assert!(is_in(address.into(), &network));
        }

        #[test]
        fn every_name_can_be_that_of_a_file(name in any::<String>()) {
            let disposition = disposition("attachment", &name);
            prop_assert!(metadata::value(&disposition).is_some());
            prop_assert_eq!(disposition.matches('"').count(), 2);
            let (_, encoded) = disposition.rsplit_once("''").unwrap();
            prop_assert_eq!(percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap(), name);
        }
    }
}
