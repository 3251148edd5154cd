//! Copies: where it can, as links, which move no bytes; else through this gateway.

use crate::{
    call::Call,
    container::empty,
    expiry, history,
    listing::Listed,
    metadata,
    object::{self, Place, Upload},
    path::{Account, Target, container_and_object, escape, unescape},
    query::is_true,
    quota,
    range::{self, Asked},
    refusal::{Outcome, Refusal},
    time,
    versions::{self, State},
};
use client::{
    Container, ContainerName, Error, Object, ObjectName, OpenObject, Precondition, Properties,
    Source,
};
use futures::StreamExt;
use http::{HeaderName, HeaderValue, Method, StatusCode};

/// Another object that a header names.
struct Named {
    account: Account,
    container: ContainerName,
    object: ObjectName,
}

/// `PUT` with `X-Copy-From`: the target is the copy.
pub async fn to_here(call: &mut Call) -> Outcome {
    if call.header("content-length").is_some_and(|length| length != "0") {
        return Err(Refusal::bad("Copy requests require a zero byte body"));
    }
    let text = metadata::text(&call.headers, "x-copy-from")?.unwrap_or_default();
    let what = "X-Copy-From header must be of the form <container name>/<object name>";
    let source = Named {
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
    let destination = Named { account, ..named(&text, what, &call.target.account)? };
    let source = Named {
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

fn named(text: &str, what: &'static str, account: &Account) -> Result<Named, Refusal> {
    let (container, object) = container_and_object(text, what)?;
    Ok(Named { account: account.clone(), container, object })
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

async fn copy(call: &Call, from: Named) -> Outcome {
    let own = &call.target.account;
    let authority =
        call.authorize_for(&Method::GET, &from.account, Some(&from.container), true).await?;
    let same_place = from.account == *own;
    let source = Place {
        account: &from.account,
        container: &from.container,
        object: &from.object,
        version: match versions::named(call, authority).await? {
            versions::Named::Exactly(version) if same_place => Some(version),
            _ => None,
        },
    };
    let opened = call.open(source).await?;
    let object = opened.object().clone();
    call.authorize().await?;
    let (account, container) = (&call.target.account, call.container()?);
    let into = call.container_for_write(account, container).await?;
    let properties = properties(call, &object)?;
    let mime_type = match metadata::text(&call.headers, "content-type")?.filter(|t| !t.is_empty()) {
        Some(said) => Listed::of(said).mime_type.to_owned(),
        None => object.entry.mime_type.clone(),
    };
    let upload = Copied { from: &from, opened, properties, mime_type };
    let mut response = store(call, &into, upload).await?;
    let headers = response.headers_mut();
    let path = format!("{}/{}", escape(from.container.as_str()), escape(from.object.as_str()));
    metadata::set(headers, "x-copied-from", &path);
    metadata::set(headers, "x-copied-from-account", &escape(&from.account.to_string()));
    metadata::set(headers, "x-copied-from-last-modified", &time::http(object.entry.modified));
    for (name, value) in object::shown(&object) {
        let Some(name) = name else { continue };
        let shown = name.as_str().starts_with("x-object-meta-");
        if shown && !headers.contains_key(&name) {
            headers.insert(name, value);
        }
    }
    for (name, value) in &call.headers {
        if name.as_str().starts_with("x-object-meta-") {
            headers.insert(HeaderName::clone(name), HeaderValue::clone(value));
        }
    }
    Ok(response)
}

/// The copy's properties: the source's, with what the request sets; or only that.
fn properties(call: &Call, source: &Object) -> Result<Properties, Refusal> {
    let own = metadata::of_new_object(&call.headers)?;
    if call.header("x-fresh-metadata").is_some_and(is_true) {
        return Ok(own);
    }
    let mut properties = source.properties.clone();
    properties.extend(own);
    metadata::check(metadata::of_user(&properties))?;
    Ok(properties)
}

/// What is to be copied.
struct Copied<'a> {
    from: &'a Named,
    opened: OpenObject,
    properties: Properties,
    mime_type: String,
}

/// Stores the copy, as a link where that can be.
async fn store(call: &Call, into: &Container, copied: Copied<'_>) -> Outcome {
    let Copied { from, opened, properties, mime_type } = copied;
    let entry = opened.object().entry.clone();
    let part = match range::asked(call.header("range"), entry.size) {
        Asked::Unsatisfiable => return Err(Refusal::new(StatusCode::RANGE_NOT_SATISFIABLE)),
        Asked::Parts(parts) if parts.len() == 1 => parts.into_iter().next(),
        _ => None,
    };
    let delete_at = match expiry::of(&call.headers, time::now_seconds())? {
        Some(at) => Some(at),
        None if call.header("x-fresh-metadata").is_some_and(is_true) => None,
        None => entry.delete_at,
    };
    let state = State::of(into);
    let place = call.place()?;
    // Another policy is another way to keep the bytes: they are written anew.
    let same_policy = into.policy.is_none() || into.policy.as_ref() == Some(&entry.policy);
    if let Some(md5) = entry.md5.filter(|_| part.is_none() && same_policy) {
        quota::check_upload(call, &call.target.account, into, Some(entry.size)).await?;
        history::save(call, into, place).await?;
        let replaced = versions::replaced(call, state, place).await?;
        let mut properties = properties.clone();
        versions::mark(state, &mut properties);
        let link = call
            .gateway
            .client
            .link_object(&from.account.name, &from.container, &from.object)
            .version(entry.version)
            .to(&place.account.name, place.container, place.object)
            .autocreate(false)
            .mime_type(mime_type.clone())
            .delete_at(delete_at)
            .replace_properties(properties);
        match link.await {
            Ok(linked) => {
                if let Some(version) = replaced {
                    versions::remove(call, place, version).await?;
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
            // A chunk is missing, say: reading rebuilds it.
            Err(Error::Unavailable(_) | Error::BelowQuorum { .. } | Error::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let bytes = part.as_ref().map_or(entry.size, |part| part.end - part.start);
    let download = opened.read(part.map(|part| part.start..=part.end - 1))?;
    let upload = Upload {
        source: Source::stream(download.boxed()),
        bytes: Some(bytes),
        etag: None,
        mime_type,
        properties,
        delete_at,
        precondition: Precondition::None,
    };
    object::store(call, into, upload).await
}
