//! What the daemons are told. Every flag may also stand in the environment or in the file.

use crate::config::{Bytes, Span, VolumeSpec};
use clap::Args;
use std::{num::NonZeroU32, path::PathBuf};

/// What all daemons share.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Settings in TOML; flags and environment override them
    #[arg(long, value_name = "FILE", env = "CAIRN_CONFIG", hide_env_values = true)]
    pub config: Option<PathBuf>,
    /// Where to listen; port 0 takes any free port [default: 127.0.0.1:7800; of a chunk server
    /// 127.0.0.1:7810, of a gateway 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", env = "CAIRN_LISTEN", hide_env_values = true)]
    pub listen: Option<String>,
    /// The address others reach this process at, if it is not the one it listens on; port 0
    /// stands for the port it listens on
    #[arg(long, value_name = "HOST:PORT", env = "CAIRN_ADVERTISE", hide_env_values = true)]
    pub advertise: Option<String>,
}

/// What a new cluster is founded with, and how its metadata nodes work.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Metadata")]
pub struct Founding {
    /// Slices of the metadata of a new cluster [default: 16]
    #[arg(long, value_name = "NUMBER", env = "CAIRN_PARTITIONS", hide_env_values = true)]
    pub partitions: Option<u32>,
    /// The policy of containers that name none, in a new cluster [default: EC42, or with fewer
    /// than six volumes in one server what fits them]
    #[arg(long, value_name = "POLICY", env = "CAIRN_DEFAULT_POLICY", hide_env_values = true)]
    pub default_policy: Option<String>,
    /// How long deleted chunks stay for readers that are still at them [default: 15m]
    #[arg(long, value_name = "TIME", env = "CAIRN_DELETE_GRACE", hide_env_values = true)]
    pub delete_grace: Option<Span>,
    /// How long a volume may be silent before it counts as down [default: 5s]
    #[arg(long, value_name = "TIME", env = "CAIRN_VOLUME_SILENCE", hide_env_values = true)]
    pub volume_silence: Option<Span>,
    /// How long a volume may be down before its chunks are made anew elsewhere [default: 15m]
    #[arg(long, value_name = "TIME", env = "CAIRN_VOLUME_GRACE", hide_env_values = true)]
    pub volume_grace: Option<Span>,
    /// Metachunks that this node has repaired at once [default: 8]
    #[arg(long, value_name = "NUMBER", env = "CAIRN_REPAIRS_AT_ONCE", hide_env_values = true)]
    pub repairs_at_once: Option<usize>,
    /// Memory for the caches of the metadata [default: 32MiB]
    #[arg(long, value_name = "SIZE", env = "CAIRN_CACHE", hide_env_values = true)]
    pub cache: Option<Bytes>,
    /// Log written since a partition's last snapshot that calls for the next [default: 64MiB]
    #[arg(long, value_name = "SIZE", env = "CAIRN_SNAPSHOT_LOG", hide_env_values = true)]
    pub snapshot_log: Option<Bytes>,
    /// How long a login is good: what a deleted user may still do [default: 15m]
    #[arg(long, value_name = "TIME", env = "CAIRN_TOKEN_LIFETIME", hide_env_values = true)]
    pub token_lifetime: Option<Span>,
    /// How long leave to read or write chunks is good, before it is asked for again [default: 1h]
    #[arg(long, value_name = "TIME", env = "CAIRN_CAPABILITY_LIFETIME", hide_env_values = true)]
    pub capability_lifetime: Option<Span>,
    /// Free space of the disk below which only deletes are taken; of a server's volumes too
    /// [default: 256MiB for metadata, 1 % of their disk for volumes]
    #[arg(long, value_name = "SIZE", env = "CAIRN_RESERVE", hide_env_values = true)]
    pub reserve: Option<Bytes>,
}

