//! A server on a socket, with clients as they come: bodies and control on one port.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, StreamBody};
use proto::v1::{self, volumes_client::VolumesClient};
use std::{sync::Arc, time::Duration};
use support::{
    Fixture, chunk,
    disk::{Call, EIO},
    name,
};
use tokio::io::AsyncWriteExt;
use transport::{AccessKey, App, HttpPool, Secret, TcpConnector, full_body, serve};

struct Served {
    fixture: Fixture,
    address: String,
    pool: HttpPool,
    key: AccessKey,
    _stop: tokio::sync::oneshot::Sender<()>,
}

async fn served() -> Served {
    let fixture = Fixture::new().await;
    let key = Secret::new([5; 32]).access_key();
    let grpc = tonic::service::Routes::new(fixture.server.grpc_service(support::pool()));
    let server = fixture.server.clone();
    let health = Arc::new(move || server.health());
    let handler = Arc::new(fixture.handler());
    let app = App::new(key.clone(), grpc, Some(handler), health, None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let shutdown = async move { drop(stopped.await) };
    tokio::spawn(serve(listener, app, shutdown, Duration::from_secs(1)));
    let pool = HttpPool::new(Arc::new(TcpConnector), &key);
    Served { fixture, address, pool, key, _stop: stop }
}

impl Served {
    async fn send(
        &self,
        method: &str,
        n: u32,
        body: transport::Body,
    ) -> (StatusCode, Result<Bytes, String>) {
        let request = support::request(method, &name(n)).body(body).unwrap();
        let response = self.pool.send(&self.address, request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await;
        (status, body.map(|b| b.to_bytes()).map_err(|e| e.to_string()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_and_control_share_a_port() {
    let served = served().await;
    let body = chunk(&name(1), name(1).blob, 5_000_000);
    let put = served.send("PUT", 1, full_body(body.clone())).await;
    assert_eq!(put.0, StatusCode::CREATED, "{put:?}");
    // Chunked, in pieces of a strange size.
    let second = chunk(&name(2), name(2).blob, 700_000);
    let pieces: Vec<_> = second.chunks(10_007).map(Bytes::copy_from_slice).collect();
    let frames = futures::stream::iter(pieces.into_iter().map(|p| Ok(http_body::Frame::data(p))));
    let put = served.send("PUT", 2, StreamBody::new(frames).boxed_unsync()).await;
    assert_eq!(put.0, StatusCode::CREATED, "{put:?}");
    for (n, body) in [(1, &body), (2, &second)] {
        let got = served.send("GET", n, full_body("")).await;
        assert_eq!(got, (StatusCode::OK, Ok(body.clone())));
        let head = served.send("HEAD", n, full_body("")).await;
        assert_eq!(head, (StatusCode::OK, Ok(Bytes::new())));
    }

    let channel = transport::channel(
        Arc::new(TcpConnector),
        &served.address,
        &served.key,
        Duration::from_secs(10),
    );
    let mut control = VolumesClient::new(channel.unwrap());
    let verify = v1::VerifyChunkRequest { volume: 1, chunk: name(1).to_string() };
    let verdict = control.verify_chunk(verify).await.unwrap().into_inner().verdict();
    assert_eq!(verdict, v1::verify_chunk_response::Verdict::Whole);
    assert_eq!(served.send("DELETE", 1, full_body("")).await.0, StatusCode::NO_CONTENT);
    assert_eq!(served.send("GET", 1, full_body("")).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_that_fails_midway_breaks_the_connection() {
    let served = served().await;
    let body = chunk(&name(1), name(1).blob, 20_000_000);
    assert_eq!(served.send("PUT", 1, full_body(body.clone())).await.0, StatusCode::CREATED);
    let get = support::request("GET", &name(1)).body(full_body("")).unwrap();
    let response = served.pool.send(&served.address, get).await.unwrap();
    let mut received = response.into_body();
    received.frame().await.unwrap().unwrap();
    served.fixture.disk.fail(Call::Read, EIO);
    let rest = received.collect().await;
    assert!(rest.is_err(), "{} bytes came of {}", rest.unwrap().to_bytes().len(), body.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_in_a_put_leaves_nothing() {
    let served = served().await;
    let body = chunk(&name(1), name(1).blob, 3_000_000);
    let mut socket = tokio::net::TcpStream::connect(&served.address).await.unwrap();
    let head = format!(
        "PUT /v1/volumes/1/chunks/{} HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-length: {}\r\n\r\n",
        name(1),
        served.key.bearer(),
        body.len()
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&body[..2_000_000]).await.unwrap();
    let temporaries = served.fixture.paths().temporaries();
    while support::names_in(&temporaries).is_empty() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(socket);
    assert!(served.fixture.temporaries().await.is_empty());
    assert!(served.fixture.chunks().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_reaches_a_client_that_is_still_sending() {
    let served = served().await;
    for length in [1000, 3_000_000, 30_000_000] {
        let body = chunk(&name(length), name(length).blob, length as usize);
        let put = served.send("PUT", length, full_body(body.clone())).await;
        assert_eq!(put.0, StatusCode::CREATED, "{put:?}");
        for _ in 0..10 {
            let put = served.send("PUT", length, full_body(body.clone())).await;
            assert_eq!(put.0, StatusCode::CONFLICT, "{put:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_learn_nothing() {
    let served = served().await;
    let stranger = HttpPool::new(Arc::new(TcpConnector), &Secret::new([6; 32]).access_key());
    for n in [1, 2] {
        let get: Request<transport::Body> =
            support::request("GET", &name(n)).body(full_body("")).unwrap();
        let refused = stranger.send(&served.address, get).await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
}
