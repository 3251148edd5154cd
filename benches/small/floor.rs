//! The least that small operations can cost.
//!
//! A process of its own answers frames over TCP, one connection for each request under way. Every
//! operation is one round trip that returns as much as the store's answer has. What changes
//! something is appended to a file and synced before the answer, one sync for all that wait. A
//! chunk is a new file that is written and synced, or one that is read. No names, HTTP, gRPC,
//! encoding of messages, state, checks on the server, renames or syncs of directories.

use crate::daemons::Daemon;
use anyhow::Context;
use erasure::Codec;
use futures::{TryStreamExt, stream};
use std::{
    fs::File,
    hint::black_box,
    io::{Read, Write},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, mpsc},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Mutex, oneshot},
};

/// The argument that makes this program the floor's server.
pub const SERVER_MODE: &str = "serve-the-small-floor";
/// A HEAD's request and answer on the wire.
pub const REQUEST_BYTES: usize = 64;
pub const ANSWER_BYTES: usize = 300;
/// The log's file, among those of chunks.
const LOG: &str = "log";
/// What a change adds to the log.
const LOG_BYTES: usize = 256;
/// Bytes of the log; written in a circle.
const LOG_FILE_BYTES: u64 = 64 << 20;
/// Of a request: the operation, the bytes behind the head, those of the answer, a file's number.
const HEAD_BYTES: usize = 1 + 4 + 4 + 8;

/// What the server is to do.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ask {
    /// Answer.
    Answer = 0,
    /// Append to the log, sync, answer.
    Log = 1,
    /// Write the body to a new file, sync, answer.
    Write = 2,
    /// Answer with a file.
    Read = 3,
}

/// Serves frames for good.
pub async fn serve(directory: PathBuf) -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let log = start_log(&directory)?;
    let directory: Arc<Path> = directory.into();
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        tokio::spawn(answer(connection, directory.clone(), log.clone()));
    }
}

type Waiting = oneshot::Sender<()>;

/// A thread that appends for whoever asks, with one sync for all that wait.
fn start_log(directory: &Path) -> anyhow::Result<mpsc::Sender<Waiting>> {
    let file = File::create(directory.join(LOG))?;
    let zeros = vec![0; 1 << 20];
    for offset in (0..LOG_FILE_BYTES).step_by(zeros.len()) {
        file.write_all_at(&zeros, offset)?;
    }
    file.sync_all()?;
    let (sender, receiver) = mpsc::channel::<Waiting>();
    std::thread::spawn(move || -> std::io::Result<()> {
        let mut offset = 0;
        while let Ok(first) = receiver.recv() {
            let waiting: Vec<_> = std::iter::once(first).chain(receiver.try_iter()).collect();
            let records = vec![1; waiting.len() * LOG_BYTES];
            if offset + records.len() as u64 > LOG_FILE_BYTES {
                offset = 0;
            }
            file.write_all_at(&records, offset)?;
            file.sync_data()?;
            offset += records.len() as u64;
            for waiting in waiting {
                waiting.send(()).ok();
            }
        }
        Ok(())
    });
    Ok(sender)
}

async fn answer(
    mut connection: TcpStream,
    directory: Arc<Path>,
    log: mpsc::Sender<Waiting>,
) -> anyhow::Result<()> {
    let mut frame = vec![0; 1 << 20];
    loop {
        let mut head = [0; HEAD_BYTES];
        connection.read_exact(&mut head).await?;
        let number = |at: usize, bytes: usize| {
            head[at..at + bytes].iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte))
        };
        let (body, answer, file) = (number(1, 4) as usize, number(5, 4) as usize, number(9, 8));
        connection.read_exact(&mut frame[..body]).await?;
        let path = directory.join(file.to_string());
        if head[0] == Ask::Log as u8 {
            let (waiting, synced) = oneshot::channel();
            log.send(waiting)?;
            synced.await?;
        } else if head[0] == Ask::Write as u8 {
            let content = frame[..body].to_vec();
            tokio::task::spawn_blocking(move || {
                let mut file = File::create_new(path)?;
                file.write_all(&content)?;
                file.sync_data()
            })
            .await??;
        } else if head[0] == Ask::Read as u8 {
            File::open(path)?.read_exact(&mut frame[..answer])?;
        }
        connection.write_all(&frame[..answer]).await?;
    }
}

