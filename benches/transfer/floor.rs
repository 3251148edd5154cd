//! The least that storing and fetching can cost.
//!
//! PUT: BLAKE3 of the content, parity, a CRC-32 of every fragment, and the bytes of every chunk
//! over one loopback HTTP/1.1 connection each to another process, which writes each chunk to a
//! file and syncs it. GET: the bytes of k chunks from their files over as many connections, a
//! CRC-32 of every fragment, and BLAKE3 of the content. No names, metadata, footers, progress,
//! replacements or checks on the server.

use crate::daemons::Daemon;
use anyhow::{Context, ensure};
use bytes::{Buf, Bytes};
use disk::{Disk, File, Mode, OsDisk};
use erasure::Codec;
use futures::{StreamExt, future::try_join_all, stream};
use http::{Method, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    hint::black_box,
    io::IoSlice,
    path::{Path, PathBuf},
    pin::Pin,
    process::Command,
    sync::{Arc, Mutex, PoisonError},
    task::{Context as Waking, Poll},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
};
use transport::{Body, BoxError, full_body};

/// Bytes of a fragment.
pub const BLOCK: usize = 64 * 1024;
/// The argument that makes this program the floor's server.
pub const SERVER_MODE: &str = "serve-the-floor";
/// From one parity fragment to the next in memory.
const PITCH: usize = BLOCK + 64;
/// Bytes read or written by one call.
const BATCH: usize = 256 * 1024;
/// What a connection reads ahead.
const CONNECTION_BUFFER: usize = 512 * 1024;
/// Stripes that wait for the connections.
const STRIPES_AHEAD: usize = 4;

/// Memory that is used again.
#[derive(Clone, Default)]
struct Pool(Arc<Mutex<Vec<Vec<u8>>>>);

struct Pooled {
    memory: Vec<u8>,
    bytes: usize,
    pool: Pool,
}

impl Pool {
    fn take(&self, bytes: usize) -> Pooled {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut memory = kept.unwrap_or_default();
        if memory.len() < bytes {
            memory.resize(bytes, 0);
        }
        Pooled { memory, bytes, pool: self.clone() }
    }
}

impl AsRef<[u8]> for Pooled {
    fn as_ref(&self) -> &[u8] {
        &self.memory[..self.bytes]
    }
}

impl Drop for Pooled {
    fn drop(&mut self) {
        let memory = std::mem::take(&mut self.memory);
        self.pool.0.lock().unwrap_or_else(PoisonError::into_inner).push(memory);
    }
}

/// Serves files of a directory until it is killed.
pub async fn serve(directory: PathBuf) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let pool = Pool::default();
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let (directory, pool) = (directory.clone(), pool.clone());
        let service = hyper::service::service_fn(move |request| {
            let (directory, pool) = (directory.clone(), pool.clone());
            async move { answer(&directory, pool, request).await }
        });
        let mut builder = hyper::server::conn::http1::Builder::new();
        builder.timer(TokioTimer::new()).max_buf_size(CONNECTION_BUFFER);
        tokio::spawn(builder.serve_connection(TokioIo::new(connection), service));
    }
}

async fn answer(
    directory: &Path,
    pool: Pool,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let path = directory.join(request.uri().path().trim_start_matches('/'));
    if request.method() == Method::PUT {
        let file = OsDisk.open(&path, Mode::CreateNew)?;
        receive(&file, request.into_body()).await?;
        tokio::task::spawn_blocking(move || file.sync_data()).await??;
        return Ok(Response::new(full_body(Bytes::new())));
    }
    let file = OsDisk.open(&path, Mode::Read)?;
    let bytes = file.len()?;
    let pieces = stream::iter((0..bytes).step_by(BATCH)).map(move |offset| {
        let mut buffer = pool.take(BATCH.min((bytes - offset) as usize));
        let wanted = buffer.bytes;
        file.read_at(&mut buffer.memory[..wanted], offset)?;
        Ok::<_, BoxError>(Frame::data(Bytes::from_owner(buffer)))
    });
    let mut response = Response::new(StreamBody::new(pieces).boxed_unsync());
    response.headers_mut().insert(http::header::CONTENT_LENGTH, bytes.into());
    Ok(response)
}

async fn receive(file: &Arc<dyn File>, mut body: Incoming) -> Result<(), BoxError> {
    let (mut batch, mut bytes, mut offset) = (Vec::<Bytes>::new(), 0, 0);
    loop {
        let frame = body.frame().await.transpose()?;
        let ended = frame.is_none();
        if let Some(data) = frame.and_then(|frame| frame.into_data().ok()) {
            bytes += data.len();
            batch.push(data);
        }
        if bytes >= BATCH || ended {
            let slices: Vec<_> = batch.iter().map(|piece| IoSlice::new(piece)).collect();
            file.write_all_at(&slices, offset)?;
            offset += bytes as u64;
            bytes = 0;
            batch.clear();
        }
        if ended {
            return Ok(());
        }
    }
}

/// The other side: a server in a process of its own.
pub struct Floor {
    directory: PathBuf,
    server: Daemon,
    pool: Pool,
}

impl Floor {
    pub fn start(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir(directory)?;
        let mut command = Command::new(std::env::current_exe()?);
        let server = Daemon::start(command.arg(SERVER_MODE).arg(directory))?;
        Ok(Self { directory: directory.into(), server, pool: Pool::default() })
    }

    pub fn pid(&self) -> Option<u32> {
        Some(self.server.pid())
    }

