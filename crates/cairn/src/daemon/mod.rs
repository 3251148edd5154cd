//! Daemons: each file builds one role out of the other crates, serves it, and ends it in order.

mod chunk;
mod data_dir;
mod gateway;
mod listen;
mod logging;
mod meta;
mod operator;
mod process;
mod server;
mod stop;
mod volumes;
mod welcome;

pub use logging::start as start_logging;
pub use stop::unless_interrupted;

use crate::{
    arguments::{ChunkArgs, Common, GatewayArgs, Global, MetaArgs, ServerArgs},
    config::{self, File},
    output::Output,
};

/// What daemons log unless told otherwise. The libraries below have their own ideas of what is
/// worth a line, and an index that is rebuilt tells every step.
const LOG: &str =
    "info,openraft=error,fjall=warn,lsm_tree=warn,sled=warn,chunk::files::inventory=warn";

/// What a server logs that somebody just tries: what is said by the welcome is not said twice.
const QUIET_LOG: &str = "warn,openraft=error,chunk::files::inventory=error";

fn settings(global: &Global, common: &Common, log: &str) -> anyhow::Result<File> {
    let file = File::load(common)?;
    logging::start(global, &file, log)?;
    Ok(file)
}

/// `cairn server`.
pub async fn server(global: &Global, args: ServerArgs, output: Output) -> anyhow::Result<()> {
    let log = if crate::output::stderr_is_terminal() { QUIET_LOG } else { LOG };
    let file = settings(global, &args.common, log)?;
    server::run(config::Server::new(args, file)?, output).await
}

/// `cairn meta`.
pub async fn meta(global: &Global, args: MetaArgs, output: Output) -> anyhow::Result<()> {
    let file = settings(global, &args.common, LOG)?;
    meta::run(config::Meta::new(args, file)?, output).await
}

/// `cairn chunk`.
pub async fn chunk(global: &Global, args: ChunkArgs, output: Output) -> anyhow::Result<()> {
    let file = settings(global, &args.common, LOG)?;
    chunk::run(config::Chunk::new(args, file)?, output).await
}

/// `cairn gateway`.
pub async fn gateway(global: &Global, args: GatewayArgs, output: Output) -> anyhow::Result<()> {
    let file = settings(global, &args.common, LOG)?;
    gateway::run(config::Gateway::new(args, file)?, output).await
}
