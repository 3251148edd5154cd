//! The least that HTTP in front of the store can cost: a server in a process of its own that
//! receives bodies and drops them, or answers with bytes that it has.

use crate::daemons::Daemon;
use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::process::Command;
use tokio::net::TcpListener;
use transport::{Body, BoxError, full_body};

/// The argument that makes this program the server.
pub const SERVER_MODE: &str = "serve-the-hop";
/// What a connection reads ahead, as the gateway.
const CONNECTION_BUFFER: usize = 256 * 1024;
/// Bytes of a piece of an answer: a data fragment.
const PIECE: usize = 64 * 1024;

/// Starts the server; it says its address.
pub fn start() -> anyhow::Result<Daemon> {
    Daemon::start(Command::new(std::env::current_exe()?).arg(SERVER_MODE))
}

/// Serves until it is killed: PUT takes what comes, GET `/BYTES` answers with as many.
pub async fn serve() -> anyhow::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let piece = Bytes::from(vec![1; PIECE]);
    loop {
        let (connection, _) = listener.accept().await?;
        connection.set_nodelay(true)?;
        let piece = piece.clone();
        let service = service_fn(move |request| answer(piece.clone(), request));
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).max_buf_size(CONNECTION_BUFFER);
        tokio::spawn(builder.serve_connection(TokioIo::new(connection), service));
    }
}

async fn answer(piece: Bytes, request: Request<Incoming>) -> Result<Response<Body>, BoxError> {
    if request.method() == Method::PUT {
        let mut body = request.into_body();
        while body.frame().await.transpose()?.is_some() {}
        return Ok(Response::new(full_body(Bytes::new())));
    }
    let bytes: usize = request.uri().path().trim_start_matches('/').parse()?;
    let pieces = (0..bytes)
        .step_by(PIECE)
        .map(move |start| Ok::<_, BoxError>(Frame::data(piece.slice(..PIECE.min(bytes - start)))));
    let mut response = Response::new(StreamBody::new(stream::iter(pieces)).boxed_unsync());
    response.headers_mut().insert(http::header::CONTENT_LENGTH, bytes.into());
    Ok(response)
}
