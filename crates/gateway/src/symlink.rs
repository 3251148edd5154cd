//! Symbolic links: objects without content that stand for another.

use crate::{
    call::Call,
    expiry,
    listing::Listed,
    metadata,
    object::{self, Names, Upload},
    path::{Account, container_and_object, escape, unescape},
    reader::How,
    refusal::{Outcome, Refusal},
    slo::Large,
    time,
};
use bytes::Bytes;
use client::{Properties, Source};
use http::{HeaderMap, HeaderValue, StatusCode, header};

/// The headers of a link, which are also what they are kept as.
const TARGET: &str = "x-symlink-target";
const ACCOUNT: &str = "x-symlink-target-account";
const ETAG: &str = "x-symlink-target-etag";
const BYTES: &str = "x-symlink-target-bytes";
/// The entity tag of a large object that is linked to. No header shows it.
const SLO_ETAG: &str = "symlink-slo-etag";

/// Links that are followed, one after the other.
pub const MOST: u8 = 2;

/// What links are where nobody says.
const MIME_TYPE: &str = "application/symlink";

/// Where a link leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link<'a> {
    /// `container/object`, escaped.
    target: &'a str,
    /// The account; the link's own otherwise.
    account: Option<&'a str>,
    /// The entity tag that the target must have: the link is static.
    pub etag: Option<&'a str>,
    /// Bytes that the target of a static link had.
    pub bytes: Option<u64>,
    /// The entity tag that the target had, if it was a large object.
    pub slo_etag: Option<&'a str>,
}

impl<'a> Link<'a> {
    /// Of an object, if it is a link.
    pub fn of(properties: &'a Properties) -> Option<Self> {
        Some(Self {
            target: metadata::own(properties, TARGET)?,
            account: metadata::own(properties, ACCOUNT),
            etag: metadata::own(properties, ETAG),
            bytes: metadata::own(properties, BYTES).and_then(|bytes| bytes.parse().ok()),
            slo_etag: metadata::own(properties, SLO_ETAG),
        })
    }

    /// The path of the target in a URL; `own` is the link's account.
    pub fn path(&self, own: &Account) -> String {
        match self.account {
            Some(account) => format!("/v1/{}/{}", escape(account), self.target),
            None => format!("/v1/{}/{}", escape(&own.to_string()), self.target),
        }
    }

    /// The target.
    ///
    /// # Errors
    /// 409 if it can be no object: somebody else wrote the link.
    pub fn names(&self, own: &Account) -> Result<Names, Refusal> {
        let broken = || Refusal::says(StatusCode::CONFLICT, "The symbolic link cannot be read");
        let (container, object) = container_and_object(self.target, "").map_err(|_| broken())?;
        let account = match self.account {
            Some(account) => Account::parse(account).ok_or_else(broken)?,
            None => own.clone(),
        };
        Ok(Names { account, container, object })
    }

    /// Shows it in headers.
    pub fn show(&self, headers: &mut HeaderMap) {
        metadata::set(headers, TARGET, self.target);
        let bytes = self.bytes.map(|bytes| bytes.to_string());
        for (name, text) in [(ACCOUNT, self.account), (ETAG, self.etag), (BYTES, bytes.as_deref())]
        {
            if let Some(text) = text {
                metadata::set(headers, name, text);
            }
        }
    }

    /// Where a POST to the link should have gone.
    pub fn redirect(&self, own: &Account) -> Refusal {
        let text = "The requested resource resides temporarily at a different URI.";
        let refusal = Refusal::says(StatusCode::TEMPORARY_REDIRECT, text);
        let refusal = with(refusal, header::LOCATION, &self.path(own));
        match self.etag {
            Some(etag) => with(refusal, http::HeaderName::from_static(ETAG), etag),
            None => refusal,
        }
    }
}

fn with(refusal: Refusal, name: http::HeaderName, text: &str) -> Refusal {
    match HeaderValue::from_str(text) {
        Ok(value) => refusal.header(name, value),
        Err(_) => refusal,
    }
}

