//! Stores of one process and of many.

use super::{
    cli::{Answer, spawn},
    daemon::{Daemon, Refusal},
    scene::{Scene, eventually},
    volume::volumes_of,
};
use client::{AccountName, Client, ContainerName, ObjectName};
use serde_json::Value;
use std::{
    ffi::OsStr,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::Duration,
};

/// How long a cluster may take to be healthy.
const HEALTHY: Duration = Duration::from_secs(60);

/// How often ports that somebody else took in between are chosen again.
const PORT_TRIES: usize = 5;

/// What all stores of the tests are founded with: little of everything, and a policy whose
/// metachunks are so small that a content of a few MB has several.
const CONFIG: &str = r#"
[metadata]
partitions = 4
delete_grace = "1s"
volume_silence = "3s"

[[policy]]
name = "EC63S"
method = "ec/algo=rs_vand,k=6,m=3"
chunk_blocks = 4
"#;

/// A store, as those see it who use it.
pub struct Store {
    /// The file with its addresses, a user and its key.
    pub credentials: PathBuf,
}

impl Store {
    /// Runs a command.
    #[track_caller]
    pub fn cli<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Answer {
        Answer::of(&self.credentials, arguments)
    }

    /// Starts a command that reads standard input.
    pub fn spawn<A: AsRef<OsStr>>(&self, arguments: &[A]) -> Child {
        spawn(&self.credentials, arguments, Stdio::piped())
    }

    /// A client of the library.
    pub fn client(&self, deadline: Duration) -> Client {
        let text = std::fs::read_to_string(&self.credentials).unwrap();
        let credentials: toml::Table = toml::from_str(&text).unwrap();
        let addresses: Vec<String> = match &credentials["address"] {
            toml::Value::String(one) => vec![one.clone()],
            many => many.clone().try_into().unwrap(),
        };
        let text = |name: &str| credentials[name].as_str().unwrap();
        let (user, key) = (text("user").parse().unwrap(), text("key").parse().unwrap());
        Client::builder().seeds(addresses).user(user, key).deadline(deadline).build().unwrap()
    }

    /// `cairn cluster status`.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.cli(&["cluster", "status", "--json"]).json()
    }

    /// Waits until every node, partition and volume works.
    #[track_caller]
    pub fn wait_until_healthy(&self) {
        // Contents that lost chunks stay a problem until they are repaired: that is not waited for.
        let of_content =
            |problem: &Value| problem.as_str().is_some_and(|p| p.ends_with("wait for repair"));
        eventually("every node and volume is up", HEALTHY, || {
            let answer = self.cli(&["cluster", "status", "--json"]);
            let status: Value = serde_json::from_slice(&answer.out).ok()?;
            status["problems"].as_array()?.iter().all(of_content).then_some(())
        });
    }
}

/// Names, for the library.
pub fn names(container: &str, object: &str) -> (AccountName, ContainerName, ObjectName) {
    ("default".parse().unwrap(), container.parse().unwrap(), object.parse().unwrap())
}

/// A cluster of metadata nodes and chunk servers.
pub struct Cluster<'a> {
    scene: &'a Scene,
    /// How it is used.
    pub store: Store,
    metas: Vec<Member>,
    chunks: Vec<Member>,
}

/// A daemon of the cluster, which may be down.
struct Member {
    name: String,
    arguments: Vec<String>,
    daemon: Option<Daemon>,
    ready: Value,
}

/// Which daemon.
#[derive(Debug, Clone, Copy)]
pub enum Role {
    /// A metadata node, by its number.
    Meta(usize),
    /// A chunk server, by its number.
    Chunk(usize),
}

impl<'a> Cluster<'a> {
    /// Starts `metas` metadata nodes, and a chunk server for each number of volumes; once it is
    /// healthy it is returned.
    #[track_caller]
    pub fn start(scene: &'a Scene, metas: usize, volumes: &[usize]) -> Self {
        Self::start_in(scene, &scene.path(""), CONFIG, metas, volumes)
    }

