//! Copies: where it can, as links, which move no bytes; else through this gateway.

use crate::{
    call::Call,
    condition,
    container::empty,
    current,
    dlo::Manifest,
    expiry,
    listing::Listed,
    metadata,
    object::{self, Names, Place, Upload},
    path::{Account, Target, container_and_object, escape, unescape},
    query::is_true,
    quota,
    range::{self, Asked},
    reader::{Found, How},
    refusal::{Outcome, Refusal},
    replaced::Replaced,
    slo::{self, Large},
    symlink::{self, Link},
    time,
    versions::{self, State},
};
use bytes::Bytes;
use client::{Container, Error, Precondition, Properties, Source};
use http::{Method, StatusCode};

/// `PUT` with `X-Copy-From`: the target is the copy.
pub async fn to_here(call: &mut Call) -> Outcome {
    if call.header("content-length").is_some_and(|length| length != "0") {
        return Err(Refusal::bad("Copy requests require a zero byte body"));
    }
    let text = metadata::text(&call.headers, "x-copy-from")?.unwrap_or_default();
    let what = "X-Copy-From header must be of the form <container name>/<object name>";
    let source = Names {
        account: named_account(call, "x-copy-from-account")?,
        ..named(text, what, &call.target.account)?
    };
    copy(call, source).await
}

/// `COPY` with `Destination`: the target is the source.
pub async fn from_here(call: &mut Call) -> Outcome {
    let what = "Destination header must be of the form <container name>/<object name>";
    let missing = || Refusal::says(StatusCode::PRECONDITION_FAILED, "Destination header required");
    let text = metadata::text(&call.headers, "destination")?.ok_or_else(missing)?.to_owned();
    let account = named_account(call, "destination-account")?;
    let destination = Names { account, ..named(&text, what, &call.target.account)? };
    let source = Names {
        account: call.target.account.clone(),
        container: call.container()?.clone(),
        object: call.object()?.clone(),
    };
    // From here on it is a PUT of the destination.
    call.target = Target {
        account: destination.account,
        container: Some(destination.container),
        object: Some(destination.object),
    };
    call.method = Method::PUT;
    copy(call, source).await
}

fn named(text: &str, what: &'static str, account: &Account) -> Result<Names, Refusal> {
    let (container, object) = container_and_object(text, what)?;
    Ok(Names { account: account.clone(), container, object })
}

/// The account that a header names; the target's otherwise.
fn named_account(call: &Call, header: &str) -> Result<Account, Refusal> {
    let Some(text) = metadata::text(&call.headers, header)? else {
        return Ok(call.target.account.clone());
    };
    let name = unescape(text)?;
    if name.is_empty() || name.contains('/') {
        let text = "Account name cannot contain slashes";
        return Err(Refusal::says(StatusCode::PRECONDITION_FAILED, text));
    }
    Account::parse(&name).ok_or_else(|| call.denied(&call.target.account))
}

