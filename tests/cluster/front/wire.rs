//! HTTP/1.1 byte by byte.

use std::{
    io::{ErrorKind, Read, Write},
    net::{Shutdown, TcpStream},
    sync::Arc,
    time::Duration,
};
use tokio_rustls::rustls::{self, ClientConnection, StreamOwned, pki_types::ServerName};

/// How long the other side may take for the next bytes, or to take ours.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the head of an answer, at most.
const HEAD_BYTES: usize = 64 * 1024;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// A connection to the gateway.
pub struct Wire {
    stream: Box<dyn Stream>,
    tcp: TcpStream,
    /// What came and was not looked at.
    read: Vec<u8>,
}

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

fn tcp(address: &str) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    Ok(stream)
}

impl Wire {
    /// Connects.
    #[track_caller]
    pub fn to(address: &str) -> Self {
        Self::try_to(address).unwrap()
    }

    /// Connects, if somebody listens.
    pub fn try_to(address: &str) -> std::io::Result<Self> {
        let tcp = tcp(address)?;
        Ok(Self { stream: Box::new(tcp.try_clone()?), tcp, read: Vec::new() })
    }

    /// Connects over TLS to who has a certificate of 127.0.0.1 that is trusted.
    #[track_caller]
    pub fn secured(address: &str, config: Arc<rustls::ClientConfig>) -> Self {
        let tcp = tcp(address).unwrap();
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let session = ClientConnection::new(config, name).unwrap();
        let stream = StreamOwned::new(session, tcp.try_clone().unwrap());
        Self { stream: Box::new(stream), tcp, read: Vec::new() }
    }

    /// Sends bytes. Who is sent nonsense may hang up in the middle of it.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.try_send(bytes) {
            let gone = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "{error}");
        }
    }

    /// Sends bytes.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// Says that no more will be sent.
    pub fn finish(&self) {
        // Who hung up already does not hear it.
        let _ = self.tcp.shutdown(Shutdown::Write);
    }

    /// More bytes that came; none once the other side closed, properly or not.
    #[track_caller]
    fn more(&mut self) -> Option<()> {
        let mut bytes = [0; 64 * 1024];
        match self.stream.read(&mut bytes) {
            Ok(0) => None,
            Ok(count) => {
                self.read.extend_from_slice(&bytes[..count]);
                Some(())
            }
            Err(error) => {
                let late = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
                assert!(!late.contains(&error.kind()), "nothing came within {PATIENCE:?}");
                None
            }
        }
    }

    /// The next answer.
    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        self.reply_or_end().expect("the connection was closed without an answer")
    }

    /// The next answer, or that the connection was closed before all of it came.
    #[track_caller]
    pub fn reply_or_end(&mut self) -> Option<Reply> {
        loop {
            let (status, headers) = self.reply_head()?;
            // To go on is no answer yet.
            if status >= 200 {
                let body = self.body(status, &headers)?;
                return Some(Reply { status, headers, body });
            }
        }
    }

    /// Sends a request that asks for no body, and takes its status.
    #[track_caller]
    pub fn head(&mut self, request: impl AsRef<[u8]>) -> u16 {
        self.send(request);
        self.reply_head().expect("the connection was closed without an answer").0
    }

    /// The next answer, if it has begun to come.
    pub fn reply_now(&mut self) -> Option<Reply> {
        self.tcp.set_nonblocking(true).unwrap();
        let begun = self.tcp.peek(&mut [0]);
        self.tcp.set_nonblocking(false).unwrap();
        begun.is_ok_and(|count| count > 0).then(|| self.reply())
    }

    /// The status and the headers of the next answer, even if it is one to go on.
    #[track_caller]
    pub fn reply_head(&mut self) -> Option<(u16, Vec<(String, String)>)> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read.len() <= HEAD_BYTES, "no end of a head");
            self.more()?;
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.trim_end().lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let header = |line: &str| {
            let (name, value) = line.split_once(':').unwrap();
            (name.to_ascii_lowercase(), value.trim().to_owned())
        };
        Some((status, lines.map(header).collect()))
    }

    fn body(&mut self, status: u16, headers: &[(String, String)]) -> Option<Vec<u8>> {
        let header = |name| headers.iter().find(|(n, _)| n == name).map(|(_, value)| value);
        if status == 204 || status == 304 {
            return Some(Vec::new());
        }
        assert_eq!(header("transfer-encoding"), None, "lengths are known");
        let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
        while self.read.len() < length {
            self.more()?;
        }
        Some(self.read.drain(..length).collect())
    }

    /// Takes some bytes of an answer's body.
    #[track_caller]
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.read.len() < count {
            self.more().expect("the connection was closed in the middle of an answer");
        }
        self.read.drain(..count).collect()
    }

    /// All that comes until the other side closes.
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more().is_some() {}
        std::mem::take(&mut self.read)
    }
}