    /// The same, with the daemons' data in another directory, and another configuration.
    #[track_caller]
    pub fn start_in(
        scene: &'a Scene,
        root: &Path,
        config: &str,
        metas: usize,
        volumes: &[usize],
    ) -> Self {
        let config = scene.file("cairn.toml", config.as_bytes()).display().to_string();
        let secret = scene.path("secret").display().to_string();
        Answer::bare(&["secret", "new", &secret]).ok();
        let (metas, peers) = Self::start_metas(scene, root, metas, &config, &secret);
        let credentials = scene.path("credentials.toml");
        let out = credentials.display().to_string();
        Answer::bare(&[
            "user",
            "create",
            "root",
            "--role",
            "operator",
            "--secret-file",
            &secret,
            "--meta",
            &peers,
            "--out",
            &out,
        ])
        .ok();
        let mut chunks: Vec<_> = volumes
            .iter()
            .enumerate()
            .map(|(number, &volumes)| {
                let name = format!("chunk{number}");
                let data = root.join(&name).display().to_string();
                let mut arguments: Vec<String> =
                    ["chunk", "--listen", "127.0.0.1:0", "--data", &data, "--meta", &peers]
                        .map(Into::into)
                        .to_vec();
                arguments.extend(["--secret".into(), secret.clone()]);
                for volume in 0..volumes {
                    let path = root.join(format!("{name}-v{volume}"));
                    arguments.push("--volume".into());
                    arguments.push(format!("{}=host{number}.v{volume}", path.display()));
                }
                let daemon = Some(scene.daemon(&name, &arguments));
                Member { name, arguments, daemon, ready: Value::Null }
            })
            .collect();
        for chunk in &mut chunks {
            chunk.ready();
        }
        let cluster = Self { scene, store: Store { credentials }, metas, chunks };
        cluster.store.wait_until_healthy();
        cluster
    }

    /// Metadata nodes must know each other's addresses before they start: free ports are found
    /// and let go, and found anew if somebody was quicker.
    #[track_caller]
    fn start_metas(
        scene: &Scene,
        root: &Path,
        count: usize,
        config: &str,
        secret: &str,
    ) -> (Vec<Member>, String) {
        for attempt in 0..PORT_TRIES {
            let addresses = free_addresses(count);
            let peers = addresses.join(",");
            let mut metas: Vec<_> = addresses
                .iter()
                .enumerate()
                .map(|(number, address)| {
                    let name = format!("meta{number}");
                    let data = root.join(format!("{name}-{attempt}")).display().to_string();
                    let arguments: Vec<String> = [
                        "meta", "--config", config, "--listen", address, "--data", &data,
                        "--peers", &peers, "--secret", secret,
                    ]
                    .map(Into::into)
                    .to_vec();
                    let daemon = Some(scene.daemon(&name, &arguments));
                    Member { name, arguments, daemon, ready: Value::Null }
                })
                .collect();
            // A node that lost its port ends at once; the others would wait for it for ever.
            let clash = eventually("the metadata nodes serve or one ends", HEALTHY, || {
                let mut served = 0;
                for meta in &mut metas {
                    let Some(daemon) = &mut meta.daemon else { continue };
                    if !daemon.runs() {
                        assert!(
                            daemon.log().contains("another process listens"),
                            "{}",
                            daemon.log()
                        );
                        return Some(true);
                    }
                    served += usize::from(daemon.has_said_ready());
                }
                (served == count).then_some(false)
            });
            if !clash {
                metas.iter_mut().for_each(Member::ready);
                return (metas, peers);
            }
        }
        panic!("no free ports in {PORT_TRIES} attempts");
    }

    fn member(&self, role: Role) -> &Member {
        match role {
            Role::Meta(number) => &self.metas[number],
            Role::Chunk(number) => &self.chunks[number],
        }
    }

    fn member_mut(&mut self, role: Role) -> &mut Member {
        match role {
            Role::Meta(number) => &mut self.metas[number],
            Role::Chunk(number) => &mut self.chunks[number],
        }
    }

    /// A daemon that runs.
    #[track_caller]
    pub fn daemon(&mut self, role: Role) -> &mut Daemon {
        self.member_mut(role).daemon.as_mut().unwrap()
    }

    /// What a daemon printed when it last came to serve.
    pub fn ready(&self, role: Role) -> &Value {
        &self.member(role).ready
    }

    /// Where a daemon listens.
    pub fn address(&self, role: Role) -> &str {
        self.ready(role)["address"].as_str().unwrap()
    }

    /// The directories of a chunk server's volumes.
    pub fn volumes(&self, chunk: usize) -> Vec<PathBuf> {
        volumes_of(self.ready(Role::Chunk(chunk)))
    }