    pub fn object(&self, name: &str, data: usize, parity: usize, content: Bytes) -> Object {
        Object {
            address: self.server.greeting.trim().to_owned(),
            name: name.to_owned(),
            data,
            parity,
            content,
            pool: self.pool.clone(),
        }
    }

    /// Removes the files of objects.
    pub fn forget(&self, names: &[String], width: usize) -> anyhow::Result<()> {
        for name in names {
            for position in 0..width {
                std::fs::remove_file(self.directory.join(format!("{name}.{position}")))?;
            }
        }
        Ok(())
    }
}

/// One content, which is whole stripes, and how it is cut.
pub struct Object {
    address: String,
    name: String,
    data: usize,
    parity: usize,
    content: Bytes,
    pool: Pool,
}

impl Object {
    pub async fn put(self) -> anyhow::Result<()> {
        let codec = Codec::new(self.data, self.parity)?;
        let (mut lanes, mut puts) = (Vec::new(), Vec::new());
        for position in 0..self.data + self.parity {
            let (sender, receiver) = mpsc::channel(STRIPES_AHEAD);
            let left = (self.content.len() / self.data) as u64;
            let body = Lane { receiver, left }.boxed_unsync();
            puts.push(tokio::spawn(self.ask(Method::PUT, position, body)));
            lanes.push(sender);
        }
        let mut hasher = blake3::Hasher::new();
        for start in (0..self.content.len()).step_by(self.data * BLOCK) {
            let stripe = self.content.slice(start..start + self.data * BLOCK);
            hasher.update(&stripe);
            let data: Vec<&[u8]> = stripe.chunks(BLOCK).collect();
            let mut buffer = self.pool.take(self.parity * PITCH + 64);
            let aligned = buffer.memory.as_ptr().align_offset(64).min(64);
            let area = &mut buffer.memory[aligned..aligned + self.parity * PITCH];
            let mut parity: Vec<_> = area.chunks_mut(PITCH).map(|f| &mut f[..BLOCK]).collect();
            codec.encode(&data, &mut parity)?;
            let parity = Bytes::from_owner(buffer);
            let fragment = |p: usize| match p.checked_sub(self.data) {
                None => stripe.slice(p * BLOCK..(p + 1) * BLOCK),
                Some(p) => parity.slice(aligned + p * PITCH..aligned + p * PITCH + BLOCK),
            };
            for (position, lane) in lanes.iter().enumerate() {
                let fragment = fragment(position);
                black_box(crc32fast::hash(&fragment));
                lane.send(fragment).await.context("a chunk is cut off")?;
            }
        }
        black_box(hasher.finalize());
        drop(lanes);
        for put in puts {
            put.await??;
        }
        Ok(())
    }

    pub async fn get(self) -> anyhow::Result<()> {
        let get = |position| self.ask(Method::GET, position, full_body(Bytes::new()));
        let mut bodies: Vec<Blocks> = try_join_all((0..self.data).map(get))
            .await?
            .into_iter()
            .map(|response| Blocks { body: response.into_body(), held: Bytes::new() })
            .collect();
        let mut hasher = blake3::Hasher::new();
        for _ in (0..self.content.len()).step_by(self.data * BLOCK) {
            for body in &mut bodies {
                let mut sum = crc32fast::Hasher::new();
                let mut missing = BLOCK;
                while missing > 0 {
                    let piece = body.next(missing).await?;
                    sum.update(&piece);
                    hasher.update(&piece);
                    missing -= piece.len();
                }
                black_box(sum.finalize());
            }
        }
        black_box(hasher.finalize());
        Ok(())
    }

    /// One request on a connection of its own.
    fn ask(
        &self,
        method: Method,
        position: usize,
        body: Body,
    ) -> impl Future<Output = anyhow::Result<Response<Incoming>>> + Send + use<> {
        let (address, path) = (self.address.clone(), format!("/{}.{position}", self.name));
        async move {
            let connection = TcpStream::connect(&address).await?;
            connection.set_nodelay(true)?;
            let mut builder = hyper::client::conn::http1::Builder::new();
            builder.max_buf_size(CONNECTION_BUFFER);
            let (mut sender, connection) = builder.handshake(TokioIo::new(connection)).await?;
            tokio::spawn(connection);
            let request = Request::builder().method(method).uri(path).header("host", address);
            let response = sender.send_request(request.body(body)?).await?;
            ensure!(response.status().is_success(), "the floor says {}", response.status());
            Ok(response)
        }
    }
}

/// The body of a PUT, whose length is known.
struct Lane {
    receiver: mpsc::Receiver<Bytes>,
    left: u64,
}

impl http_body::Body for Lane {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        waking: &mut Waking<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.receiver.poll_recv(waking).map(|piece| {
            let piece = piece?;
            self.left = self.left.saturating_sub(piece.len() as u64);
            Some(Ok(Frame::data(piece)))
        })
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// The body of a GET, in pieces of at most what is asked for.
struct Blocks {
    body: Incoming,
    held: Bytes,
}

impl Blocks {
    async fn next(&mut self, most: usize) -> anyhow::Result<Bytes> {
        while !self.held.has_remaining() {
            let frame = self.body.frame().await.context("a chunk is cut short")??;
            self.held = frame.into_data().unwrap_or_default();
        }
        let most = most.min(self.held.len());
        Ok(self.held.split_to(most))
    }
}

/// Content that nothing makes smaller.
pub fn noise(bytes: usize) -> Bytes {
    let mut noise = vec![0; bytes];
    blake3::Hasher::new().finalize_xof().fill(&mut noise);
    noise.into()
}
