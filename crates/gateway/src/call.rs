//! One request to an account, a container or an object.

use crate::{
    caller::Caller, gateway::Gateway, path::Target, payload::Payload, query::Query,
    refusal::Refusal,
};
use client::{AccountName, ContainerName, ObjectName};
use http::{HeaderMap, Method};
use std::net::IpAddr;

/// A request, taken apart.
pub struct Call {
    /// Who serves it.
    pub gateway: Gateway,
    /// What is to be done.
    pub method: Method,
    /// To what.
    pub target: Target,
    /// The path as it came, escaped; not the target's where the host says a part of it.
    pub path: String,
    /// The query.
    pub query: Query,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Payload,
    /// Who asks.
    pub caller: Caller,
    /// Scheme and host under which the client reaches this gateway.
    pub base: String,
    /// Where it comes from.
    pub remote: IpAddr,
    /// The id of the transaction.
    pub transaction: String,
}

impl Call {
    /// A further request of the same caller, without a body and a query.
    pub fn further(&self, method: Method, target: Target) -> Self {
        Self {
            gateway: self.gateway.clone(),
            method,
            path: target.url_path(),
            target,
            query: Query::default(),
            headers: self.headers.clone(),
            body: Payload::none(),
            caller: self.caller.clone(),
            base: self.base.clone(),
            remote: self.remote,
            transaction: self.transaction.clone(),
        }
    }

    /// The account's name in the store.
    pub fn account(&self) -> &AccountName {
        &self.target.account.name
    }

    /// The container.
    ///
    /// # Errors
    /// 404 if the path names none.
    pub fn container(&self) -> Result<&ContainerName, Refusal> {
        self.target.container.as_ref().ok_or_else(Refusal::not_found)
    }

    /// The object.
    ///
    /// # Errors
    /// 404 if the path names none.
    pub fn object(&self) -> Result<&ObjectName, Refusal> {
        self.target.object.as_ref().ok_or_else(Refusal::not_found)
    }

    /// The text of a header, if it is UTF-8 and not empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.headers.get(name)?;
        std::str::from_utf8(value.as_bytes()).ok().map(str::trim).filter(|text| !text.is_empty())
    }
}