async fn copy(call: &Call, from: Names) -> Outcome {
    let authority =
        call.authorize_for(&Method::GET, &from.account, Some(&from.container), true).await?;
    let named = versions::named(call, &from, authority).await?;
    let source = Place { version: named.exactly(), ..from.place() };
    let how =
        How { manifests: !call.wants_manifest(), links: !call.wants_link(), ..How::default() };
    let found = call.reader().find(source, how).await?;
    versions::check(named, &found.object)?;
    let object = &found.object;
    call.authorize().await?;
    // Conditions of a copy are about what is copied.
    let (etag, modified) = (found.content.etag.as_deref(), found.content.modified);
    let seconds = modified.div_ceil(1_000_000);
    if let Some(status) = condition::outcome(&call.headers, etag.unwrap_or_default(), seconds) {
        return Err(Refusal::new(status));
    }
    if found.content.open_ended {
        let text = "The source has more segments than a copy can tell the size of.";
        return Err(Refusal::says(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    let (account, container) = (&call.target.account, call.container()?);
    let into = call.container_for_write(account, container).await?;
    let properties = properties(call, &found)?;
    let mime_type = match metadata::content_type(&call.headers)? {
        Some(said) => {
            let link = Link::of(&object.properties).is_some();
            Listed { mime_type: Listed::of(said).mime_type, link, ..Listed::default() }.kept()
        }
        None if found.plain => object.entry.mime_type.clone(),
        None => Listed::of(&object.entry.mime_type).mime_type.to_owned(),
    };
    let delete_at = match expiry::of(&call.headers, time::now_seconds())? {
        Some(at) => Some(at),
        None if call.header("x-fresh-metadata").is_some_and(is_true) => None,
        None => object.entry.delete_at,
    };
    let mut response = match found.plain && Large::of(object).is_some() {
        true => slo::copy(call, &found.content, properties, &mime_type, delete_at).await?,
        false => {
            store(call, &into, Copied { found: &found, properties, mime_type, delete_at }).await?
        }
    };
    let headers = response.headers_mut();
    let path = format!("{}/{}", escape(from.container.as_str()), escape(from.object.as_str()));
    metadata::set(headers, "x-copied-from", &path);
    metadata::set(headers, "x-copied-from-account", &escape(&from.account.to_string()));
    metadata::set(headers, "x-copied-from-last-modified", &time::http(object.entry.modified));
    let fresh = call.header("x-fresh-metadata").is_some_and(is_true);
    let before = object::shown(object).into_iter().filter(|_| !fresh);
    let before = before.filter_map(|(name, value)| Some((name?, value)));
    let now = call.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    for (name, value) in before.chain(now) {
        if name.as_str().starts_with("x-object-meta-") {
            headers.insert(name, value);
        }
    }
    if let Some(at) = delete_at {
        metadata::set(headers, "x-delete-at", &at.to_string());
    }
    Ok(response)
}

/// The copy's properties: the source's, with what the request sets; or only that. What makes a
/// manifest of the source stays with it, unless the manifest itself is copied.
fn properties(call: &Call, source: &Found) -> Result<Properties, Refusal> {
    let own = metadata::of_new_object(&call.headers)?;
    let mut properties = source.object.properties.clone();
    if call.header("x-fresh-metadata").is_some_and(is_true) {
        properties.retain(|key, _| key.starts_with(metadata::OWN));
        for name in metadata::KEPT {
            properties.remove(&metadata::own_key(name));
        }
    }
    if !source.plain {
        Large::remove_from(&mut properties);
        Manifest::remove_from(&mut properties);
    }
    if Link::of(&properties).is_some()
        && let Some(account) = symlink::account(&call.headers)?
    {
        symlink::set_account(&mut properties, &account);
    }
    properties.extend(own);
    metadata::check(metadata::of_user(&properties))?;
    Ok(properties)
}

/// What is to be copied.
struct Copied<'a> {
    found: &'a Found,
    properties: Properties,
    mime_type: String,
    delete_at: Option<u64>,
}

/// Stores the copy, as a link where that can be.
async fn store(call: &Call, into: &Container, copied: Copied<'_>) -> Outcome {
    let Copied { found, properties, mime_type, delete_at } = copied;
    let (entry, from) = (&found.object.entry, &found.names);
    let size = found.content.size;
    let part = match range::asked(call.header("range"), size) {
        Asked::Unsatisfiable => return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE)),
        Asked::Parts(parts) if parts.len() == 1 => parts.into_iter().next(),
        _ => None,
    };
    let state = State::of(into);
    let place = call.place()?;
    // Another policy is another way to keep the bytes: they are written anew.
    let same_policy = into.policy.is_none() || into.policy.as_ref() == Some(&entry.policy);
    if let Some(md5) = entry.md5.filter(|_| found.plain && part.is_none() && same_policy) {
        quota::check_upload(call, &call.target.account, into, Some(entry.size)).await?;
        let replaced = Replaced::before(call, into, place).await?;
        let mut properties = properties.clone();
        versions::mark(state, &mut properties);
        let ends = delete_at.filter(|_| state == State::Enabled);
        let mut link = call
            .gateway
            .client
            .link_object(&from.account.name, &from.container, &from.object)
            .version(entry.version)
            .to(&place.account.name, place.container, place.object)
            .autocreate(false)
            .mime_type(mime_type.clone())
            .delete_at(delete_at.filter(|_| ends.is_none()))
            .replace_properties(properties);
        if replaced.stays() {
            link = link.keep_latest();
        }
        match link.await {
            Ok(linked) => {
                replaced.remove(call, place, linked.version).await;
                if ends.is_some() {
                    current::expire(call, place, linked.version, ends).await?;
                }
                let mut response = empty(StatusCode::CREATED);
                let headers = response.headers_mut();
                metadata::set(headers, "etag", &hex::encode(md5));
                metadata::set(headers, "last-modified", &time::http(linked.version.0));
                if state == State::Enabled {
                    let id = time::swift(linked.version.0);
                    metadata::set(headers, "x-object-version-id", &id);
                }
                return Ok(response);
            }
            // It was overwritten meanwhile, but can be read yet; or a chunk is missing, say, which
            // reading rebuilds.
            Err(
                Error::NoSuchObject(_)
                | Error::Unavailable(_)
                | Error::BelowQuorum { .. }
                | Error::Conflict(_),
            ) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let part = part.unwrap_or(0..size);
    let bytes = part.end - part.start;
    let source = match &found.content.origin {
        Some(origin) if bytes > 0 => Source::stream(origin.read(part)?),
        _ => Source::from(Bytes::new()),
    };
    let upload = Upload {
        source,
        bytes: Some(bytes),
        etag: None,
        mime_type,
        properties,
        delete_at,
        precondition: Precondition::None,
    };
    object::store(call, into, place, upload).await
}
