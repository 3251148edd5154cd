//! A chunk server of many volumes on a loopback socket, with faults on demand, and what
//! metadata servers would do.

use crate::{
    Damage, Damages, Download, Error, Source, VolumeRef,
    counters::Counters,
    memory::Memory,
    reader::{self, Contents, ReadContext, Whereabouts},
    row::{Placed, RowContext},
    servers::ChunkServers,
    traces::Traces,
    writer::{Placer, Spec, Writer, Written},
};
use bytes::Bytes;
use checksum::Hashers;
use chunk::{
    ChunkServer, Config, VolumeConfig,
    files::Paths,
    http::Handler,
    identity::{Identity, VOLUME_FORMAT},
};
use futures::{FutureExt, future::BoxFuture};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use model::{
    BlobId, Body, ChunkName, ClusterId, Extent, Object, ObjectEntry, Policy, Properties, Version,
    VolumeId, WriteId,
};
use parking_lot::Mutex;
use std::{collections::BTreeMap, ops::Range, path::PathBuf, sync::Arc, time::Duration};
use transport::{App, HttpHandler, HttpPool, Secret, TcpConnector};

/// What a volume does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It refuses before the body.
    RefusePut,
    /// It stops taking the body after so many bytes.
    HangPut(usize),
    /// It breaks off the body after so many bytes.
    BreakPut(usize),
    /// It never answers a GET.
    HangGet,
    /// It refuses every GET.
    RefuseGet,
    /// It breaks every GET off after so many bytes.
    BreakGet(usize),
}

#[derive(Clone)]
struct Faulty {
    inner: Handler,
    faults: Arc<Mutex<BTreeMap<u32, Fault>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

type Answer = Response<transport::Body>;

fn refuse() -> Answer {
    let mut answer = Response::new(transport::full_body("out of order"));
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    answer
}

/// Lets bytes through up to a limit, then hangs or fails.
fn limited<B>(body: B, limit: usize, hang: bool) -> transport::Body
where
    B: http_body::Body<Data = Bytes> + Send + 'static,
    B::Error: std::fmt::Display,
{
    let stream = futures::stream::unfold((Box::pin(body), 0), move |(mut body, seen)| async move {
        if seen >= limit {
            if hang {
                futures::future::pending::<()>().await;
            }
            return Some((Err("broken on purpose".into()), (body, 0)));
        }
        let frame = body.frame().await?;
        let frame = frame.map_err(|e| transport::BoxError::from(e.to_string()));
        let length = frame.as_ref().ok().and_then(|f| f.data_ref()).map_or(0, Bytes::len);
        Some((frame, (body, seen + length)))
    });
    http_body_util::StreamBody::new(stream).boxed_unsync()
}

impl HttpHandler for Faulty {
    fn handle(&self, request: Request<Incoming>) -> BoxFuture<'_, Answer> {
        let path = request.uri().path().to_owned();
        let volume = path.split('/').nth(3).and_then(|v| v.parse().ok()).unwrap_or(0);
        let fault = self.faults.lock().get(&volume).copied();
        self.requests.lock().push(format!("{} {volume}", request.method()));
        async move {
            match (request.method().as_str(), fault) {
                ("PUT", Some(Fault::RefusePut)) => refuse(),
                ("PUT", Some(Fault::HangPut(limit))) => {
                    self.inner.answer(request.map(|b| limited(b, limit, true))).await
                }
                ("PUT", Some(Fault::BreakPut(limit))) => {
                    self.inner.answer(request.map(|b| limited(b, limit, false))).await
                }
                ("GET", Some(Fault::HangGet)) => futures::future::pending().await,
                ("GET", Some(Fault::RefuseGet)) => refuse(),
                ("GET", Some(Fault::BreakGet(limit))) => {
                    self.inner.answer(request).await.map(|b| limited(b, limit, false))
                }
                _ => self.inner.answer(request).await,
            }
        }
        .boxed()
    }
}

pub(super) const BLOB: BlobId = BlobId([0xb1; 16]);

/// The chunk server, and a client's side of it.
pub(super) struct Cluster {
    dir: tempfile::TempDir,
    faults: Arc<Mutex<BTreeMap<u32, Fault>>>,
    requests: Arc<Mutex<Vec<String>>>,
    pub(super) servers: Arc<ChunkServers>,
    pub(super) counters: Arc<Counters>,
    pub(super) reports: Arc<Mutex<Vec<Damage>>>,
    pub(super) locates: Arc<Mutex<u32>>,
    /// Whether writes compute the MD5 too.
    pub(super) md5: bool,
    address: String,
    count: u32,
}

