//! Log lines on standard error.

use crate::{
    arguments::{Global, LogFormat},
    config::File,
    failure::usage,
};
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Starts logging: flags and environment over the file over `default`. `RUST_LOG` is heard
/// where none of these says anything.
pub fn start(global: &Global, file: &File, default: &str) -> anyhow::Result<()> {
    let filter = global.log.clone().or_else(|| file.log.filter.clone());
    let filter = filter.or_else(|| std::env::var("RUST_LOG").ok().filter(|f| !f.is_empty()));
    let filter = filter.unwrap_or_else(|| default.to_owned());
    let filter = EnvFilter::try_new(&filter)
        .map_err(|error| usage!("{filter:?} is not a log filter ({error}); write info or debug"))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let started = match global.log_format.or(file.log.format).unwrap_or(LogFormat::Text) {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("logging does not start: {error}"))
}
