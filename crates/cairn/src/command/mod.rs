//! What clients and operators do: each file turns the arguments of one command into calls of the
//! client library, and what came of them into output.

mod account;
mod cluster;
mod container;
mod each;
mod given;
mod listing;
mod object;
mod policy;
mod rebuild;
mod secret;
mod session;
mod user;
mod volume;

use crate::{
    arguments::{Cli, Command},
    failure::{Exit, usage},
    output::{self, Output},
};
use clap::CommandFactory;

/// Runs a command that is no daemon.
pub async fn run(command: Command, output: Output) -> anyhow::Result<Exit> {
    match command {
        Command::Account(command) => return account::run(command, output).await,
        Command::Container(command) => return container::run(command, output).await,
        Command::Object(command) => return object::run(command, output).await,
        Command::Cluster(command) => return cluster::run(command, output).await,
        Command::Volume(command) => return volume::run(command, output).await,
        Command::Policy(command) => policy::run(command, output).await?,
        Command::User(command) => user::run(command, output).await?,
        Command::Secret(command) => secret::run(command, output)?,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "cairn", &mut script);
            output::raw(&script)?;
        }
        Command::Server(_) | Command::Meta(_) | Command::Chunk(_) | Command::Gateway(_) => {
            return Err(usage!("a daemon is not run as a command"));
        }
    }
    Ok(Exit::Ok)
}