/// A refusal that says which target it is about.
pub fn at(location: Option<&str>, refusal: Refusal) -> Refusal {
    match location {
        Some(location) => with(refusal, header::CONTENT_LOCATION, location),
        None => refusal,
    }
}

/// Whether a target is the one that static links were made for.
///
/// # Errors
/// 409 if it is not.
pub fn check(expected: &[String], etag: Option<[u8; 16]>) -> Result<(), Refusal> {
    let found = etag.map(hex::encode).unwrap_or_default();
    match expected.iter().find(|expected| **expected != found) {
        None => Ok(()),
        Some(expected) => Err(Refusal::says(
            StatusCode::CONFLICT,
            format!(
                "Object Etag '{found}' does not match X-Symlink-Target-Etag header '{expected}'"
            ),
        )),
    }
}

/// 409: links that lead too far, or in a circle.
pub fn too_many() -> Refusal {
    let text = format!("Too many levels of symbolic links, maximum allowed is {MOST}");
    Refusal::says(StatusCode::CONFLICT, text)
}

/// Whether a request makes a link.
pub fn is_put(call: &Call) -> bool {
    call.headers.contains_key(TARGET)
}

/// Refuses a POST that would change where a link leads.
pub fn check_post(call: &Call) -> Result<(), Refusal> {
    match is_put(call) {
        true => Err(Refusal::bad("A PUT request is required to set a symlink target")),
        false => Ok(()),
    }
}

/// The account that a request names for a link, in the form that is kept.
///
/// # Errors
/// 412 if it is none.
pub fn account(headers: &HeaderMap) -> Result<Option<Account>, Refusal> {
    let Some(text) = metadata::text(headers, ACCOUNT)?.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let name = unescape(text)?;
    let malformed = || {
        let text = "Account name cannot contain slashes";
        Refusal::says(StatusCode::PRECONDITION_FAILED, text)
    };
    let sane = Some(name).filter(|name| !name.contains('/')).ok_or_else(malformed)?;
    Account::parse(&sane).map(Some).ok_or_else(malformed)
}

/// Lets a link lead into another account.
pub fn set_account(properties: &mut Properties, account: &Account) {
    properties.insert(metadata::own_key(ACCOUNT), account.to_string());
}

/// Answers a PUT with `X-Symlink-Target`.
pub async fn put(call: &mut Call) -> Outcome {
    let length = object::announced(call)?;
    if length.is_some_and(|bytes| bytes > 0) || !call.body.is_empty().await? {
        return Err(Refusal::bad("Symlink requests require a zero byte body"));
    }
    let container = call.container_for_write(&call.target.account, call.container()?).await?;
    let what = "X-Symlink-Target header must be of the form <container name>/<object name>";
    let text = metadata::text(&call.headers, TARGET)?.unwrap_or_default();
    // These words have angle brackets, and nothing of the client.
    let malformed = || {
        Refusal::page(StatusCode::PRECONDITION_FAILED, what.to_owned())
            .header(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))
    };
    if unescape(text)?.starts_with('/') {
        return Err(malformed());
    }
    let (to_container, to_object) =
        container_and_object(text, what).map_err(|refusal| match refusal.status {
            StatusCode::PRECONDITION_FAILED => malformed(),
            _ => refusal,
        })?;
    let to_account = account(&call.headers)?;
    let target = Names {
        account: to_account.clone().unwrap_or_else(|| call.target.account.clone()),
        container: to_container,
        object: to_object,
    };
    if target == call.names()? {
        return Err(Refusal::bad("Symlink cannot target itself"));
    }
    let mut properties = metadata::of_new_object(&call.headers)?;
    let path = format!("{}/{}", escape(target.container.as_str()), escape(target.object.as_str()));
    properties.insert(metadata::own_key(TARGET), path);
    if let Some(account) = &to_account {
        set_account(&mut properties, account);
    }
    let mut mime_type = MIME_TYPE.to_owned();
    let etag = call.header(ETAG).map(|etag| etag.trim_matches('"').to_owned());
    if let Some(etag) = etag.filter(|etag| !etag.is_empty()) {
        if etag.contains([';', '"', '\\']) {
            return Err(Refusal::bad("Bad X-Symlink-Target-Etag format"));
        }
        let found = target_of(call, &target, &etag).await?;
        properties.insert(metadata::own_key(ETAG), etag);
        let large = Large::of(&found);
        let bytes = large.as_ref().map_or(found.entry.size, |large| large.size);
        properties.insert(metadata::own_key(BYTES), bytes.to_string());
        if let Some(large) = large {
            properties.insert(metadata::own_key(SLO_ETAG), large.etag);
        }
        mime_type = Listed::of(&found.entry.mime_type).mime_type.to_owned();
    }
    if call.header("content-type").is_some() {
        mime_type = object::content_type(&call.headers, call.object()?)?;
    }
    let listed = Listed { mime_type: &mime_type, link: true, ..Listed::default() };
    let upload = Upload {
        source: Source::from(Bytes::new()),
        bytes: Some(0),
        etag: None,
        mime_type: listed.kept(),
        properties,
        delete_at: expiry::of(&call.headers, time::now_seconds())?,
        precondition: object::precondition(call).await?,
    };
    object::store(call, &container, call.place()?, upload).await
}