/// How the gateway speaks to clients over HTTP.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Gateway")]
pub struct GatewaySettings {
    /// The URL that clients are told to use, where it is not the one they logged in at, as behind
    /// a proxy
    #[arg(long, value_name = "URL", env = "CAIRN_PUBLIC_URL", hide_env_values = true)]
    pub public_url: Option<String>,
    /// How long a token for Swift is good [default: 1d]
    #[arg(long, value_name = "TIME", env = "CAIRN_SWIFT_TOKEN_LIFETIME", hide_env_values = true)]
    pub swift_token_lifetime: Option<Span>,
    /// How long a client may let the gateway wait: for a request, for more of its body, or to take
    /// more of an answer [default: 1m]
    #[arg(long, value_name = "TIME", env = "CAIRN_IDLE_TIMEOUT", hide_env_values = true)]
    pub idle_timeout: Option<Span>,
    /// How many containers of an account may be made and removed a second, at one gateway
    /// [default: as many as come]
    #[arg(long, value_name = "NUMBER", env = "CAIRN_CONTAINER_RATE", hide_env_values = true)]
    pub container_rate: Option<NonZeroU32>,
    /// How many objects of a container may be written and removed a second, at one gateway
    /// [default: as many as come]
    #[arg(long, value_name = "NUMBER", env = "CAIRN_OBJECT_RATE", hide_env_values = true)]
    pub object_rate: Option<NonZeroU32>,
    /// A domain below which names of hosts are those of accounts and containers, as in
    /// container.AUTH-account.DOMAIN; may be repeated
    #[arg(
        long = "storage-domain",
        value_name = "DOMAIN",
        env = "CAIRN_STORAGE_DOMAINS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub storage_domains: Vec<String>,
    /// Where public containers are served and managed, as Cloud Files does; port 0 takes any free
    /// port, `none` serves none [default: the port behind the one for Swift]
    #[arg(long, value_name = "HOST:PORT", env = "CAIRN_CDN_LISTEN", hide_env_values = true)]
    pub cdn_listen: Option<String>,
    /// The URL of public containers, where it is not the host that clients came to with that port
    #[arg(long, value_name = "URL", env = "CAIRN_CDN_URL", hide_env_values = true)]
    pub cdn_url: Option<String>,
    /// The certificates to show clients, the gateway's own first, in PEM; they speak TLS then
    #[arg(long, value_name = "FILE", env = "CAIRN_TLS_CERT", hide_env_values = true)]
    pub tls_cert: Option<PathBuf>,
    /// The key of the certificate, in PEM
    #[arg(long, value_name = "FILE", env = "CAIRN_TLS_KEY", hide_env_values = true)]
    pub tls_key: Option<PathBuf>,
}