fn make_volume(path: PathBuf, id: u32) {
    let identity = Identity {
        format: VOLUME_FORMAT,
        identity: format!("{id:032x}"),
        fan_out_digits: 1,
        cluster: Some(ClusterId([0xc1; 16])),
        id: Some(VolumeId(id)),
    };
    let paths = Paths::new(&path, 1);
    for n in 0..paths.fan_outs() {
        std::fs::create_dir_all(paths.nth_fan_out(n)).unwrap();
    }
    std::fs::create_dir_all(paths.temporaries()).unwrap();
    identity.write(&disk::OsDisk, &paths.identity()).unwrap();
}

impl Cluster {
    pub(super) async fn new(count: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |id: u32| dir.path().join(format!("v{id}"));
        (1..=count).for_each(|id| make_volume(path(id), id));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let volume = |id| VolumeConfig {
            path: path(id),
            location: format!("host{id}.disk").parse().unwrap(),
        };
        let config = Config {
            data_dir: dir.path().join("data"),
            volumes: (1..=count).map(volume).collect(),
            address: address.clone(),
            cluster: None,
            format: false,
            reserve_bytes: None,
        };
        let server = ChunkServer::open(config, Arc::new(disk::OsDisk)).await.unwrap();
        let key = Secret::new([7; 32]).access_key();
        let (faults, requests) = <(Arc<Mutex<_>>, Arc<Mutex<_>>)>::default();
        let handler = Faulty {
            inner: server.http_handler(Secret::new([7; 32]).keys().capabilities),
            faults: faults.clone(),
            requests: requests.clone(),
        };
        let health = Arc::new(|| Ok(()));
        let app = App::new(key.clone(), Default::default(), Some(Arc::new(handler)), health, None);
        tokio::spawn(async move {
            transport::serve(listener, app, futures::future::pending(), Duration::ZERO).await;
            drop(server);
        });
        let servers = Arc::new(ChunkServers::new(HttpPool::new(Arc::new(TcpConnector), &key)));
        Self {
            dir,
            faults,
            requests,
            servers,
            counters: Arc::default(),
            reports: Arc::default(),
            locates: Arc::default(),
            md5: true,
            address,
            count,
        }
    }

    pub(super) fn fail(&self, volume: u32, fault: Fault) {
        self.faults.lock().insert(volume, fault);
    }

    pub(super) fn heal(&self) {
        self.faults.lock().clear();
    }

