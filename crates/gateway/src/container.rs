//! Containers: PUT, GET, HEAD, POST, DELETE.

use crate::{
    acl,
    authorize::{Authority, READ_ACL, WRITE_ACL},
    call::Call,
    current, history,
    listing::{Form, Row, Wanted, needs_properties, object_row, render, version_row},
    metadata::{self, Changes, Subject},
    quota,
    refusal::{Outcome, Refusal},
    time,
    versions::{self, State},
};
use client::{
    Container, ContainerName, ListedName, Listing, ObjectEntry, PolicyName, Version, Versioning,
};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use std::sync::Arc;
use transport::{Body, full_body};

/// What only owners see and set of a container, in the gateway's own metadata.
const OWNERS: [&str; 4] = [READ_ACL, WRITE_ACL, "x-container-sync-key", "x-container-sync-to"];

/// When its settings were changed last, in microseconds since 1970.
const CHANGED: &str = "changed";

/// Times a PUT looks again when the container came or went meanwhile.
const TRIES: u32 = 8;

/// Metadata that only owners see and set.
const SECRETS: [&str; 2] = ["temp-url-key", "temp-url-key-2"];

/// Answers a request to a container.
pub async fn answer(call: Call) -> Outcome {
    let authority = call.authorize().await?;
    match call.method {
        Method::HEAD => head(&call, authority).await,
        Method::GET => list(&call, authority).await,
        Method::PUT => put(&call, authority).await,
        Method::POST => post(&call, authority).await,
        Method::DELETE => delete(&call).await,
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED).header(
            header::ALLOW,
            HeaderValue::from_static("HEAD, GET, PUT, POST, DELETE, OPTIONS"),
        )),
    }
}

async fn existing(call: &Call) -> Result<Arc<Container>, Refusal> {
    let found = call.gateway.container_now(call.account(), call.container()?).await?;
    found.ok_or_else(Refusal::not_found)
}

async fn head(call: &Call, authority: Authority) -> Outcome {
    let found = existing(call).await?;
    let mut response = empty(StatusCode::NO_CONTENT);
    show(call, response.headers_mut(), &found, authority).await?;
    Form::of(&call.query, &call.headers)?.show(response.headers_mut());
    Ok(response)
}

/// What is shown of a container.
async fn show(
    call: &Call,
    headers: &mut HeaderMap,
    container: &Container,
    authority: Authority,
) -> Result<(), Refusal> {
    metadata::set(headers, "x-container-object-count", &container.live_objects.to_string());
    metadata::set(headers, "x-container-bytes-used", &container.bytes.to_string());
    metadata::set(headers, "x-timestamp", &time::swift(container.created));
    let changed = metadata::own(&container.properties, CHANGED).and_then(|at| at.parse().ok());
    metadata::set(headers, "last-modified", &time::http(changed.unwrap_or(container.created)));
    history::show(headers, container);
    match State::of(container) {
        State::Never => {}
        State::Enabled => metadata::set(headers, versions::ENABLED, "True"),
        State::Disabled => metadata::set(headers, versions::ENABLED, "False"),
    }
    metadata::set(headers, "accept-ranges", "bytes");
    let policy = match &container.policy {
        Some(policy) => policy.clone(),
        None => call.gateway.map().await?.default_policy.clone(),
    };
    metadata::set(headers, "x-storage-policy", policy.as_str());
    metadata::show(headers, &container.properties, Subject::Container);
    if authority.owner {
        for name in OWNERS {
            if let Some(text) = metadata::own(&container.properties, name) {
                metadata::set(headers, name, text);
            }
        }
    } else {
        for secret in SECRETS {
            headers.remove(format!("{}{secret}", Subject::Container.prefix()));
        }
    }
    Ok(())
}

