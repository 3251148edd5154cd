//! The gateway's HTTP as clients meet it that are many, slow, gone, or wrong: the real binary
//! over real sockets, spoken to byte by byte.

mod crowds;
mod endings;
mod nonsense;
mod outcomes;
mod patience;
mod secured;
mod settings;
mod versions;
mod wire;

use crate::harness::{Daemon, Scene, Store, server_arguments, volumes_of};
use serde_json::Value;
use std::{path::PathBuf, time::Duration};
use wire::{Reply, Wire};

const PATIENCE: Duration = Duration::from_secs(60);

/// A `cairn server` and somebody who may do everything in an account.
struct Front {
    server: Daemon,
    /// Where Swift is served.
    address: String,
    /// Where metrics are.
    admin: String,
    token: String,
    volumes: Vec<PathBuf>,
    /// As its operator sees it.
    store: Store,
}

impl Front {
    /// A new store, with a container `c`; `flags` go to the gateway.
    fn start(scene: &Scene, flags: &[&str]) -> Self {
        let mut server = Self::daemon(scene, flags);
        let ready = server.ready();
        let user = "user create --account front --user tester --key testing --role admin";
        let store = Self::store(&ready);
        store.cli(&user.split(' ').collect::<Vec<_>>()).ok();
        let front = Self::of(server, &ready);
        assert_eq!(front.ask("PUT", "c", "", b"").status, 201);
        front
    }

    /// The same store again, after an end of its server.
    fn again(scene: &Scene, flags: &[&str]) -> Self {
        let mut server = Self::daemon(scene, flags);
        let ready = server.ready();
        Self::of(server, &ready)
    }

    fn daemon(scene: &Scene, flags: &[&str]) -> Daemon {
        let mut arguments = server_arguments(scene, &scene.path("data"));
        arguments.extend(flags.iter().map(|&flag| flag.to_owned()));
        scene.daemon("server", &arguments)
    }

    fn store(ready: &Value) -> Store {
        Store { credentials: ready["credentials"].as_str().unwrap().into() }
    }

    fn of(server: Daemon, ready: &Value) -> Self {
        let url = ready["swift"].as_str().unwrap();
        let address = url.strip_prefix("http://").unwrap().to_owned();
        let token = log_in(&mut Wire::to(&address));
        let admin = ready["address"].as_str().unwrap().to_owned();
        let (volumes, store) = (volumes_of(ready), Self::store(ready));
        Self { server, address, admin, token, volumes, store }
    }

    /// The head of a request: `headers` are lines, each with its end.
    fn head(&self, method: &str, path: &str, headers: &str) -> Vec<u8> {
        let Self { address, token, .. } = self;
        let head = format!("{method} /v1/AUTH_front/{path} HTTP/1.1\r\nhost: {address}\r\n");
        format!("{head}x-auth-token: {token}\r\n{headers}\r\n").into_bytes()
    }

    /// A whole request.
    fn request(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
        let headers = format!("{headers}content-length: {}\r\n", body.len());
        let mut request = self.head(method, path, &headers);
        request.extend_from_slice(body);
        request
    }

    /// Sends a request on a connection of its own, and takes the answer.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Reply {
        let mut wire = Wire::to(&self.address);
        wire.send(self.request(method, path, headers, body));
        wire.reply()
    }

    /// The status of a HEAD.
    #[track_caller]
    fn look(&self, path: &str) -> u16 {
        Wire::to(&self.address).head(self.request("HEAD", path, "", b""))
    }

    /// Stores an object.
    #[track_caller]
    fn put(&self, path: &str, body: &[u8]) {
        assert_eq!(self.ask("PUT", path, "", body).status, 201);
    }

    /// It serves as if nothing had happened, and nothing has.
    #[track_caller]
    fn still_serves(&self) {
        self.put("c/still", b"here");
        let got = self.ask("GET", "c/still", "", b"");
        assert_eq!((got.status, &*got.body), (200, &b"here"[..]));
        let log = self.server.log();
        assert!(!log.contains("panicked"), "{log}");
    }

    /// The resident memory of the server, in bytes.
    fn memory(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.server.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().strip_suffix("kB").unwrap().trim().parse::<u64>().unwrap() * 1024
    }

    /// Files of chunks, whole or begun, that lie on the volumes.
    fn chunks(&self) -> usize {
        self.volumes.iter().map(|volume| files(volume)).sum()
    }
}

/// A token, got on a connection.
#[track_caller]
fn log_in(wire: &mut Wire) -> String {
    wire.send("GET /auth/v1.0 HTTP/1.1\r\nhost: x\r\nx-auth-user: front:tester\r\nx-auth-key: testing\r\n\r\n");
    let reply = wire.reply();
    assert_eq!(reply.status, 200);
    reply.header("x-auth-token").unwrap().to_owned()
}

/// Files of chunks below a volume, whichever directory they are in.
fn files(volume: &std::path::Path) -> usize {
    fn below(path: &std::path::Path) -> usize {
        let Ok(entries) = std::fs::read_dir(path) else { return usize::from(path.is_file()) };
        entries.map(|entry| below(&entry.unwrap().path())).sum()
    }
    ["chunks", "tmp"].iter().map(|directory| below(&volume.join(directory))).sum()
}
