//! Where a daemon listens, and what it tells others of that.

use crate::{config::Address, failure::usage};
use anyhow::Context;
use std::{io, net::SocketAddr};
use tokio::net::TcpListener;

/// A listener, and the address others reach it at. `flag` is what says where to listen.
pub async fn bind(address: &Address, flag: &str) -> anyhow::Result<(TcpListener, String)> {
    let listen = &address.listen;
    let (_, port) = listen.rsplit_once(':').ok_or_else(|| bad(listen))?;
    port.parse::<u16>().map_err(|_| bad(listen))?;
    let listener = TcpListener::bind(listen).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => anyhow::anyhow!(
            "cannot listen on {listen}: another process listens there; stop it or choose another \
             port with {flag} (port 0 takes any)"
        ),
        _ => anyhow::Error::new(error).context(format!("cannot listen on {listen}")),
    })?;
    let bound = listener.local_addr().context("the listener has no address")?;
    let advertised = advertised(address, bound)?;
    Ok((listener, advertised))
}

/// The address others are told.
fn advertised(address: &Address, bound: SocketAddr) -> anyhow::Result<String> {
    let Some(advertise) = &address.advertise else {
        if bound.ip().is_unspecified() {
            return Err(usage!(
                "{} is no address that others can reach; say which one is with --advertise \
                 HOST:PORT",
                address.listen
            ));
        }
        // A name stays a name: its address may change.
        let host = address.listen.rsplit_once(':').map_or("", |(host, _)| host);
        return Ok(format!("{host}:{}", bound.port()));
    };
    let (host, port) = advertise.rsplit_once(':').ok_or_else(|| bad(advertise))?;
    if host.is_empty() {
        return Err(bad(advertise));
    }
    match port.parse::<u16>().map_err(|_| bad(advertise))? {
        0 => Ok(format!("{host}:{}", bound.port())),
        _ => Ok(advertise.clone()),
    }
}

fn bad(address: &str) -> anyhow::Error {
    usage!("{address:?} is not an address: write HOST:PORT, as in 127.0.0.1:7800")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(listen: &str, advertise: Option<&str>) -> Address {
        Address { listen: listen.into(), advertise: advertise.map(Into::into) }
    }

    #[tokio::test]
    async fn the_real_port_is_told() {
        let (listener, told) = bind(&address("127.0.0.1:0", None), "--listen").await.unwrap();
        assert_eq!(told, listener.local_addr().unwrap().to_string());
        let error = bind(&address(&told, None), "--swift-listen").await.unwrap_err();
        assert!(error.to_string().contains("another port with --swift-listen"), "{error}");
    }

    #[test]
    fn what_others_are_told_can_be_reached() {
        let bound: SocketAddr = "0.0.0.0:7801".parse().unwrap();
        let told = |listen, advertise| advertised(&address(listen, advertise), bound).ok();
        assert_eq!(told("0.0.0.0:0", None), None);
        assert_eq!(told("0.0.0.0:0", Some("host:0")).as_deref(), Some("host:7801"));
        assert_eq!(told("0.0.0.0:0", Some("host:80")).as_deref(), Some("host:80"));
        for bad in ["host", ":80", "host:x", "host:65536"] {
            assert_eq!(told("0.0.0.0:0", Some(bad)), None, "{bad}");
        }
        let bound: SocketAddr = "127.0.0.1:7801".parse().unwrap();
        let told = advertised(&address("localhost:0", None), bound).unwrap();
        assert_eq!(told, "localhost:7801");
    }
}
