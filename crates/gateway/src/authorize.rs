//! Whether a request may do what it asks, with the lists of the container and the account.

use crate::{
    acl::{AccountAcl, ContainerAcl},
    call::Call,
    caller::{Caller, Decision, Question},
    gateway::Gateway,
    metadata,
    path::{Account, escape},
    refusal::Refusal,
};
use client::{Container, ContainerName};
use http::{HeaderValue, Method, StatusCode, header};

/// The list of a container for reading, in the gateway's own metadata.
pub const READ_ACL: &str = "x-container-read";
/// The list of a container for writing.
pub const WRITE_ACL: &str = "x-container-write";
/// The list of an account.
pub const ACCOUNT_ACL: &str = "x-account-access-control";

/// What somebody was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Authority {
    /// Whether settings that are the owner's business may be seen and changed.
    pub owner: bool,
}

impl Call {
    /// Whether this request may do to its target what it asks.
    ///
    /// # Errors
    /// 401 without a token, 403 with one.
    pub async fn authorize(&self) -> Result<Authority, Refusal> {
        let in_object = self.target.object.is_some();
        let (account, container) = (&self.target.account, self.target.container.as_ref());
        self.authorize_for(&self.method, account, container, in_object).await
    }

    /// Whether the caller may do something else, which its request implies: reading the source
    /// of a copy, say.
    ///
    /// # Errors
    /// As [`Call::authorize`].
    pub async fn authorize_for(
        &self,
        method: &Method,
        account: &Account,
        container: Option<&ContainerName>,
        in_object: bool,
    ) -> Result<Authority, Refusal> {
        let (caller, referrer) = (&self.caller, self.header("referer"));
        authorize(&self.gateway, caller, referrer, method, account, container, in_object).await
    }

    /// How somebody who may not is sent away.
    pub fn denied(&self, account: &Account) -> Refusal {
        denied(&self.caller, account)
    }
}

/// Whether somebody, who comes from a page, may do something.
///
/// # Errors
/// 401 without a token, 403 with one.
pub async fn authorize(
    gateway: &Gateway,
    caller: &Caller,
    referrer: Option<&str>,
    method: &Method,
    account: &Account,
    container: Option<&ContainerName>,
    in_object: bool,
) -> Result<Authority, Refusal> {
    if let Caller::Signed(grant) = caller {
        let covers = grant.covers(method, account, container, in_object);
        let authority = covers.then_some(Authority { owner: false });
        return authority.ok_or_else(|| denied(caller, account));
    }
    let mut question = Question {
        method,
        account,
        in_container: container.is_some(),
        in_object,
        container: None,
        grants: None,
        referrer,
    };
    // Most callers own what they ask for: nothing is looked up for them.
    if let Some(authority) = allowed(caller.may(&question)) {
        return Ok(authority);
    }
    let list = match container.zip(list_for(method, in_object)) {
        Some((container, list)) => {
            let found = gateway.container(&account.name, container).await?;
            found.and_then(|container| acl_of(&container, list))
        }
        None => None,
    };
    question.container = list.as_ref();
    let grants = match caller {
        Caller::Anonymous | Caller::Signed(_) => None,
        Caller::User(_) => account_acl(gateway, account).await?,
    };
    question.grants = grants.as_ref();
    allowed(caller.may(&question)).ok_or_else(|| denied(caller, account))
}

fn denied(caller: &Caller, account: &Account) -> Refusal {
    match caller {
        Caller::User(_) => Refusal::new(StatusCode::FORBIDDEN),
        Caller::Anonymous | Caller::Signed(_) => unauthorized(&account.to_string()),
    }
}

/// 401 with the realm that clients are told.
pub fn unauthorized(realm: &str) -> Refusal {
    let challenge = format!("Swift realm=\"{}\"", escape(realm));
    let refusal = Refusal::new(StatusCode::UNAUTHORIZED);
    match HeaderValue::from_str(&challenge) {
        Ok(challenge) => refusal.header(header::WWW_AUTHENTICATE, challenge),
        Err(_) => refusal,
    }
}

fn allowed(decision: Decision) -> Option<Authority> {
    match decision {
        Decision::Owner => Some(Authority { owner: true }),
        Decision::Granted => Some(Authority { owner: false }),
        Decision::Denied => None,
    }
}

/// Which of a container's lists matters.
fn list_for(method: &Method, in_object: bool) -> Option<&'static str> {
    let reads = matches!(*method, Method::GET | Method::HEAD);
    match (reads, in_object) {
        (true, _) => Some(READ_ACL),
        (false, true) => Some(WRITE_ACL),
        (false, false) => None,
    }
}

fn acl_of(container: &Container, list: &str) -> Option<ContainerAcl> {
    metadata::own(&container.properties, list).map(ContainerAcl::parse)
}

async fn account_acl(gateway: &Gateway, account: &Account) -> Result<Option<AccountAcl>, Refusal> {
    let found = gateway.account(&account.name).await?;
    let text = found.as_ref().and_then(|found| metadata::own(&found.properties, ACCOUNT_ACL));
    Ok(text.and_then(|text| AccountAcl::parse(text).ok()))
}
