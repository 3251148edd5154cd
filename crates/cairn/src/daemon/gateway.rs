//! `cairn gateway`, and the gateway inside `cairn server`.

use super::{
    listen,
    process::{self, Process},
    stop::{DRAIN, Stop},
    welcome::Ready,
};
use crate::{
    config::{Address, Gateway},
    output::Output,
};
use anyhow::Context;
use client::Client;
use gateway::Face;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{net::TcpListener, task::JoinHandle};
use transport::{App, Connect, Health, Keys, Secret, TcpConnector};

/// How long a gateway that serves waits for the metadata to answer, and until it asks again.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// How often it is looked whether the cluster answers by now.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A gateway that is about to be served.
pub struct Front {
    listener: TcpListener,
    cdn: Option<(TcpListener, u16)>,
    /// Where clients reach it.
    pub url: String,
    /// Where public containers are, if they are served.
    pub cdn_url: Option<String>,
}

impl Front {
    /// Listens. `flag` is what says where.
    pub async fn bind(
        address: &Address,
        flag: &str,
        cdn: Option<&Address>,
        settings: &gateway::Config,
    ) -> anyhow::Result<Self> {
        let (listener, address) =
            listen::bind(address, flag).await.context("the gateway for Swift cannot start")?;
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        let url = settings.public_url.clone().unwrap_or_else(|| format!("{scheme}://{address}"));
        let Some(cdn) = cdn else { return Ok(Self { listener, cdn: None, url, cdn_url: None }) };
        let (cdn, cdn_address) = listen::bind(cdn, "--cdn-listen")
            .await
            .context("public containers cannot be served; --cdn-listen none serves none")?;
        let port = cdn.local_addr().context("the listener has no address")?.port();
        let told = settings.cdn.as_ref().and_then(|cdn| cdn.public_url.clone());
        let cdn_url = Some(told.unwrap_or_else(|| format!("{scheme}://{cdn_address}")));
        Ok(Self { listener, cdn: Some((cdn, port)), url, cdn_url })
    }

    /// Serves until told to stop. Ready when the last request is done.
    pub fn start(
        self,
        mut settings: gateway::Config,
        client: Client,
        keys: &Keys,
        stop: &Stop,
    ) -> JoinHandle<()> {
        let port = self.cdn.as_ref().map(|(_, port)| *port);
        settings.cdn = settings.cdn.zip(port).map(|(cdn, port)| gateway::Cdn { port, ..cdn });
        let gateway = gateway::Gateway::new(settings, client, keys.gateway.clone());
        let serve = |face, listener| {
            tokio::spawn(gateway::serve(gateway.clone(), face, listener, stop.wait(), DRAIN))
        };
        let swift = serve(Face::Swift, self.listener);
        let cdn = self.cdn.map(|(listener, _)| serve(Face::Cdn, listener));
        tokio::spawn(async move {
            let _ = swift.await;
            if let Some(cdn) = cdn {
                let _ = cdn.await;
            }
        })
    }
}

/// Serves a gateway until it is told to end.
pub async fn run(config: Gateway, output: Output) -> anyhow::Result<()> {
    let keys = Secret::read(&config.secret)?.keys();
    let front =
        Front::bind(&config.address, "--listen", config.cdn.as_ref(), &config.gateway).await?;
    let (admin, admin_address) = listen::bind(&config.admin, "--admin-listen").await?;
    let metrics = process::record_metrics()?;
    let connector: Arc<dyn Connect> = Arc::new(TcpConnector);
    let meta = config.meta.join(",");
    let client = Client::builder()
        .seeds(config.meta)
        .access_key(keys.daemon.clone())
        .connector(connector)
        .build()?;

    let reached = Arc::new(AtomicBool::new(false));
    let health: Health = {
        let reached = reached.clone();
        Arc::new(move || match reached.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err("the metadata nodes do not answer".to_owned()),
        })
    };
    let routes = tonic::service::Routes::default();
    let app = App::new(keys.daemon.clone(), routes, None, health, Some(metrics));
    let stop = Stop::new();
    let mut process = Process::start(admin, app, stop.clone())?;
    let (url, cdn_url) = (front.url.clone(), front.cdn_url.clone());
    let serving = front.start(config.gateway, client.clone(), &keys, &stop);
    let start = async {
        loop {
            match tokio::time::timeout(ASK_EVERY, client.cluster().map()).await {
                Ok(Ok(_)) => break,
                Ok(Err(error @ client::Error::Denied(_))) => {
                    return Err(anyhow::Error::new(error).context("the cluster has another secret"));
                }
                Ok(Err(error)) => tracing::warn!(%error, "the cluster does not answer yet"),
                Err(_) => tracing::warn!(
                    meta,
                    "no metadata node answers yet: do they run, and are these their addresses?"
                ),
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        reached.store(true, Ordering::Relaxed);
        let mut ready = Ready::new("gateway", admin_address, PathBuf::new());
        ready.swift = Some(url);
        ready.cdn = cdn_url;
        ready.say(output).context("standard output is gone")
    };
    let outcome = process.run(start, watch(&client, &reached)).await;
    process.end(async { drop(serving.await) }).await;
    outcome
}

/// Asks again and again whether the metadata is there.
async fn watch(client: &Client, reached: &AtomicBool) -> anyhow::Error {
    loop {
        let asked = tokio::time::timeout(ASK_EVERY, client.cluster().map()).await;
        reached.store(matches!(asked, Ok(Ok(_))), Ordering::Relaxed);
        tokio::time::sleep(ASK_EVERY).await;
    }
}
