//! Daemons: each file builds one role out of the other crates, serves it, and ends it in order.

mod chunk;
mod data_dir;
mod directory;
mod listen;
mod logging;
mod meta;
mod process;
mod server;
mod stop;
mod volumes;
mod welcome;

pub use logging::start as start_logging;
pub use stop::unless_interrupted;

use crate::{
    arguments::{ChunkArgs, Common, Global, MetaArgs, ServerArgs},
    config::{self, File},
    output::Output,
};

/// What daemons log unless told otherwise.
const LOG: &str = "info,openraft=warn,fjall=warn,lsm_tree=warn,sled=warn";

fn settings(global: &Global, common: &Common) -> anyhow::Result<File> {
    let file = File::load(common)?;
    logging::start(global, &file, LOG)?;
    Ok(file)
}

/// `cairn server`.
pub async fn server(global: &Global, args: ServerArgs, output: Output) -> anyhow::Result<()> {
    let file = settings(global, &args.common)?;
    server::run(config::Server::new(args, file)?, output).await
}

/// `cairn meta`.
pub async fn meta(global: &Global, args: MetaArgs, output: Output) -> anyhow::Result<()> {
    let file = settings(global, &args.common)?;
    meta::run(config::Meta::new(args, file)?, output).await
}

/// `cairn chunk`.
pub async fn chunk(global: &Global, args: ChunkArgs, output: Output) -> anyhow::Result<()> {
    let file = settings(global, &args.common)?;
    chunk::run(config::Chunk::new(args, file)?, output).await
}