    /// Requests since the last call, as method and volume.
    pub(super) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock())
    }

    pub(super) fn volumes(&self) -> Vec<VolumeRef> {
        let volume = |id| VolumeRef {
            address: self.address.clone(),
            up: true,
            ..VolumeRef::unknown(VolumeId(id))
        };
        (1..=self.count).map(volume).collect()
    }

    /// The file of a chunk.
    pub(super) fn file(&self, volume: VolumeId, name: &ChunkName) -> PathBuf {
        Paths::new(&self.dir.path().join(format!("v{volume}")), 1).chunk(name)
    }

    /// Files of chunks and of chunks under way, on all volumes.
    pub(super) fn files(&self) -> usize {
        let files = |id| {
            let paths = Paths::new(&self.dir.path().join(format!("v{id}")), 1);
            let dirs = (0..paths.fan_outs()).map(|n| paths.nth_fan_out(n));
            dirs.chain([paths.temporaries()])
                .map(|dir| std::fs::read_dir(dir).unwrap().count())
                .sum::<usize>()
        };
        (1..=self.count).map(files).sum()
    }

    /// Writes a content, each position on the volume after its own number.
    pub(super) async fn write(
        &self,
        policy: &Policy,
        source: impl Into<Source>,
    ) -> Result<Written, Error> {
        let source = source.into();
        let spec = Spec {
            account: "acme".parse().unwrap(),
            container: "stones".parse().unwrap(),
            object: "cairn".parse().unwrap(),
            policy: policy.clone(),
            md5: self.md5.then(|| Hashers::of_the_process().md5()),
            length: source.size,
            stall: Duration::from_millis(300),
        };
        let context = RowContext {
            servers: self.servers.clone(),
            counters: self.counters.clone(),
            traces: Arc::new(Traces::new(self.servers.clone())),
            blob: BLOB,
            quorum: policy.method.quorum(),
            failed: Default::default(),
            error: Default::default(),
        };
        let traces = context.traces.clone();
        let volumes = self.volumes();
        let placer = ByHand { volumes, width: policy.method.width() };
        let first = placer.rows(1);
        let memory = Memory::new(64 << 20);
        let writer = Writer::new(spec, Arc::new(context), Arc::new(placer), memory, first)?;
        let written = writer.write(source).await?;
        traces.disarm();
        Ok(written)
    }

    /// What a locate would answer for what was written.
    pub(super) fn object(&self, policy: &Policy, written: &Written) -> Object {
        let extent = Extent {
            blob: BLOB,
            origin: BLOB,
            policy: policy.name.clone(),
            method: policy.method,
            chunk_blocks: policy.chunk_blocks,
            metachunks: written.metachunks.clone(),
        };
        let entry = ObjectEntry {
            name: "cairn".parse().unwrap(),
            version: Version(10),
            latest: true,
            marker: false,
            drained: false,
            content: BLOB.into(),
            size: written.size,
            hash: Some(written.hash),
            md5: written.md5,
            mime_type: String::new(),
            delete_at: None,
            policy: policy.name.clone(),
            created: 0,
            modified: 0,
            properties: None,
        };
        let body = Body::Extents(if written.size > 0 { vec![extent] } else { Vec::new() });
        Object { entry, properties: Properties::new(), body }
    }

    pub(super) fn open(&self, object: &Object, ranges: &[Range<u64>]) -> Download {
        let damages = Damages::default();
        let located = Arc::new(Mutex::new(object.clone()));
        let contents = Fixed {
            object: located,
            volumes: self.volumes(),
            reports: self.reports.clone(),
            locates: self.locates.clone(),
        };
        self.open_with(object, ranges, contents, damages)
    }

    pub(super) fn open_with(
        &self,
        object: &Object,
        ranges: &[Range<u64>],
        contents: Fixed,
        damages: Damages,
    ) -> Download {
        let context = ReadContext {
            servers: self.servers.clone(),
            memory: Memory::new(64 << 20),
            counters: self.counters.clone(),
            contents: Arc::new(contents),
            damages: damages.clone(),
        };
        let size = object.entry.size;
        let whole = ranges.len() == 1 && ranges[0] == (0..size);
        let whereabouts = Whereabouts::new(object.clone(), self.volumes());
        let (parts, task) = reader::start(context, whereabouts, ranges.to_vec(), whole);
        Download::new(object.clone(), ranges.to_vec(), damages, parts, task)
    }

    /// Reads a range and says which damages were met.
    pub(super) async fn read(
        &self,
        object: &Object,
        range: Range<u64>,
    ) -> (Result<Bytes, Error>, Vec<Damage>) {
        let download = self.open(object, std::slice::from_ref(&range));
        let damages = download.damages();
        (download.bytes().await, damages.list())
    }
}

struct ByHand {
    volumes: Vec<VolumeRef>,
    width: usize,
}

impl ByHand {
    fn rows(&self, count: u32) -> Vec<Placed> {
        let (volumes, spares) = self.volumes.split_at(self.width.min(self.volumes.len()));
        let placed = volumes.iter().cloned().map(Some).chain(std::iter::repeat(None));
        let row = Placed {
            write: WriteId(0x0123_4567_89ab),
            volumes: placed.take(self.width).collect(),
            spares: spares.to_vec(),
        };
        vec![row; count as usize]
    }
}

impl Placer for ByHand {
    fn place(
        &self,
        count: u32,
        _: Vec<VolumeId>,
    ) -> BoxFuture<'static, Result<Vec<Placed>, Error>> {
        futures::future::ready(Ok(self.rows(count))).boxed()
    }
}

/// Metadata of one object.
pub(super) struct Fixed {
    pub(super) object: Arc<Mutex<Object>>,
    pub(super) volumes: Vec<VolumeRef>,
    pub(super) reports: Arc<Mutex<Vec<Damage>>>,
    pub(super) locates: Arc<Mutex<u32>>,
}

impl Contents for Fixed {
    fn locate(&self) -> BoxFuture<'static, Result<(Object, Vec<VolumeRef>), Error>> {
        *self.locates.lock() += 1;
        let answer = (self.object.lock().clone(), self.volumes.clone());
        futures::future::ready(Ok(answer)).boxed()
    }

    fn report(&self, damages: Vec<Damage>) -> BoxFuture<'static, Result<(), Error>> {
        self.reports.lock().extend(damages);
        futures::future::ready(Ok(())).boxed()
    }
}

/// Bytes without a pattern that a misplaced block could hide in.
pub(super) fn content(length: usize) -> Bytes {
    let mut bytes = vec![0; length];
    blake3::Hasher::new().update(b"content").finalize_xof().fill(&mut bytes);
    bytes.into()
}

/// A policy with small chunks.
pub(super) fn policy(method: &str, chunk_blocks: u32) -> Policy {
    Policy {
        name: "TEST".parse().unwrap(),
        method: method.parse().unwrap(),
        chunk_blocks,
        small: None,
    }
}
