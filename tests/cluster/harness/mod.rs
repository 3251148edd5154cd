//! What the tests start, ask and break.

mod cli;
mod cluster;
mod content;
mod daemon;
mod drive;
mod http;
mod load;
mod mixed;
mod replicas;
mod scene;
mod volume;

pub use cli::{Answer, limited};
pub use cluster::{
    Cluster, Role, Store, free_addresses, names, server_arguments, server_arguments_with,
};
pub use content::content;
pub use daemon::{Daemon, Refusal};
pub use drive::{Drive, Format};
pub use http::{exchange, get, request};
pub use load::{Done, Load};
pub use mixed::Mixed;
pub use replicas::{caught_up, leader_of};
pub use scene::{Scene, eventually, within};
pub use volume::{chunk_files, chunk_path, empty_volume, numbered, volumes_of};
