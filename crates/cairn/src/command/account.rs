//! `cairn account`.

use super::{
    each::{Each, told},
    given, session,
};
use crate::{
    arguments::{AccountAction, AccountCommand},
    failure::{Exit, usage},
    output::{Output, printable, size, time},
};
use client::Client;
use model::{Account, AccountName, Properties};
use serde::Serialize;

/// What became of an account.
#[derive(Serialize)]
struct Created<'a> {
    account: &'a str,
    created: bool,
}

/// An account that is gone.
#[derive(Serialize)]
struct Deleted<'a> {
    account: &'a str,
    deleted: bool,
}

/// An account whose counters are up to date.
#[derive(Serialize)]
struct Refreshed<'a> {
    account: &'a str,
    refreshed: bool,
}

/// An account that lists nothing.
#[derive(Serialize)]
struct Flushed<'a> {
    account: &'a str,
    flushed: bool,
}

/// A name in the list of accounts.
#[derive(Serialize)]
struct Listed<'a> {
    name: &'a str,
}

pub async fn run(command: AccountCommand, output: Output) -> anyhow::Result<Exit> {
    let client = session::open(&command.access, output).await?;
    match command.action {
        AccountAction::Create { accounts, properties } => {
            let properties = given::properties(&properties)?;
            let accounts = given::all(&accounts, given::account)?;
            let mut each = Each::of(output, accounts.len());
            for account in accounts {
                let create = client.create_account(&account).properties(properties.clone());
                let done = create.await.map(|created| {
                    let done = Created { account: account.as_str(), created };
                    output.show(&done, |d| creation("account", d.account, d.created))
                });
                each.take(told(done))?;
            }
            return Ok(each.exit());
        }
        AccountAction::Show { account } => {
            show(&client, &given::account(&account)?, output).await?;
        }
        AccountAction::List => {
            let accounts = client.list_accounts().await?;
            let listed: Vec<_> = accounts.iter().map(|a| Listed { name: a.as_str() }).collect();
            output.list(&listed, |listed| {
                listed.iter().map(|l| format!("{}\n", printable(l.name))).collect()
            })?;
        }
        AccountAction::Delete { accounts } => {
            let accounts = given::all(&accounts, given::account)?;
            let mut each = Each::of(output, accounts.len());
            for account in accounts {
                let done = client.delete_account(&account).await.map(|()| {
                    let done = Deleted { account: account.as_str(), deleted: true };
                    output.show(&done, |d| format!("deleted account {}", printable(d.account)))
                });
                each.take(told(done))?;
            }
            return Ok(each.exit());
        }
        AccountAction::Refresh { accounts, all } => {
            let accounts = match all {
                true => client.list_accounts().await?,
                false => given::all(&accounts, given::account)?,
            };
            let mut each = Each::of(output, accounts.len());
            for account in accounts {
                let done = match client.refresh_account(&account).await {
                    // One that goes meanwhile needs no refreshing.
                    Err(client::Error::NoSuchAccount(_)) if all => continue,
                    done => done,
                };
                each.take(told(done.map(|()| {
                    let done = Refreshed { account: account.as_str(), refreshed: true };
                    output.show(&done, |d| format!("refreshed account {}", printable(d.account)))
                })))?;
            }
            return Ok(each.exit());
        }
        AccountAction::Flush { account } => {
            let account = given::account(&account)?;
            client.flush_account(&account).await?;
            let done = Flushed { account: account.as_str(), flushed: true };
            output.show(&done, |d| format!("flushed account {}", printable(d.account)))?;
        }
        AccountAction::Set { account, change } => {
            let properties = given::properties(&change.properties)?;
            if properties.is_empty() && !change.replace {
                return Err(usage!("nothing is to be set: say --property KEY=VALUE"));
            }
            let account = given::account(&account)?;
            let mut update = client.update_account(&account);
            if change.replace {
                update = update.clear();
            }
            update.set_all(properties).await?;
            changed(&client, &account, output).await?;
        }
        AccountAction::Unset { account, unset } => {
            let keys = given::keys(&unset.properties)?;
            if keys.is_empty() && !unset.all_properties {
                return Err(usage!("nothing is to be removed: say --property KEY"));
            }
            let account = given::account(&account)?;
            let mut update = client.update_account(&account);
            if unset.all_properties {
                update = update.clear();
            }
            keys.into_iter().fold(update, |update, key| update.remove(key)).await?;
            changed(&client, &account, output).await?;
        }
    }
    Ok(Exit::Ok)
}

async fn show(client: &Client, account: &AccountName, output: Output) -> anyhow::Result<()> {
    Ok(output.show(&client.show_account(account).await?, text)?)
}

/// Says that an account was changed; to machines, what it is now.
async fn changed(client: &Client, account: &AccountName, output: Output) -> anyhow::Result<()> {
    if output.json {
        return show(client, account, output).await;
    }
    Ok(output.show(&(), |()| format!("changed account {}", printable(account.as_str())))?)
}

/// Says whether something is new.
pub fn creation(what: &str, name: &str, created: bool) -> String {
    let name = printable(name);
    if created { format!("created {what} {name}") } else { format!("{what} {name} exists") }
}

/// Properties, one a line, below the rest.
pub fn properties_text(properties: &Properties) -> String {
    let line = |(key, value): (&String, &String)| {
        format!("property    {}={}\n", printable(key), printable(value))
    };
    properties.iter().map(line).collect()
}

fn text(account: &Account) -> String {
    format!(
        "account     {}\ncontainers  {}\nobjects     {}\nbytes       {} ({})\nlive        {} ({})\n\
         created     {}\n{}",
        printable(account.name.as_str()),
        account.containers,
        account.objects,
        account.bytes,
        size::human(account.bytes),
        size::count(account.live_objects, "object"),
        size::human(account.live_bytes),
        time::rfc3339(account.created),
        properties_text(&account.properties),
    )
}
