//! A client of the store that the credentials name.

use super::given;
use crate::{
    arguments::{Access, InAccount},
    credentials::Credentials,
};
use client::Client;
use model::AccountName;

/// The account of commands that name none.
const DEFAULT_ACCOUNT: &str = "default";

/// A client for commands that work in no particular account.
pub fn open(access: &Access) -> anyhow::Result<Client> {
    connect(access, &Credentials::find(access.credentials.as_deref())?)
}

/// A client, and the account to work in.
pub fn open_in(place: &InAccount) -> anyhow::Result<(Client, AccountName)> {
    let credentials = Credentials::find(place.access.credentials.as_deref())?;
    let account = match (&place.account, &credentials.account) {
        (Some(account), _) => given::account(account)?,
        (None, Some(account)) => account.parse()?,
        (None, None) => DEFAULT_ACCOUNT.parse()?,
    };
    Ok((connect(&place.access, &credentials)?, account))
}

fn connect(access: &Access, credentials: &Credentials) -> anyhow::Result<Client> {
    let client = Client::builder()
        .seeds(credentials.addresses())
        .access_key(credentials.key()?)
        .deadline(access.timeout.0)
        .build()?;
    Ok(client)
}
