//! What a daemon says once it serves.

use crate::output::Output;
use serde::Serialize;
use std::{
    io,
    path::{Path, PathBuf},
};

/// A daemon that serves, as scripts are told in one line.
#[derive(Debug, Serialize)]
pub struct Ready {
    /// Always true: the line says that requests are answered now.
    pub ready: bool,
    /// `server`, `meta`, `chunk` or `gateway`.
    pub role: &'static str,
    /// Where it is reached, `host:port`.
    pub address: String,
    /// Prometheus metrics.
    pub metrics: String,
    /// Whether it can do its work.
    pub health: String,
    /// Where Swift is served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swift: Option<String>,
    /// Where public containers are served.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cdn: Option<String>,
    /// Its data directory, if it keeps anything.
    #[serde(skip_serializing_if = "is_none")]
    pub data: PathBuf,
    /// The file with the clients' credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<PathBuf>,
    /// Its volumes' directories.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<PathBuf>,
    /// The policy of containers that name none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_policy: Option<String>,
    /// Whether this start made the store.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created: Option<bool>,
}

fn is_none(path: &Path) -> bool {
    path.as_os_str().is_empty()
}

impl Ready {
    /// Of a daemon at this address.
    pub fn new(role: &'static str, address: String, data: PathBuf) -> Self {
        Self {
            ready: true,
            role,
            metrics: format!("http://{address}/metrics"),
            health: format!("http://{address}/health/ready"),
            address,
            swift: None,
            cdn: None,
            data,
            credentials: None,
            volumes: Vec::new(),
            default_policy: None,
            created: None,
        }
    }

    /// Says it.
    pub fn say(&self, output: Output) -> io::Result<()> {
        output.show(self, Self::text)
    }

    fn text(&self) -> String {
        // A gateway's own address is for operators.
        let address = match (&self.swift, self.role) {
            (Some(swift), "gateway") => swift,
            _ => &self.address,
        };
        let mut text = format!("cairn {} serves on {address}\n", self.role);
        if let Some(swift) = &self.swift {
            text.push_str(&format!("  swift        {swift}/auth/v1.0\n"));
        }
        if let Some(cdn) = &self.cdn {
            text.push_str(&format!("  public       {cdn}\n"));
        }
        let Some(credentials) = &self.credentials else {
            text.push_str(&format!("  metrics      {}\n", self.metrics));
            return text;
        };
        if self.created == Some(true) {
            let policy = self.default_policy.as_deref().unwrap_or_default();
            text.push_str(&format!("  data         {}\n", self.data.display()));
            text.push_str(&format!("  volumes      {}, policy {policy}\n", self.volumes.len()));
        }
        text.push_str(&format!("  credentials  {}\n", credentials.display()));
        text.push_str(&format!("  metrics      {}\n", self.metrics));
        if self.created == Some(true) {
            // Clients look for the default directory by themselves.
            let elsewhere = std::env::current_dir()
                .map(|dir| dir.join(crate::config::DEFAULT_DATA) != self.data)
                .unwrap_or(true);
            text.push_str("\nTo try it, in another terminal:\n");
            if elsewhere {
                let credentials = credentials.display();
                text.push_str(&format!("  export CAIRN_CREDENTIALS={credentials}\n"));
            }
            text.push_str(
                "  cairn object put photos cat.jpg ./cat.jpg\n  \
                 cairn object list photos\n  \
                 cairn cluster status\n",
            );
        }
        text
    }
}