/// The other side: a server in a process of its own, and connections to it.
#[derive(Clone)]
pub struct Floor(Arc<Inner>);

struct Inner {
    directory: PathBuf,
    server: Daemon,
    idle: Mutex<Vec<TcpStream>>,
}

impl Floor {
    pub fn start(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir(directory)?;
        let mut command = Command::new(std::env::current_exe()?);
        let server = Daemon::start(command.arg(SERVER_MODE).arg(directory))?;
        let directory = directory.into();
        Ok(Self(Arc::new(Inner { directory, server, idle: Mutex::default() })))
    }

    pub fn pid(&self) -> u32 {
        self.0.server.pid()
    }

    /// Removes all chunks.
    pub fn forget(&self) -> anyhow::Result<()> {
        for file in std::fs::read_dir(&self.0.directory)? {
            let file = file?;
            if file.file_name() != LOG {
                std::fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }

    /// One round trip.
    pub async fn ask(
        &self,
        ask: Ask,
        file: u64,
        body: &[u8],
        answer: usize,
    ) -> anyhow::Result<Vec<u8>> {
        let idle = self.0.idle.lock().await.pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => {
                let connection = TcpStream::connect(self.0.server.greeting.trim()).await?;
                connection.set_nodelay(true)?;
                connection
            }
        };
        let mut frame = Vec::with_capacity(HEAD_BYTES + body.len());
        frame.push(ask as u8);
        frame.extend((body.len() as u32).to_le_bytes());
        frame.extend((answer as u32).to_le_bytes());
        frame.extend(file.to_le_bytes());
        frame.extend(body);
        connection.write_all(&frame).await?;
        let mut bytes = vec![0; answer];
        connection.read_exact(&mut bytes).await.context("the floor's server is gone")?;
        self.0.idle.lock().await.push(connection);
        Ok(bytes)
    }

    /// Stores an object of `size` bytes in data and parity fragments, as files that begin with
    /// `file`'s number.
    pub async fn put(&self, file: u64, size: usize, width: (usize, usize)) -> anyhow::Result<()> {
        self.ask(Ask::Answer, 0, &[0; REQUEST_BYTES], ANSWER_BYTES).await?;
        if size > 0 {
            let (data, parity) = width;
            let fragment = size.div_ceil(data);
            // Filled up, so that all fragments are alike.
            let content = vec![file as u8; fragment * data];
            black_box(blake3::hash(&content));
            let mut fragments = vec![vec![0; fragment]; parity];
            let pieces: Vec<_> = content.chunks(fragment).collect();
            let mut slices: Vec<_> = fragments.iter_mut().map(|f| &mut f[..]).collect();
            if parity > 0 {
                Codec::new(data, parity)?.encode(&pieces, &mut slices)?;
            }
            let pieces = pieces.into_iter().chain(fragments.iter().map(|f| &f[..]));
            stream::iter(pieces.enumerate().map(anyhow::Ok))
                .try_for_each_concurrent(None, |(position, piece)| async move {
                    black_box(crc32fast::hash(piece));
                    self.ask(Ask::Write, number(file, position), piece, 8).await.map(drop)
                })
                .await?;
        }
        self.ask(Ask::Log, 0, &[0; REQUEST_BYTES], 8).await?;
        Ok(())
    }

    /// Fetches what was stored.
    pub async fn get(&self, file: u64, size: usize, width: (usize, usize)) -> anyhow::Result<()> {
        self.ask(Ask::Answer, 0, &[0; REQUEST_BYTES], ANSWER_BYTES).await?;
        let (data, _) = width;
        let fragments: Vec<Vec<u8>> = stream::iter((0..data).map(anyhow::Ok))
            .map_ok(|position| {
                self.ask(Ask::Read, number(file, position), &[], size.div_ceil(data))
            })
            .try_buffered(data)
            .try_collect()
            .await?;
        let mut hasher = blake3::Hasher::new();
        for fragment in &fragments {
            black_box(crc32fast::hash(fragment));
            hasher.update(fragment);
        }
        black_box(hasher.finalize());
        Ok(())
    }
}

/// The number of a fragment's file: those of an object, and the position in it.
fn number(file: u64, position: usize) -> u64 {
    file * 64 + position as u64
}
