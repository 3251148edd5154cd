//! Quotas of accounts and containers.

use crate::{call::Call, caller::Caller, metadata::Changes, path::Account, refusal::Refusal};
use client::{Container, Properties};
use http::StatusCode;

/// The property with the most bytes of a container or an account.
const BYTES: &str = "quota-bytes";
/// The property with the most objects of a container.
const COUNT: &str = "quota-count";

fn limit(properties: &Properties, name: &str) -> Option<u64> {
    properties.get(name).and_then(|text| text.parse().ok())
}

fn exceeded() -> Refusal {
    Refusal::says(StatusCode::PAYLOAD_TOO_LARGE, "Upload exceeds quota.")
}

/// Refuses quotas of a container that are no numbers.
pub fn check_container_change(changes: &Changes) -> Result<(), Refusal> {
    for (name, what) in [(BYTES, "Invalid bytes quota."), (COUNT, "Invalid count quota.")] {
        let value = changes.get(name).and_then(Option::as_deref);
        if value.is_some_and(|value| value.parse::<u64>().is_err()) {
            return Err(Refusal::bad(what));
        }
    }
    Ok(())
}

/// Refuses a quota of an account that is no number, and a change of one by anybody but a reseller.
pub fn check_account_change(call: &Call, changes: &Changes) -> Result<(), Refusal> {
    let Some(value) = changes.get(BYTES) else { return Ok(()) };
    let reseller = matches!(&call.caller, Caller::User(user) if user.is_reseller());
    if !reseller {
        return Err(Refusal::new(StatusCode::FORBIDDEN));
    }
    match value.as_deref().map(str::parse::<u64>) {
        Some(Err(_)) => Err(Refusal::bad("Invalid bytes quota.")),
        _ => Ok(()),
    }
}

/// Refuses what does not fit any more into a container or its account: an upload of `bytes`, as
/// far as they are known.
pub async fn check_upload(
    call: &Call,
    account: &Account,
    container: &Container,
    bytes: Option<u64>,
) -> Result<(), Refusal> {
    let bytes = bytes.unwrap_or(0);
    let limited = |name| limit(&container.properties, name);
    if limited(BYTES).or(limited(COUNT)).is_some() {
        // Sums of some seconds ago would let too much in.
        let now = call.gateway.container_now(&account.name, &container.name).await?;
        let now = now.ok_or_else(Refusal::not_found)?;
        let too_large = limited(BYTES).is_some_and(|most| now.bytes.saturating_add(bytes) > most);
        let too_many = limited(COUNT).is_some_and(|most| now.live_objects >= most);
        if too_large || too_many {
            return Err(exceeded());
        }
    }
    let reseller = matches!(&call.caller, Caller::User(user) if user.is_reseller());
    let found = call.gateway.account(&account.name).await?;
    let most = found.and_then(|found| limit(&found.properties, BYTES));
    if let Some(most) = most.filter(|_| !reseller) {
        let now = call.gateway.account_now(&account.name).await?;
        if now.is_some_and(|now| now.bytes.saturating_add(bytes) > most) {
            return Err(exceeded());
        }
    }
    Ok(())
}