    /// The directories of all volumes.
    pub fn all_volumes(&self) -> Vec<PathBuf> {
        (0..self.chunks.len()).flat_map(|chunk| self.volumes(chunk)).collect()
    }

    /// Every daemon.
    pub fn roles(&self) -> Vec<Role> {
        let metas = (0..self.metas.len()).map(Role::Meta);
        metas.chain((0..self.chunks.len()).map(Role::Chunk)).collect()
    }

    /// Kills a daemon without notice.
    #[track_caller]
    pub fn kill(&mut self, role: Role) {
        self.daemon(role).kill();
        self.member_mut(role).daemon = None;
    }

    /// Stops every daemon where it is, has something done, and kills them.
    #[track_caller]
    pub fn kill_all_after(&mut self, then: impl FnOnce()) {
        let roles = self.roles();
        for &role in &roles {
            self.daemon(role).freeze();
        }
        then();
        for &role in &roles {
            self.kill(role);
        }
    }

    /// Starts daemons that are down, and waits until they serve.
    #[track_caller]
    pub fn restart(&mut self, roles: &[Role]) {
        let scene = self.scene;
        for &role in roles {
            let member = self.member_mut(role);
            assert!(member.daemon.is_none(), "{} runs", member.name);
            member.daemon = Some(scene.daemon(&member.name, &member.arguments));
        }
        for &role in roles {
            self.member_mut(role).ready();
        }
    }

    /// Starts a daemon that is down, and must not come to serve.
    #[track_caller]
    pub fn refused(&mut self, role: Role) -> Refusal {
        let member = self.member(role);
        let mut daemon = self.scene.daemon(&member.name, &member.arguments);
        match daemon.ready_or_refused() {
            Ok(ready) => panic!("{} serves: {ready}", member.name),
            Err(refusal) => refusal,
        }
    }

    /// Starts a daemon that is down, and waits until `works` with its address has something to
    /// show; how it ended instead, if it did.
    #[track_caller]
    pub fn restart_or_end(
        &mut self,
        role: Role,
        mut works: impl FnMut(&str) -> Option<()>,
    ) -> Option<Refusal> {
        let member = self.member(role);
        let mut daemon = self.scene.daemon(&member.name, &member.arguments);
        if let Err(refusal) = daemon.ready_or_refused() {
            return Some(refusal);
        }
        let address = self.address(role);
        let ended = eventually("the daemon works or ends", HEALTHY, || {
            if !daemon.runs() {
                return Some(true);
            }
            works(address).map(|()| false)
        });
        if ended {
            return Some(daemon.ended());
        }
        self.member_mut(role).daemon = Some(daemon);
        None
    }

    /// Where a daemon keeps its data.
    pub fn data(&self, role: Role) -> PathBuf {
        let arguments = &self.member(role).arguments;
        arguments[arguments.iter().position(|a| a == "--data").unwrap() + 1].clone().into()
    }

    /// Waits until the directory counts so many volumes as down.
    #[track_caller]
    pub fn wait_until_down(&self, volumes: usize) {
        eventually("the directory misses the volumes", HEALTHY, || {
            (self.store.status()["volumes"]["down"] == volumes).then_some(())
        });
    }

    /// The number of the metadata node that listens at an address.
    #[track_caller]
    pub fn meta_at(&self, address: &str) -> usize {
        (0..self.metas.len()).find(|&n| self.address(Role::Meta(n)) == address).unwrap()
    }
}

impl Member {
    #[track_caller]
    fn ready(&mut self) {
        self.ready = self.daemon.as_mut().unwrap().ready();
    }
}

/// Addresses nobody listens at just now.
pub fn free_addresses(count: usize) -> Vec<String> {
    let bound: Vec<_> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    bound.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect()
}

/// The settings of `cairn server` over a directory, on any port.
pub fn server_arguments(scene: &Scene, data: &Path) -> Vec<String> {
    server_arguments_with(scene, data, CONFIG)
}

/// The same, with a configuration of the test's own.
pub fn server_arguments_with(scene: &Scene, data: &Path, config: &str) -> Vec<String> {
    let config = scene.file("cairn.toml", config.as_bytes()).display().to_string();
    let data = data.display().to_string();
    [
        "server",
        "--config",
        &config,
        "--listen",
        "127.0.0.1:0",
        "--swift-listen",
        "127.0.0.1:0",
        "--data",
        &data,
    ]
    .map(Into::into)
    .to_vec()
}