/// `cairn server`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
The first start creates the data directory, six volumes in it, a cluster of one node and its
credentials; later starts go on with them. Once it serves it says where; with --json that is one
line: {\"ready\":true,\"address\":..,\"credentials\":..,..}.

Examples:
  cairn server
  cairn server --data /srv/cairn --listen 127.0.0.1:0 --json
  cairn server --volume /disks/a --volume /disks/b --volume /disks/c --default-policy TWOCOPIES")]
pub struct ServerArgs {
    #[command(flatten)]
    pub common: Common,
    /// Where everything is kept [default: ./cairn-data]
    #[arg(long, value_name = "DIR", env = "CAIRN_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// A directory, best a disk of its own, to keep chunks in; repeated for each: those that are
    /// not named are down [default: DATA/volumes/1 to 6]
    #[arg(
        long = "volume",
        value_name = "PATH[=LOCATION]",
        env = "CAIRN_VOLUMES",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub volumes: Vec<VolumeSpec>,
    /// Where to serve Swift; port 0 takes any free port, `none` serves none
    /// [default: 127.0.0.1:8080]
    #[arg(long, value_name = "HOST:PORT", env = "CAIRN_SWIFT_LISTEN", hide_env_values = true)]
    pub swift_listen: Option<String>,
    #[command(flatten)]
    pub gateway: GatewaySettings,
    #[command(flatten)]
    pub founding: Founding,
}

/// `cairn gateway`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
Any number of gateways serve a cluster; they keep nothing. Users are those of the cluster.

Example:
  cairn gateway --listen 0.0.0.0:8080 --meta meta1:7800,meta2:7800,meta3:7800 \\
      --secret /etc/cairn/secret")]
pub struct GatewayArgs {
    #[command(flatten)]
    pub common: Common,
    /// Where metrics and health are served [default: 127.0.0.1:7820]
    #[arg(long, value_name = "HOST:PORT", env = "CAIRN_ADMIN_LISTEN", hide_env_values = true)]
    pub admin_listen: Option<String>,
    /// The addresses of the metadata nodes
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "CAIRN_META",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub meta: Vec<String>,
    /// The file with the cluster's secret
    #[arg(long, value_name = "FILE", env = "CAIRN_SECRET_FILE", hide_env_values = true)]
    pub secret: Option<PathBuf>,
    #[command(flatten)]
    pub gateway: GatewaySettings,
}

/// `cairn meta`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
The cluster comes to be once all its metadata nodes have met. Every node is given the same peers.

Example, on the first of three machines:
  cairn meta --data /var/lib/cairn/meta --listen 0.0.0.0:7800 --advertise meta1:7800 \\
      --peers meta1:7800,meta2:7800,meta3:7800 --secret /etc/cairn/secret")]
pub struct MetaArgs {
    #[command(flatten)]
    pub common: Common,
    /// Where log, state and snapshots are kept
    #[arg(long, value_name = "DIR", env = "CAIRN_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// The addresses of all metadata nodes, this one among them [default: this one alone]
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "CAIRN_PEERS",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub peers: Vec<String>,
    /// The file with the cluster's secret
    #[arg(long, value_name = "FILE", env = "CAIRN_SECRET_FILE", hide_env_values = true)]
    pub secret: Option<PathBuf>,
    #[command(flatten)]
    pub founding: Founding,
}

/// `cairn chunk`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = "\
A location says what fails together: up to four levels, site.rack.host.disk. Left out, it is this
machine's name and the volume's directory.

Example:
  cairn chunk --data /var/lib/cairn/chunk --listen 0.0.0.0:7810 --advertise chunk1:7810 \\
      --meta meta1:7800,meta2:7800,meta3:7800 --secret /etc/cairn/secret \\
      --volume /disks/a=paris.r1.chunk1.a --volume /disks/b=paris.r1.chunk1.b")]
pub struct ChunkArgs {
    #[command(flatten)]
    pub common: Common,
    /// Where the server remembers its volumes; no chunks are kept there
    #[arg(long, value_name = "DIR", env = "CAIRN_DATA", hide_env_values = true)]
    pub data: Option<PathBuf>,
    /// The addresses of the metadata nodes
    #[arg(
        long,
        value_name = "HOST:PORT",
        env = "CAIRN_META",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub meta: Vec<String>,
    /// The file with the cluster's secret
    #[arg(long, value_name = "FILE", env = "CAIRN_SECRET_FILE", hide_env_values = true)]
    pub secret: Option<PathBuf>,
    /// A directory, best a disk of its own, to keep chunks in; repeated for each: those that are
    /// not named are down
    #[arg(
        long = "volume",
        value_name = "PATH[=LOCATION]",
        env = "CAIRN_VOLUMES",
        hide_env_values = true,
        value_delimiter = ','
    )]
    pub volumes: Vec<VolumeSpec>,
    /// Free space of a volume's disk below which only deletes are taken [default: 1 % of the disk,
    /// 64MiB to 4GiB]
    #[arg(long, value_name = "SIZE", env = "CAIRN_RESERVE", hide_env_values = true)]
    pub reserve: Option<Bytes>,
}
