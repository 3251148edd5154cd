//! `cairn user`.

mod key;

use super::{given, session};
use crate::{
    arguments::{UserAction, UserCommand, Who},
    credentials::Credentials,
    failure::usage,
    output::{Output, Table, printable, time},
};
use anyhow::Context;
use client::{Client, Role, User, UserKey, UserName};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A user as machines see it.
#[derive(Serialize)]
struct View<'a> {
    user: &'a UserName,
    account: Option<&'a str>,
    role: Role,
    created: u64,
    changed: u64,
}

impl<'a> View<'a> {
    fn of(user: &'a User) -> Self {
        Self {
            user: &user.name,
            account: user.name.account().map(|account| account.as_str()),
            role: user.role,
            created: user.created,
            changed: user.changed,
        }
    }
}

/// A user that was made or changed.
#[derive(Serialize)]
struct Done<'a> {
    user: &'a UserName,
    account: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    /// Shown once: where it was generated, and written to no file.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<&'a Path>,
}

/// A user that is gone.
#[derive(Serialize)]
struct Deleted<'a> {
    user: &'a UserName,
    deleted: bool,
}

pub async fn run(command: UserCommand, output: Output) -> anyhow::Result<()> {
    let (client, addresses) = session::open_for_users(&command)?;
    let users = client.users();
    match command.action {
        UserAction::Create { who, role, key, out } => {
            let name = name_of(&who)?;
            name.check_role(role)?;
            let given = key::read(key, &name).await?;
            let key = given.clone().unwrap_or_else(|| UserKey::generate(rand::random()));
            if let Some(file) = &out {
                create_with_file(&client, &addresses, (&name, role, &key), file).await?;
            } else {
                users.create(&name, role, &key).await?;
            }
            let shown = (given.is_none() && out.is_none()).then_some(&key);
            done("created", &name, Some(role), shown, out, output)?;
        }
        UserAction::List { account } => {
            let account = account.as_deref().map(given::account).transpose()?;
            let users = users.list(account.as_ref()).await?;
            let views: Vec<_> = users.iter().map(View::of).collect();
            output.list(&views, table)?;
        }
        UserAction::Show { who } => {
            let user = users.show(&name_of(&who)?).await?;
            output.show(&View::of(&user), text)?;
        }
        UserAction::Set { who, role, key, new_key } => {
            let name = name_of(&who)?;
            let generated = new_key.then(|| UserKey::generate(rand::random()));
            let given = key::read(key, &name).await?;
            let key = given.as_ref().or(generated.as_ref());
            if role.is_none() && key.is_none() {
                return Err(usage!("nothing is to be set: say --role, --new-key or --ask-key"));
            }
            users.change(&name, role, key).await?;
            done("changed", &name, role, generated.as_ref(), None, output)?;
        }
        UserAction::Delete { who } => {
            let name = name_of(&who)?;
            users.delete(&name).await?;
            let done = Deleted { user: &name, deleted: true };
            output.show(&done, |d| format!("deleted user {}", printable(&d.user.to_string())))?;
        }
    }
    Ok(())
}

/// The file comes first: a user whose key nobody has would be of no use.
async fn create_with_file(
    client: &Client,
    addresses: &[String],
    (name, role, key): (&UserName, Role, &UserKey),
    file: &Path,
) -> anyhow::Result<()> {
    Credentials::new(addresses, name, key).write(file)?;
    let error = match client.users().create(name, role, key).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let open = error.kind() == model::ErrorKind::Indeterminate;
    if !open {
        std::fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    let error = anyhow::Error::new(error);
    Err(if open { error.context(format!("{} is kept", file.display())) } else { error })
}

/// The name, however it was given.
fn name_of(who: &Who) -> anyhow::Result<UserName> {
    let account = who.account.as_deref().map(given::account).transpose()?;
    let given = who.name.as_deref().or(who.user.as_deref());
    let given = given.ok_or_else(|| usage!("which user? write account:user, or user"))?;
    let text = given::text(given, "the name of a user")?;
    match account {
        Some(account) => Ok(UserName::new(Some(account), text)?),
        None => Ok(text.parse()?),
    }
}

fn done(
    what: &str,
    name: &UserName,
    role: Option<Role>,
    key: Option<&UserKey>,
    file: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let done = Done {
        user: name,
        account: name.account().map(|account| account.as_str()),
        role,
        key: key.map(UserKey::reveal),
        file: file.as_deref(),
    };
    output.show(&done, |done| {
        let mut text = format!("{what} user {}", printable(&name.to_string()));
        if let Some(role) = role {
            text.push_str(&format!(", {role}"));
        }
        if let Some(key) = done.key {
            text.push_str(&format!("\nkey  {key}\nIt is shown this once: keep it where only "));
            text.push_str("the user reads it.");
        }
        if let Some(file) = done.file {
            text.push_str(&format!("; its credentials are in {}", file.display()));
        }
        text
    })?;
    Ok(())
}

fn table(views: &[View<'_>]) -> String {
    let mut table = Table::new(&["USER", "ROLE", "CREATED", "CHANGED"]);
    for view in views {
        table.row([
            printable(&view.user.to_string()),
            view.role.to_string(),
            time::rfc3339(view.created),
            time::rfc3339(view.changed),
        ]);
    }
    table.render()
}

fn text(view: &View<'_>) -> String {
    format!(
        "user     {}\naccount  {}\nrole     {}\ncreated  {}\nchanged  {}\n",
        printable(&view.user.to_string()),
        printable(view.account.unwrap_or("-")),
        view.role,
        time::rfc3339(view.created),
        time::rfc3339(view.changed),
    )
}
