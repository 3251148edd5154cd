//! The first operator of a store in one process, and the file with its credentials.

use crate::credentials::Credentials;
use client::{Client, Error, Role, UserKey, UserName};
use std::path::Path;

/// The name of the first operator.
const NAME: &str = "operator";

/// Sees to it that there is an operator, and that the file tells where the store is now. Whether
/// the file is there.
///
/// The file is written before the user is: after a crash in between, the next start makes the
/// user with the key in the file. A file that was moved away is not made again while there is an
/// operator, because its key would have to change.
pub async fn settle(client: &Client, addresses: &[String], file: &Path) -> anyhow::Result<bool> {
    if !file.try_exists()? {
        if has_operator(client).await? {
            return Ok(false);
        }
        let (name, key): (UserName, _) = (NAME.parse()?, UserKey::generate(rand::random()));
        Credentials::new(addresses, &name, &key).write(file)?;
        client.users().create(&name, Role::Operator, &key).await?;
        return Ok(true);
    }
    let there = match Credentials::read(file) {
        Ok(there) => there,
        Err(error) => {
            // The store does not need it.
            tracing::warn!(error = format!("{error:#}"), "the credentials are left as they are");
            return Ok(true);
        }
    };
    there.at(addresses).update(file)?;
    let missing = matches!(client.users().show(&there.user).await, Err(Error::NotFound(_)));
    if missing && !has_operator(client).await? {
        client.users().create(&there.user, Role::Operator, &there.key()?).await?;
    }
    Ok(true)
}

async fn has_operator(client: &Client) -> Result<bool, Error> {
    Ok(client.users().list(None).await?.iter().any(|user| user.role == Role::Operator))
}
