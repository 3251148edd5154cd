//! What a daemon is to do: flags over environment over file over defaults, checked.

mod file;
mod units;
mod volume;

pub use file::File;
pub use units::{Bytes, Span};
pub use volume::{Volume, VolumeSpec};

use crate::{
    arguments::{ChunkArgs, Common, Founding, GatewayArgs, GatewaySettings, MetaArgs, ServerArgs},
    failure::usage,
};
use model::{Policy, PolicyName};
use std::{path::PathBuf, time::Duration};

/// Where `cairn server` keeps everything, unless told otherwise.
pub const DEFAULT_DATA: &str = "cairn-data";

/// Where a daemon that serves clients listens, unless told otherwise: this machine alone.
const DEFAULT_LISTEN: &str = "127.0.0.1:7800";

/// Where a chunk server listens, unless told otherwise.
const DEFAULT_CHUNK_LISTEN: &str = "127.0.0.1:7810";

/// Where a gateway listens, unless told otherwise: this machine alone.
const DEFAULT_SWIFT_LISTEN: &str = "127.0.0.1:8080";

/// Where a gateway shows its metrics, unless told otherwise.
const DEFAULT_ADMIN_LISTEN: &str = "127.0.0.1:7820";

/// What is said in place of an address where nothing is to be served.
const NONE: &str = "none";

/// Volumes of `cairn server`, unless told otherwise: as many as EC42 needs.
const DEFAULT_VOLUMES: usize = 6;

/// Where a process listens, and under which address others reach it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// `host:port`; port 0 is any.
    pub listen: String,
    /// `host:port`, if it is not the one it listens on.
    pub advertise: Option<String>,
}

impl Address {
    fn new(common: Common, file: (Option<String>, Option<String>), default: &str) -> Self {
        Self {
            listen: common.listen.or(file.0).unwrap_or_else(|| default.to_owned()),
            advertise: common.advertise.or(file.1),
        }
    }
}

/// How the metadata is kept.
#[derive(Debug, Clone)]
pub struct Metadata {
    founding: Founding,
    default_policy: PolicyName,
    policies: Vec<Policy>,
}

impl Metadata {
    /// With `default_policy` where the operator names none.
    fn new(file: &mut File, flags: Founding, default_policy: &str) -> anyhow::Result<Self> {
        let policies = file.policies()?;
        let founding = std::mem::take(&mut file.metadata).under(flags);
        let named = founding.default_policy.as_deref().unwrap_or(default_policy);
        let default_policy: PolicyName = named.parse()?;
        file::known(&default_policy, &policies)?;
        // They are counted in seconds, and one that is over at once lets nobody do anything.
        for (name, lifetime) in
            [("token", &founding.token_lifetime), ("capability", &founding.capability_lifetime)]
        {
            if lifetime.as_ref().is_some_and(|span| span.0 < Duration::from_secs(1)) {
                return Err(usage!("the lifetime of a {name} must be a second or more"));
            }
        }
        if let Some(partitions) = founding.partitions
            && !(1..=4096).contains(&partitions)
        {
            return Err(usage!("a cluster has 1 to 4096 partitions, not {partitions}"));
        }
        Ok(Self { founding, default_policy, policies })
    }

    /// A metadata node's settings: its own defaults under what the operator says.
    pub fn config(&self, data: PathBuf, address: String, peers: Vec<String>) -> meta::Config {
        let Founding {
            partitions,
            delete_grace,
            volume_silence,
            volume_grace,
            repairs_at_once,
            cache,
            snapshot_log,
            reserve,
            token_lifetime,
            capability_lifetime,
            ..
        } = &self.founding;
        let default = meta::Config::new(data, address, self.default_policy.clone());
        meta::Config {
            peers,
            partitions: partitions.unwrap_or(default.partitions),
            policies: self.policies.clone(),
            delete_grace: delete_grace.map_or(default.delete_grace, |s| s.0),
            volume_silence: volume_silence.map_or(default.volume_silence, |s| s.0),
            volume_grace: volume_grace.map_or(default.volume_grace, |s| s.0),
            repairs_at_once: repairs_at_once.unwrap_or(default.repairs_at_once),
            cache_bytes: cache.map_or(default.cache_bytes, |b| b.0),
            snapshot_log_bytes: snapshot_log.map_or(default.snapshot_log_bytes, |b| b.0),
            reserve_bytes: reserve.map_or(default.reserve_bytes, |b| b.0),
            token_lifetime: token_lifetime.map_or(default.token_lifetime, |s| s.0),
            capability_lifetime: capability_lifetime.map_or(default.capability_lifetime, |s| s.0),
            ..default
        }
    }
}