async fn list(call: &Call, authority: Authority) -> Outcome {
    let versions = call.query.has("versions");
    let form = match versions {
        true => Form::of_versions(&call.query, &call.headers)?,
        false => Form::of(&call.query, &call.headers)?,
    };
    let wanted = Wanted::of(&call.query)?;
    let found = existing(call).await?;
    if versions && !authority.owner {
        return Err(call.denied(&call.target.account));
    }
    let rows = rows(call, &wanted, versions).await?;
    let empty = rows.is_empty() && form == Form::Text;
    let text = render(form, "container", found.name.as_str(), rows);
    let mut response = Response::new(full_body(text));
    if empty {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    show(call, response.headers_mut(), &found, authority).await?;
    form.show(response.headers_mut());
    Ok(response)
}

/// The entries of a container that are wanted.
pub async fn rows(call: &Call, wanted: &Wanted, versions: bool) -> Result<Vec<Row>, Refusal> {
    let (account, container) = (&call.target.account, call.container()?);
    let row = |entry: &ObjectEntry| match versions {
        true => version_row(entry, account),
        false => object_row(entry, account, container),
    };
    // Which of them are versions stands in what most listings do without.
    let found = call.gateway.container(&account.name, container).await?;
    let kept = found.is_some_and(|found| State::of(&found) != State::Never);
    let after = call.query.filled("version_marker").filter(|_| versions);
    if after.is_some() && wanted.marker.is_empty() {
        return Err(Refusal::bad("version_marker param requires marker"));
    }
    let after = match after {
        Some(versions::NULL) => Some(current::null(call, &wanted.marker).await?),
        Some(text) => {
            let micros = time::parse_swift(text);
            Some(Version(micros.ok_or_else(|| Refusal::bad("Invalid version_marker param"))?))
        }
        None => None,
    };
    let mut rows = Vec::new();
    let mut next = after.map(|version| (wanted.marker.clone(), Some(version)));
    while rows.len() < wanted.limit as usize {
        let limit = wanted.limit - rows.len() as u32;
        let query = |properties| page(call, wanted, limit, &next, versions, properties);
        let mut page = query(versions || kept).await?;
        // Where links lead stands in what most listings do without.
        let lacks = |item: &ListedName<ObjectEntry>| match item {
            ListedName::Entry(entry) => needs_properties(entry),
            ListedName::Prefix(_) => false,
        };
        if page.items.iter().any(lacks) {
            page = query(true).await?;
        }
        let items = match versions {
            true => current::seen(call, page.items).await?,
            false => page.items,
        };
        for item in items {
            match item {
                ListedName::Entry(entry) if wanted.path && entry.name.as_str() == wanted.prefix => {
                }
                ListedName::Entry(entry) => rows.push(row(&entry)),
                ListedName::Prefix(name) if wanted.path => rows.extend(named(call, &name).await?),
                ListedName::Prefix(prefix) => rows.push(Row::Folded(prefix)),
            }
        }
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    Ok(rows)
}

/// The entry of just this name, if there is one: below a path, the objects that stand for
/// directories are listed.
async fn named(call: &Call, name: &str) -> Result<Option<Row>, Refusal> {
    let (client, container) = (&call.gateway.client, call.container()?);
    let list =
        client.list_objects(call.account(), container).prefix(name).limit(1).properties(true);
    Ok(list.await?.items.into_iter().find_map(|item| match item {
        ListedName::Entry(entry) if entry.name.as_str() == name => {
            Some(object_row(&entry, &call.target.account, container))
        }
        _ => None,
    }))
}

/// Some entries of a container.
async fn page(
    call: &Call,
    wanted: &Wanted,
    limit: u32,
    next: &Option<(String, Option<Version>)>,
    versions: bool,
    properties: bool,
) -> Result<Listing<ObjectEntry>, Refusal> {
    let mut query = call
        .gateway
        .client
        .list_objects(call.account(), call.container()?)
        .prefix(&wanted.prefix)
        .delimiter(&wanted.delimiter)
        .marker(&wanted.marker)
        .end_marker(&wanted.end_marker)
        .reverse(wanted.reverse)
        .versions(versions)
        .properties(properties)
        .limit(limit);
    if let Some(next) = next {
        query = query.resume(next.clone());
    }
    Ok(query.await?)
}

/// What a PUT or POST sets and removes.
fn changes(call: &Call, authority: Authority) -> Result<Changes, Refusal> {
    let mut changes = metadata::changes(&call.headers, Subject::Container)?;
    quota::check_container_change(&changes)?;
    if !authority.owner {
        // Whoever sets a key of signatures lets in whom they like, and for good.
        changes.retain(|key, _| !SECRETS.contains(&key.as_str()));
    }
    if let Some(enabled) = versions::change(&call.headers)? {
        let enabled = if enabled { "true" } else { "false" };
        changes.insert(metadata::own_key(versions::ENABLED), Some(enabled.to_owned()));
    }
    history::change(&call.headers, &mut changes)?;
    // Who may merely write has no say in who else may.
    for name in OWNERS.into_iter().filter(|_| authority.owner) {
        let removed = call.headers.contains_key(name.replacen("x-", "x-remove-", 1));
        let value = match metadata::text(&call.headers, name)? {
            Some(text) if name == READ_ACL || name == WRITE_ACL => {
                Some(acl::clean(name, text).map_err(Refusal::bad)?)
            }
            Some(text) => Some(text.to_owned()),
            None if removed => None,
            None => continue,
        };
        changes.insert(metadata::own_key(name), value.filter(|text| !text.is_empty()));
    }
    Ok(changes)
}

/// Refuses a change that has a container keep versions in itself and in another: it is one or the
/// other, also while versions are disabled.
fn check_versions(found: Option<&Container>, changes: &Changes) -> Result<(), Refusal> {
    let has = |header: &str| {
        let key = metadata::own_key(header);
        let kept = found.and_then(|found| metadata::own(&found.properties, header));
        changes.get(&key).map_or(kept.is_some(), Option::is_some)
    };
    let changed = |header: &str| changes.contains_key(&metadata::own_key(header));
    let archives = history::HEADERS;
    let is_changed = changed(versions::ENABLED) || archives.into_iter().any(changed);
    if is_changed && has(versions::ENABLED) && archives.into_iter().any(has) {
        let text = "Cannot enable object versioning on a container that is already using the \
                    legacy versioned writes feature.";
        return Err(Refusal::bad(text));
    }
    Ok(())
}

async fn put(call: &Call, authority: Authority) -> Outcome {
    let changes = changes(call, authority)?;
    check_versions(None, &changes)?;
    let policy = policy(call).await?;
    let container = call.container()?;
    let client = &call.gateway.client;
    let enabled = versions::change(&call.headers)?;
    for _ in 0..TRIES {
        let mut create =
            client.create_container(call.account(), container).versioning(Versioning::Suspended);
        if let Some(policy) = &policy {
            create = create.policy(policy.clone());
        }
        if enabled == Some(true) {
            create = create.versioning(Versioning::Unlimited);
        }
        for (key, value) in &changes {
            if let Some(value) = value {
                create = create.property(key, value);
            }
        }
        let created = create.await;
        call.gateway.forget_container(call.account(), container);
        call.gateway.forget_account(&call.target.account);
        if created? {
            return Ok(empty(StatusCode::CREATED));
        }
        match update_existing(call, policy.as_ref(), changes.clone()).await {
            // It was removed meanwhile.
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => {}
            outcome => return outcome,
        }
    }
    Err(Refusal::new(StatusCode::CONFLICT))
}

/// The PUT of a container that is there already.
async fn update_existing(call: &Call, policy: Option<&PolicyName>, changes: Changes) -> Outcome {
    let found = existing(call).await?;
    if let Some(policy) = policy
        && !is_of_policy(call, &found, policy).await?
    {
        return Err(Refusal::new(StatusCode::CONFLICT));
    }
    update(call, &found, changes).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

/// The policy a request names.
async fn policy(call: &Call) -> Result<Option<PolicyName>, Refusal> {
    let Some(name) = call.header("x-storage-policy") else { return Ok(None) };
    let unknown = || Refusal::bad(format!("Invalid X-Storage-Policy '{name}'"));
    let map = call.gateway.map().await?;
    let found = map.policies.iter().find(|p| p.name.as_str().eq_ignore_ascii_case(name));
    Ok(Some(found.ok_or_else(unknown)?.name.clone()))
}

async fn is_of_policy(
    call: &Call,
    found: &Container,
    policy: &PolicyName,
) -> Result<bool, Refusal> {
    match &found.policy {
        Some(own) => Ok(own == policy),
        None => Ok(call.gateway.map().await?.default_policy == *policy),
    }
}

async fn post(call: &Call, authority: Authority) -> Outcome {
    let changes = changes(call, authority)?;
    let found = existing(call).await?;
    update(call, &found, changes).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn update(call: &Call, found: &Container, changes: Changes) -> Result<(), Refusal> {
    check_versions(Some(found), &changes)?;
    let mut after: Changes = metadata::of_user(&found.properties)
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .collect();
    after.extend(
        changes
            .iter()
            .filter(|(k, _)| !k.starts_with(metadata::OWN))
            .map(|(k, v)| (k.clone(), v.clone())),
    );
    metadata::check(after.iter().filter_map(|(k, v)| Some((k.as_str(), v.as_deref()?))))?;
    // A request is a change by itself; what becomes of objects is none.
    let mut changes = changes;
    changes.insert(metadata::own_key(CHANGED), Some(time::now_micros().to_string()));
    let mut update = call.gateway.client.update_container(call.account(), &found.name);
    if versions::change(&call.headers)? == Some(true) {
        update = update.versioning(Versioning::Unlimited);
    }
    for (key, value) in changes {
        update = match value {
            Some(value) => update.set(key, value),
            None => update.remove(key),
        };
    }
    let done = update.await;
    call.gateway.forget_container(call.account(), &found.name);
    Ok(done?)
}

async fn delete(call: &Call) -> Outcome {
    remove(call, call.container()?).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Deletes a container that nothing is in.
///
/// # Errors
/// 404 if there is none, 409 if something is in it, if only delete markers.
pub async fn remove(call: &Call, container: &ContainerName) -> Result<(), Refusal> {
    let found = call.gateway.container_now(call.account(), container).await?;
    let found = found.ok_or_else(Refusal::not_found)?;
    if State::of(&found) != State::Never && current::is_any_seen(call, container).await? {
        let text = "Delete all versions before deleting container.";
        return Err(Refusal::says(StatusCode::CONFLICT, text));
    }
    let done = call.gateway.client.delete_container(call.account(), container).await;
    call.gateway.forget_container(call.account(), container);
    call.gateway.forget_account(&call.target.account);
    Ok(done?)
}

/// An answer without a body.
pub fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full_body(""));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("text/html; charset=UTF-8");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
