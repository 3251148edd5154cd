//! Cairn, an erasure-coded distributed object store: one binary.
//!
//! `arguments` is the grammar of the command line, `config` what daemons are told, `daemon` the
//! roles a process can have, `command` what clients and operators do, `output` all that is
//! printed, `failure` what a failure means to whoever started the command.
#![forbid(unsafe_code)]

mod arguments;
mod command;
mod config;
mod credentials;
mod daemon;
mod failure;
mod output;

use arguments::{Cli, Command};
use clap::{Parser, error::ErrorKind};
use failure::{Exit, Failure};
use output::Output;
use std::process::ExitCode;

/// Threads that may wait for disks: enough to keep those of a machine busy. Each takes some 70 KB
/// once it has run, and small uploads soon reach the runtime's own bound of 512.
const BLOCKING_THREADS: usize = 128;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return answer(&error).into(),
    };
    let output = Output { json: cli.global.json };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .build();
    let done = runtime.map_err(anyhow::Error::from).and_then(|runtime| {
        let done = runtime.block_on(run(cli, output));
        // What still runs in the background (a read of standard input, say) must not hold the
        // process up.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            let failure = Failure::from(error);
            output.failure(&failure);
            failure.exit().into()
        }
    }
}

async fn run(cli: Cli, output: Output) -> anyhow::Result<Exit> {
    let Cli { global, command } = cli;
    match command {
        Command::Server(args) => daemon::server(&global, args, output).await?,
        Command::Meta(args) => daemon::meta(&global, args, output).await?,
        Command::Chunk(args) => daemon::chunk(&global, args, output).await?,
        Command::Gateway(args) => Box::pin(daemon::gateway(&global, args, output)).await?,
        command => {
            // What goes wrong is said by the command itself; the log is for those who ask.
            daemon::start_logging(&global, &config::File::default(), "off")?;
            return daemon::unless_interrupted(command::run(command, output)).await;
        }
    }
    Ok(Exit::Ok)
}

/// Answers what the grammar ends by itself: help, the version, and wrong command lines.
fn answer(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // Nobody reads on if this fails.
            let _ = error.print();
            Exit::Ok
        }
        _ if std::env::args_os().any(|arg| arg == "--json") => {
            // What follows the first paragraph is help for people.
            let text = error.render().to_string();
            let first = text.split("\n\n").next().unwrap_or_default();
            let failure = Failure::usage(first.trim_start_matches("error: ").trim().to_owned());
            Output { json: true }.failure(&failure);
            Exit::Usage
        }
        _ => {
            let _ = error.print();
            Exit::Usage
        }
    }
}
