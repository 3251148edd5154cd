//! A client of the store that the credentials name.

use super::given;
use crate::output::{Output, printable};
use crate::{
    arguments::{Access, InAccount, UserCommand},
    credentials::Credentials,
    failure::usage,
};
use client::Client;
use model::{AccountName, ContainerId, Subject};
use std::{
    ffi::{OsStr, OsString},
    io,
    time::Duration,
};
use tokio::{net::TcpStream, time::Instant};
use transport::Secret;

/// The account of commands that name none.
const DEFAULT_ACCOUNT: &str = "default";

/// How long nobody needs to be told that an answer is waited for.
const QUIET: Duration = Duration::from_secs(1);

/// How long nothing may listen at any address before a command gives up, unless the user said
/// how long to try: a store that is being restarted comes back within that.
const NOBODY_LISTENS: Duration = Duration::from_secs(2);

/// Between looks whether anything listens.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A client for commands that work in no particular account.
pub async fn open(access: &Access, output: Output) -> anyhow::Result<Client> {
    let credentials = Credentials::find(access.credentials.as_deref())?;
    let client = connect(access, &credentials)?;
    reach(&client, access, credentials.addresses(), output).await?;
    Ok(client)
}

/// A client for commands that wait for the store themselves.
pub fn open_unreached(access: &Access) -> anyhow::Result<Client> {
    connect(access, &Credentials::find(access.credentials.as_deref())?)
}

/// A client, and the account to work in.
pub async fn open_in(place: &InAccount, output: Output) -> anyhow::Result<(Client, AccountName)> {
    let credentials = Credentials::find(place.access.credentials.as_deref())?;
    let account = match (&place.account, &credentials.account) {
        (Some(account), _) => given::account(account)?,
        (None, Some(account)) => account.parse()?,
        (None, None) => match credentials.user.account() {
            Some(account) => account.clone(),
            None => DEFAULT_ACCOUNT.parse()?,
        },
    };
    let client = connect(&place.access, &credentials)?;
    reach(&client, &place.access, credentials.addresses(), output).await?;
    Ok((client, account))
}

/// The names of containers that were given by their ids, and the account they all are in.
pub async fn names_of(
    client: &Client,
    account: &AccountName,
    ids: &mut [OsString],
) -> anyhow::Result<AccountName> {
    let mut of_all: Option<AccountName> = None;
    for given in ids {
        let id: ContainerId = given::text(given, "the id of a container")?.parse()?;
        let (account, container) = client.resolve_container(&id).await?;
        if of_all.as_ref().is_some_and(|other| *other != account) {
            return Err(usage!("the containers are in several accounts; name those of one"));
        }
        *given = container.as_str().into();
        of_all = Some(account);
    }
    Ok(of_all.unwrap_or_else(|| account.clone()))
}

/// Returns once the store has told where everything is, which every command needs to know;
/// says what it waits for, and does not wait for what is not there.
async fn reach(
    client: &Client,
    access: &Access,
    addresses: Vec<String>,
    output: Output,
) -> anyhow::Result<()> {
    let patience = access.patience();
    let waiting = async {
        tokio::time::sleep(QUIET).await;
        let addresses = addresses.join(" or ");
        output.note(&format!("waiting for an answer from {addresses} (up to {patience:?}) ..."));
        std::future::pending::<()>().await;
    };
    let nobody = async {
        match access.timeout {
            None => nobody_listens(&addresses).await,
            // The user waits for a store that is still to come.
            Some(_) => std::future::pending().await,
        }
    };
    let cluster = client.cluster();
    tokio::select! {
        map = cluster.cached_map() => map.map(drop).map_err(Into::into),
        () = waiting => Ok(()),
        () = nobody => Err(anyhow::Error::new(model::Error::unavailable(format!(
            "nothing listens at {}: the store does not run there; start it, or wait for it with \
             --timeout TIME",
            addresses.join(" or ")
        )))),
    }
}

/// Returns once every address has refused to be connected to for a while.
async fn nobody_listens(addresses: &[String]) {
    let mut since = Instant::now();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        for address in addresses {
            match TcpStream::connect(address).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {}
                _ => since = Instant::now(),
            }
        }
        if since.elapsed() >= NOBODY_LISTENS {
            return;
        }
    }
}

/// Says the names of a container that does not exist, where the store knows only its id, or that
/// it is the account that does not.
pub async fn naming(
    error: anyhow::Error,
    client: &Client,
    account: &AccountName,
    container: &OsStr,
) -> anyhow::Error {
    let Some(client::Error::NoSuchContainer(_)) = error.downcast_ref() else { return error };
    let there = client.show_account(account).await;
    if let Err(missing @ client::Error::NoSuchAccount(_)) = there {
        return missing.into();
    }
    let name = printable(&container.to_string_lossy());
    let why = format!("there is no container {name} in account {}", printable(account.as_str()));
    anyhow::Error::new(model::Error::not_found(Subject::Container, why))
}

/// A client for who makes users, and the addresses of the metadata nodes: by credentials, or by
/// the cluster's secret where there are none yet.
pub fn open_for_users(command: &UserCommand) -> anyhow::Result<(Client, Vec<String>)> {
    let access = &command.access;
    let credentials = || Credentials::find(access.credentials.as_deref());
    let Some(secret) = &command.secret_file else {
        let credentials = credentials()?;
        return Ok((connect(access, &credentials)?, credentials.addresses()));
    };
    let key = Secret::read(secret)?.access_key();
    let addresses = match command.meta.is_empty() {
        true => credentials()?.addresses(),
        false => command.meta.clone(),
    };
    let client = Client::builder()
        .seeds(addresses.clone())
        .access_key(key)
        .deadline(access.patience())
        .build()?;
    Ok((client, addresses))
}

fn connect(access: &Access, credentials: &Credentials) -> anyhow::Result<Client> {
    let client = Client::builder()
        .seeds(credentials.addresses())
        .user(credentials.user.clone(), credentials.key()?)
        .deadline(access.patience())
        .build()?;
    Ok(client)
}
