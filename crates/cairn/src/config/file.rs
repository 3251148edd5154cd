//! The file of settings. Unknown keys are refused: a misspelt setting must not be silent.

use super::{Bytes, Span, VolumeSpec};
use crate::{
    arguments::{Common, Founding, LogFormat},
    failure::usage,
};
use model::{Method, Policy, PolicyName, SmallObjects};
use serde::Deserialize;
use std::{
    num::NonZeroU32,
    path::{Path, PathBuf},
};

/// All of the file; each daemon looks at its own section and at what is shared.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub log: LogSection,
    pub server: ServerSection,
    pub meta: MetaSection,
    pub chunk: ChunkSection,
    pub gateway: GatewaySection,
    pub metadata: MetadataSection,
    #[serde(rename = "policy")]
    pub policies: Vec<PolicySection>,
}

/// `[log]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSection {
    pub filter: Option<String>,
    pub format: Option<LogFormat>,
}

/// `[server]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerSection {
    pub data: Option<PathBuf>,
    pub listen: Option<String>,
    pub advertise: Option<String>,
    pub volumes: Vec<VolumeSpec>,
    pub swift_listen: Option<String>,
}

/// `[meta]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetaSection {
    pub data: Option<PathBuf>,
    pub listen: Option<String>,
    pub advertise: Option<String>,
    pub peers: Vec<String>,
    pub secret: Option<PathBuf>,
}

/// `[chunk]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChunkSection {
    pub data: Option<PathBuf>,
    pub listen: Option<String>,
    pub advertise: Option<String>,
    pub meta: Vec<String>,
    pub secret: Option<PathBuf>,
    pub volumes: Vec<VolumeSpec>,
    pub reserve: Option<Bytes>,
}

/// `[gateway]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySection {
    pub listen: Option<String>,
    pub advertise: Option<String>,
    pub admin_listen: Option<String>,
    pub meta: Vec<String>,
    pub secret: Option<PathBuf>,
    pub public_url: Option<String>,
    pub swift_token_lifetime: Option<Span>,
    pub idle_timeout: Option<Span>,
    pub container_rate: Option<NonZeroU32>,
    pub object_rate: Option<NonZeroU32>,
    pub storage_domains: Vec<String>,
    pub cdn_listen: Option<String>,
    pub cdn_url: Option<String>,
    pub tls_cert: Option<PathBuf>,
    pub tls_key: Option<PathBuf>,
}

/// `[metadata]`
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetadataSection {
    pub partitions: Option<u32>,
    pub default_policy: Option<String>,
    pub delete_grace: Option<Span>,
    pub volume_silence: Option<Span>,
    pub volume_grace: Option<Span>,
    pub repairs_at_once: Option<usize>,
    pub cache: Option<Bytes>,
    pub snapshot_log: Option<Bytes>,
    pub reserve: Option<Bytes>,
    pub token_lifetime: Option<Span>,
    pub capability_lifetime: Option<Span>,
}

/// `[[policy]]`
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicySection {
    pub name: PolicyName,
    pub method: Method,
    pub chunk_blocks: Option<u32>,
    pub small: Option<SmallSection>,
}

/// The `small` of a policy.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmallSection {
    pub bytes: Bytes,
    pub policy: PolicyName,
}

impl File {
    /// The file a daemon was told of; without one, no settings.
    pub fn load(common: &Common) -> anyhow::Result<Self> {
        let Some(path) = &common.config else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path)
            .map_err(|error| usage!("cannot read the configuration {}: {error}", path.display()))?;
        Self::parse(&text, path)
    }

    /// Reads settings; an error names `path`, the line and the key.
    pub fn parse(text: &str, path: &Path) -> anyhow::Result<Self> {
        let file: Self = toml::from_str(text)
            .map_err(|error| usage!("{}: {}", path.display(), error.to_string().trim_end()))?;
        Ok(file)
    }

    /// The operator's policies, checked.
    pub fn policies(&self) -> anyhow::Result<Vec<Policy>> {
        let mut policies = Vec::<Policy>::new();
        for section in &self.policies {
            if policies.iter().any(|p| p.name == section.name) {
                return Err(usage!("policy {} is defined twice", section.name));
            }
            policies.push(section.policy()?);
        }
        for policy in &policies {
            if let Some(small) = &policy.small {
                known(&small.policy, &policies)
                    .map_err(|e| e.context(format!("policy {}", policy.name)))?;
            }
        }
        Ok(policies)
    }
}

/// Refuses a policy that is neither built in nor the operator's.
pub fn known(name: &PolicyName, own: &[Policy]) -> anyhow::Result<()> {
    let names: Vec<_> =
        Policy::built_in().into_iter().chain(own.iter().cloned()).map(|p| p.name).collect();
    if names.contains(name) {
        return Ok(());
    }
    let names: Vec<_> = names.iter().map(PolicyName::as_str).collect();
    Err(usage!("there is no policy {name}; there are {}", names.join(", ")))
}

impl PolicySection {
    fn policy(&self) -> anyhow::Result<Policy> {
        let small = self.small.as_ref();
        let policy = Policy {
            name: self.name.clone(),
            method: self.method,
            chunk_blocks: self.chunk_blocks.unwrap_or(Policy::DEFAULT_CHUNK_BLOCKS),
            small: small.map(|s| SmallObjects { bytes: s.bytes.0, policy: s.policy.clone() }),
        };
        Ok(policy.checked()?)
    }
}

impl MetadataSection {
    /// What flags and environment say, and where they say nothing, the file.
    pub fn under(self, flags: Founding) -> Founding {
        Founding {
            partitions: flags.partitions.or(self.partitions),
            default_policy: flags.default_policy.or(self.default_policy),
            delete_grace: flags.delete_grace.or(self.delete_grace),
            volume_silence: flags.volume_silence.or(self.volume_silence),
            volume_grace: flags.volume_grace.or(self.volume_grace),
            repairs_at_once: flags.repairs_at_once.or(self.repairs_at_once),
            cache: flags.cache.or(self.cache),
            snapshot_log: flags.snapshot_log.or(self.snapshot_log),
            reserve: flags.reserve.or(self.reserve),
            token_lifetime: flags.token_lifetime.or(self.token_lifetime),
            capability_lifetime: flags.capability_lifetime.or(self.capability_lifetime),
        }
    }
}