/// `cairn server`.
#[derive(Debug, Clone)]
pub struct Server {
    pub data: PathBuf,
    pub address: Address,
    pub volumes: Vec<Volume>,
    /// Bytes of the volumes' disks that stay free, if the operator says.
    pub reserve: Option<u64>,
    pub metadata: Metadata,
    /// Where Swift is served, if it is.
    pub swift: Option<Address>,
    /// Where public containers are served, if they are.
    pub cdn: Option<Address>,
    pub gateway: gateway::Config,
}

impl Server {
    /// Settles the settings of a server.
    pub fn new(args: ServerArgs, mut file: File) -> anyhow::Result<Self> {
        let section = std::mem::take(&mut file.server);
        let data = args.data.or(section.data).unwrap_or_else(|| DEFAULT_DATA.into());
        let mut specs = either(args.volumes, section.volumes);
        if specs.is_empty() {
            specs = (1..=DEFAULT_VOLUMES)
                .map(|n| VolumeSpec { path: data.join(format!("volumes/{n}")), location: None })
                .collect();
        }
        let volumes = volume::settle(&specs, &volume::host_name())?;
        let metadata = Metadata::new(&mut file, args.founding, fitting_policy(volumes.len()))?;
        let address =
            Address::new(args.common, (section.listen, section.advertise), DEFAULT_LISTEN);
        let reserve = metadata.founding.reserve.map(|bytes| bytes.0);
        let listen = args.swift_listen.or(section.swift_listen);
        let listen = listen.unwrap_or_else(|| DEFAULT_SWIFT_LISTEN.to_owned());
        let swift = (listen != NONE).then(|| for_clients(Address { listen, advertise: None }));
        let cdn = swift
            .as_ref()
            .and_then(|swift| cdn_address(&args.gateway, file.gateway.cdn_listen.clone(), swift));
        let gateway = gateway_settings(args.gateway, &file)?;
        Ok(Self { data, address, volumes, reserve, metadata, swift, cdn, gateway })
    }
}

/// Where public containers are served: where the operator says, or at the port behind the one for
/// Swift.
fn cdn_address(flags: &GatewaySettings, file: Option<String>, swift: &Address) -> Option<Address> {
    let listen = match flags.cdn_listen.clone().or(file) {
        Some(listen) => listen,
        None => {
            let (host, port) = swift.listen.rsplit_once(':')?;
            match port.parse::<u16>().ok()? {
                0 => format!("{host}:0"),
                port => format!("{host}:{}", port.checked_add(1)?),
            }
        }
    };
    (listen != NONE).then(|| for_clients(Address { listen, advertise: None }))
}

/// Clients are told the host they came to, so that an operator who listens everywhere need not say
/// how this machine is called.
fn for_clients(mut address: Address) -> Address {
    let everywhere = ["0.0.0.0:", "[::]:"].iter().any(|any| address.listen.starts_with(any));
    if address.advertise.is_none() && everywhere {
        address.advertise = Some(format!("{}:0", volume::host_name()));
    }
    address
}

/// A URL that paths are put behind.
fn base_url(url: &str) -> anyhow::Result<String> {
    let base = url.trim_end_matches('/');
    let parsed: Option<http::Uri> = base.parse().ok();
    let whole = |uri: &http::Uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
            && !base.contains('#')
    };
    if !parsed.as_ref().is_some_and(whole) {
        return Err(usage!("{url:?} is no URL of a host: write https://HOST[:PORT]"));
    }
    Ok(base.to_owned())
}

/// What the gateway is told: its own defaults under what the operator says.
fn gateway_settings(flags: GatewaySettings, file: &File) -> anyhow::Result<gateway::Config> {
    let (section, default) = (&file.gateway, gateway::Config::default());
    let url = |flag: Option<String>, file: &Option<String>| {
        flag.or_else(|| file.clone()).map(|url| base_url(&url)).transpose()
    };
    let cert = flags.tls_cert.or_else(|| section.tls_cert.clone());
    let key = flags.tls_key.or_else(|| section.tls_key.clone());
    let tls = match (cert, key) {
        (Some(cert), Some(key)) => Some(gateway::Tls::read(&cert, &key)?),
        (None, None) => None,
        _ => return Err(usage!("TLS needs both, --tls-cert FILE and --tls-key FILE")),
    };
    let span = |name, flag: Option<Span>, file: &Option<Span>, default: Duration| match flag
        .as_ref()
        .or(file.as_ref())
        .map_or(default, |span| span.0)
    {
        span if span < Duration::from_secs(1) => Err(usage!("the {name} must be a second or more")),
        span => Ok(span),
    };
    let lifetime = (flags.swift_token_lifetime, &section.swift_token_lifetime);
    let idle = (flags.idle_timeout, &section.idle_timeout);
    Ok(gateway::Config {
        public_url: url(flags.public_url, &section.public_url)?,
        token_lifetime: span(
            "lifetime of a Swift token",
            lifetime.0,
            lifetime.1,
            default.token_lifetime,
        )?,
        idle_timeout: span("idle timeout", idle.0, idle.1, default.idle_timeout)?,
        storage_domains: either(flags.storage_domains, section.storage_domains.clone()),
        rates: gateway::Rates {
            containers: flags.container_rate.or(section.container_rate),
            objects: flags.object_rate.or(section.object_rate),
        },
        tls,
        // Its port is known when it listens.
        cdn: Some(gateway::Cdn { port: 0, public_url: url(flags.cdn_url, &section.cdn_url)? }),
    })
}