/// What a static link is to lead to: it must be there, and be what the client says.
async fn target_of(call: &Call, target: &Names, etag: &str) -> Result<client::Object, Refusal> {
    let path = format!(
        "/v1/{}/{}/{}",
        escape(&target.account.to_string()),
        escape(target.container.as_str()),
        escape(target.object.as_str())
    );
    let located = |refusal: Refusal| match refusal.status {
        StatusCode::NOT_FOUND => {
            let text = "X-Symlink-Target does not exist";
            at(Some(&path), Refusal::says(StatusCode::CONFLICT, text))
        }
        _ => refusal,
    };
    let reader = call.reader();
    reader.may_read(&target.account, &target.container).await?;
    let how = How { body: false, manifests: false, dynamic_links: false, ..How::default() };
    let found = reader.find(target.place(), how).await.map_err(located)?;
    check(&[etag.to_owned()], found.object.entry.md5)
        .map_err(|refusal| at(Some(&path), refusal))?;
    Ok(found.object)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_says_where_it_leads() {
        let own = Account::parse("AUTH_a").unwrap();
        let mut properties = Properties::from([(metadata::own_key(TARGET), "c%20d/o/%25".into())]);
        let link = Link::of(&properties).unwrap();
        assert_eq!(link.path(&own), "/v1/AUTH_a/c%20d/o/%25");
        let names = link.names(&own).unwrap();
        assert_eq!((names.container.as_str(), names.object.as_str()), ("c d", "o/%"));
        assert_eq!(names.account, own);
        set_account(&mut properties, &Account::parse("AUTH_b").unwrap());
        let link = Link::of(&properties).unwrap();
        assert_eq!(link.path(&own), "/v1/AUTH_b/c%20d/o/%25");
        assert_eq!(link.names(&own).unwrap().account.owner, "b");
        assert!(Link::of(&Properties::new()).is_none());
        let broken = Properties::from([(metadata::own_key(TARGET), "c".into())]);
        assert_eq!(Link::of(&broken).unwrap().names(&own).unwrap_err().status, 409);
    }

    #[test]
    fn static_links_insist_on_their_target() {
        let md5 = [0xab; 16];
        let good = hex::encode(md5);
        assert!(check(&[], None).is_ok() && check(std::slice::from_ref(&good), Some(md5)).is_ok());
        let refusal = check(&[good, "x".into()], Some(md5)).unwrap_err();
        assert!(refusal.text().ends_with("does not match X-Symlink-Target-Etag header 'x'"));
        assert_eq!(check(&["x".into()], None).unwrap_err().status, 409);
    }
}
