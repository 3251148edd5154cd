//! Accounts: GET, HEAD, POST.

use crate::{
    acl::AccountAcl,
    authorize::{ACCOUNT_ACL, Authority},
    call::Call,
    listing::{Form, Row, Wanted, container_row, render},
    metadata::{self, Subject},
    quota,
    refusal::{Outcome, Refusal},
    time,
};
use client::{Account, Error, ListedName};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use transport::full_body;

/// What only owners see of an account's metadata.
const SECRETS: [&str; 2] = ["temp-url-key", "temp-url-key-2"];

/// Answers a request to an account.
pub async fn answer(call: Call) -> Outcome {
    let authority = call.authorize().await?;
    match call.method {
        Method::HEAD => {
            let found = call.gateway.account_now(call.account()).await?;
            let mut response = Response::new(full_body(""));
            *response.status_mut() = StatusCode::NO_CONTENT;
            show(response.headers_mut(), found.as_deref(), authority);
            Form::of(&call.query, &call.headers)?.show(response.headers_mut());
            Ok(response)
        }
        Method::GET => list(&call, authority).await,
        Method::POST => post(&call, authority).await,
        _ => Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED)
            .header(header::ALLOW, HeaderValue::from_static("HEAD, GET, POST, OPTIONS"))),
    }
}

/// What is shown of an account; one that was never used has nothing.
fn show(headers: &mut HeaderMap, account: Option<&Account>, authority: Authority) {
    let sums = account.map_or((0, 0, 0), |a| (a.containers, a.live_objects, a.bytes));
    metadata::set(headers, "x-account-container-count", &sums.0.to_string());
    metadata::set(headers, "x-account-object-count", &sums.1.to_string());
    metadata::set(headers, "x-account-bytes-used", &sums.2.to_string());
    let created = account.map_or_else(time::now_micros, |a| a.created);
    metadata::set(headers, "x-timestamp", &time::swift(created));
    let Some(account) = account else { return };
    metadata::show(headers, &account.properties, Subject::Account);
    if authority.owner {
        if let Some(acl) = metadata::own(&account.properties, ACCOUNT_ACL) {
            metadata::set(headers, ACCOUNT_ACL, acl);
        }
    } else {
        for secret in SECRETS {
            headers.remove(format!("{}{secret}", Subject::Account.prefix()));
        }
    }
}

async fn list(call: &Call, authority: Authority) -> Outcome {
    let form = Form::of(&call.query, &call.headers)?;
    let wanted = Wanted::of(&call.query)?;
    let found = call.gateway.account_now(call.account()).await?;
    let mut rows = Vec::new();
    if found.is_some() && wanted.limit > 0 {
        let mut next = None;
        loop {
            let mut query = call
                .gateway
                .client
                .list_containers(call.account())
                .prefix(&wanted.prefix)
                .delimiter(&wanted.delimiter)
                .marker(&wanted.marker)
                .end_marker(&wanted.end_marker)
                .reverse(wanted.reverse)
                .limit(wanted.limit - rows.len() as u32);
            if let Some(next) = next.take() {
                query = query.resume(next);
            }
            let page = match query.await {
                Err(Error::NoSuchAccount(_)) => break,
                page => page?,
            };
            rows.extend(page.items.into_iter().map(|item| match item {
                ListedName::Entry(entry) => container_row(&entry),
                ListedName::Prefix(prefix) => Row::Folded(prefix),
            }));
            next = page.next;
            if next.is_none() || rows.len() >= wanted.limit as usize {
                break;
            }
        }
    }
    let empty = rows.is_empty() && form == Form::Text;
    let text = render(form, "account", &call.target.account.to_string(), rows);
    let mut response = Response::new(full_body(text));
    if empty {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    let headers = response.headers_mut();
    show(headers, found.as_deref(), authority);
    form.show(headers);
    Ok(response)
}

async fn post(call: &Call, authority: Authority) -> Outcome {
    let changes = metadata::changes(&call.headers, Subject::Account)?;
    let acl = match metadata::text(&call.headers, ACCOUNT_ACL)? {
        None => None,
        Some(_) if !authority.owner => return Err(call.denied(&call.target.account)),
        Some("") => Some(None),
        Some(text) => {
            let acl = AccountAcl::parse(text).map_err(|error| {
                Refusal::bad(format!("X-Account-Access-Control invalid: {error}"))
            })?;
            Some((!acl.is_empty()).then(|| acl.to_json()))
        }
    };
    quota::check_account_change(call, &changes)?;
    let account = call.account();
    let client = &call.gateway.client;
    client.create_account(account).await?;
    let before = call.gateway.account_now(account).await?.ok_or_else(Refusal::not_found)?;
    let mut after: metadata::Changes = metadata::of_user(&before.properties)
        .map(|(key, value)| (key.to_owned(), Some(value.to_owned())))
        .collect();
    after.extend(changes.clone());
    metadata::check(after.iter().filter_map(|(k, v)| Some((k.as_str(), v.as_deref()?))))?;
    let mut update = client.update_account(account);
    for (key, value) in
        changes.into_iter().chain(acl.map(|acl| (metadata::own_key(ACCOUNT_ACL), acl)))
    {
        update = match value {
            Some(value) => update.set(key, value),
            None => update.remove(key),
        };
    }
    let done = update.await;
    call.gateway.forget_account(&call.target.account);
    done?;
    let mut response = Response::new(full_body(""));
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
}