/// `cairn gateway`.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub address: Address,
    /// Where public containers are served, if they are.
    pub cdn: Option<Address>,
    pub admin: Address,
    pub meta: Vec<String>,
    pub secret: PathBuf,
    pub gateway: gateway::Config,
}

impl Gateway {
    /// Settles the settings of a gateway.
    pub fn new(args: GatewayArgs, file: File) -> anyhow::Result<Self> {
        let gateway = gateway_settings(args.gateway.clone(), &file)?;
        let said = file.gateway.cdn_listen.clone();
        let section = file.gateway;
        let meta = either(args.meta, section.meta);
        if meta.is_empty() {
            return Err(usage!(
                "a gateway needs the metadata nodes' addresses: --meta HOST:PORT,..."
            ));
        }
        let secret = args.secret.or(section.secret).ok_or_else(no_secret)?;
        let file = (section.listen, section.advertise);
        let address = for_clients(Address::new(args.common, file, DEFAULT_SWIFT_LISTEN));
        let cdn = cdn_address(&args.gateway, said, &address);
        let admin = args.admin_listen.or(section.admin_listen);
        let listen = admin.unwrap_or_else(|| DEFAULT_ADMIN_LISTEN.to_owned());
        let admin = Address { listen, advertise: None };
        Ok(Self { address, cdn, admin, meta, secret, gateway })
    }
}

/// The built-in policy that makes the best of so few volumes.
fn fitting_policy(volumes: usize) -> &'static str {
    match volumes {
        0 | 1 => "SINGLE",
        2 => "TWOCOPIES",
        3..=5 => "THREECOPIES",
        _ => "EC42",
    }
}

/// `cairn meta`.
#[derive(Debug, Clone)]
pub struct Meta {
    pub data: PathBuf,
    pub address: Address,
    /// Empty: this node alone.
    pub peers: Vec<String>,
    pub secret: PathBuf,
    pub metadata: Metadata,
}

impl Meta {
    /// Settles the settings of a metadata node.
    pub fn new(args: MetaArgs, mut file: File) -> anyhow::Result<Self> {
        let section = std::mem::take(&mut file.meta);
        let data = args.data.or(section.data);
        let data = data.ok_or_else(|| usage!("a metadata node needs --data DIR"))?;
        let secret = args.secret.or(section.secret).ok_or_else(no_secret)?;
        let metadata = Metadata::new(&mut file, args.founding, "EC42")?;
        let address =
            Address::new(args.common, (section.listen, section.advertise), DEFAULT_LISTEN);
        let peers = either(args.peers, section.peers);
        Ok(Self { data, address, peers, secret, metadata })
    }
}

/// `cairn chunk`.
#[derive(Debug, Clone)]
pub struct Chunk {
    pub data: PathBuf,
    pub address: Address,
    pub meta: Vec<String>,
    pub secret: PathBuf,
    pub volumes: Vec<Volume>,
    /// Bytes of the volumes' disks that stay free, if the operator says.
    pub reserve: Option<u64>,
}

impl Chunk {
    /// Settles the settings of a chunk server.
    pub fn new(args: ChunkArgs, file: File) -> anyhow::Result<Self> {
        let section = file.chunk;
        let data = args.data.or(section.data);
        let data = data.ok_or_else(|| usage!("a chunk server needs --data DIR"))?;
        let volumes = either(args.volumes, section.volumes);
        if volumes.is_empty() {
            return Err(usage!("a chunk server needs at least one --volume PATH"));
        }
        let meta = either(args.meta, section.meta);
        if meta.is_empty() {
            return Err(usage!(
                "a chunk server needs the metadata nodes' addresses: --meta HOST:PORT,..."
            ));
        }
        let secret = args.secret.or(section.secret).ok_or_else(no_secret)?;
        let volumes = volume::settle(&volumes, &volume::host_name())?;
        let file = (section.listen, section.advertise);
        let address = Address::new(args.common, file, DEFAULT_CHUNK_LISTEN);
        let reserve = args.reserve.or(section.reserve).map(|bytes| bytes.0);
        Ok(Self { data, address, meta, secret, volumes, reserve })
    }
}

fn no_secret() -> anyhow::Error {
    usage!("the cluster's secret is missing: --secret FILE (`cairn secret new FILE` makes one)")
}

/// A list of the command line replaces that of the file as a whole.
fn either<T>(flags: Vec<T>, file: Vec<T>) -> Vec<T> {
    if flags.is_empty() { file } else { flags }
}

#[cfg(test)]
mod tests;
