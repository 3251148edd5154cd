//! Bodies over HTTP, asked in process: what is stored, what is refused, what is left behind.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use futures::stream;
use http::StatusCode;
use http_body::Frame;
use http_body_util::{Full, StreamBody};
use model::{BlobId, ChunkName};
use std::convert::Infallible;
use support::{Fixture, chunk, name, put_of, request};

#[tokio::test]
async fn what_was_put_is_what_is_got() {
    let fixture = Fixture::new().await;
    for (n, length) in [(1, 1), (2, 65_536), (3, 65_537), (4, 3_000_000)] {
        let (name, body) = (name(n), chunk(&name(n), name(n).blob, length));
        let put = fixture.put(&name, body.clone()).await;
        assert_eq!(put.status, StatusCode::CREATED, "{}", put.text());
        assert_eq!(put.header("x-cairn-bytes"), body.len().to_string());
        let got = fixture.get(&name).await;
        assert_eq!((got.status, got.body.as_ref().unwrap()), (StatusCode::OK, &body));
        assert_eq!(got.header("content-length"), body.len().to_string());
    }
    assert!(fixture.temporaries().await.is_empty());
    assert_eq!(fixture.server.volumes().all()[0].chunks(), 4);
    assert_eq!(fixture.server.volumes().all()[0].health().under_way(), 0);
}

#[tokio::test]
async fn ranges_and_heads_are_answered_from_the_stored_bytes() {
    let fixture = Fixture::new().await;
    let (name, body) = (name(1), chunk(&name(1), name(1).blob, 700_000));
    fixture.put(&name, body.clone()).await;
    let ranged = async |range: &str| {
        let get = request("GET", &name).header("range", range);
        fixture.send(get.body(Full::new(Bytes::new())).unwrap()).await
    };
    let middle = ranged("bytes=65544-131087").await;
    assert_eq!(middle.status, StatusCode::PARTIAL_CONTENT);
    assert_eq!(middle.body.as_ref().unwrap(), &body.slice(65_544..131_088));
    assert_eq!(middle.header("content-range"), format!("bytes 65544-131087/{}", body.len()));
    assert_eq!(ranged("bytes=-20").await.body.unwrap(), body.slice(body.len() - 20..));
    assert_eq!(ranged("bytes=5-").await.body.unwrap(), body.slice(5..));
    let behind = ranged(&format!("bytes={}-", body.len())).await;
    assert_eq!(behind.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(behind.header("content-range"), format!("bytes */{}", body.len()));
    assert_eq!(ranged("bytes=1-2,5-6").await.status, StatusCode::BAD_REQUEST);

    let head = fixture.send(request("HEAD", &name).body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(head.status, StatusCode::OK);
    assert_eq!(head.header("content-length"), body.len().to_string());
    assert!(head.body.unwrap().is_empty());
    let missing = request("HEAD", &support::name(9)).body(Full::new(Bytes::new())).unwrap();
    let missing = fixture.send(missing).await;
    assert_eq!(
        (missing.status, missing.header("x-cairn-kind")),
        (StatusCode::NOT_FOUND, "not_found")
    );
    assert!(missing.body.unwrap().is_empty());
}

#[tokio::test]
async fn deletes_and_copies_keep_names_exclusive() {
    let fixture = Fixture::new().await;
    let (a, b) = (name(1), name(2));
    let body = chunk(&a, a.blob, 100_000);
    fixture.put(&a, body.clone()).await;
    let copy = async |from: ChunkName, to: &str| {
        let copy = request("COPY", &from).header("destination", to);
        fixture.send(copy.body(Full::new(Bytes::new())).unwrap()).await
    };
    let copied = copy(a, &b.to_string()).await;
    assert_eq!(copied.status, StatusCode::CREATED, "{}", copied.text());
    assert_eq!(copied.header("x-cairn-bytes"), body.len().to_string());
    assert_eq!(copy(a, &b.to_string()).await.status, StatusCode::CONFLICT);
    assert_eq!(copy(name(7), &name(8).to_string()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(copy(a, "../../../etc/passwd").await.status, StatusCode::BAD_REQUEST);
    let mut elsewhere = name(8);
    elsewhere.position = 0;
    assert_eq!(copy(a, &elsewhere.to_string()).await.status, StatusCode::BAD_REQUEST);

    let delete = async |name| {
        fixture.send(request("DELETE", name).body(Full::new(Bytes::new())).unwrap()).await.status
    };
    assert_eq!(delete(&a).await, StatusCode::NO_CONTENT);
    assert_eq!(delete(&a).await, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&a).await.status, StatusCode::NOT_FOUND);
    assert_eq!(fixture.get(&b).await.body.unwrap(), body, "the copy lives on");
    // The copy's bytes are those of their origin, which a rebuild sends along.
    let again = name(3);
    let put = put_of(&again, a.blob).body(Full::new(body)).unwrap();
    assert_eq!(fixture.send(put).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_taken_name_is_refused_and_its_chunk_stays() {
    let fixture = Fixture::new().await;
    let first = chunk(&name(1), name(1).blob, 1000);
    let second = chunk(&name(1), name(1).blob, 2000);
    assert_eq!(fixture.put(&name(1), first.clone()).await.status, StatusCode::CREATED);
    let refused = fixture.put(&name(1), second).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    assert_eq!(refused.header("x-cairn-kind"), "already_exists");
    assert_eq!(fixture.get(&name(1)).await.body.unwrap(), first);

    // Of many at once exactly one wins.
    let (second, body) = (name(2), chunk(&name(2), name(2).blob, 300_000));
    let puts = (0..8).map(|_| fixture.put(&second, body.clone()));
    let answers = futures::future::join_all(puts).await;
    let won = answers.iter().filter(|a| a.status == StatusCode::CREATED).count();
    let lost = answers.iter().filter(|a| a.status == StatusCode::CONFLICT).count();
    assert_eq!((won, lost), (1, 7));
    assert!(fixture.temporaries().await.is_empty());
}

#[tokio::test]
async fn damaged_cut_and_foreign_bodies_leave_nothing() {
    let fixture = Fixture::new().await;
    let body = chunk(&name(1), name(1).blob, 1_000_000);
    let mut damaged = body.to_vec();
    damaged[300_000] ^= 1;
    let refused = fixture.put(&name(1), damaged.into()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST);
    assert!(refused.text().contains("block 4"), "{}", refused.text());
    for cut in [0, 1, 65_544, body.len() - 1] {
        let refused = fixture.put(&name(1), body.slice(..cut)).await;
        assert_eq!(refused.status, StatusCode::BAD_REQUEST, "cut at {cut}");
    }
    let foreign = put_of(&name(1), BlobId([1; 16])).body(Full::new(body.clone())).unwrap();
    assert_eq!(fixture.send(foreign).await.status, StatusCode::BAD_REQUEST);
    let nonsense = request("PUT", &name(1)).header("x-cairn-origin", "zz");
    let nonsense = nonsense.body(Full::new(body.clone())).unwrap();
    assert_eq!(fixture.send(nonsense).await.status, StatusCode::BAD_REQUEST);
    let mut other = name(1);
    other.position = 0;
    assert_eq!(fixture.put(&other, body.clone()).await.status, StatusCode::BAD_REQUEST);
    assert!(fixture.chunks().is_empty());
    assert!(fixture.temporaries().await.is_empty());
    assert_eq!(fixture.put(&name(1), body).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn an_endless_body_is_refused_by_its_length_or_on_the_way() {
    let fixture = Fixture::new().await;
    let announced = request("PUT", &name(1)).header("content-length", "70000000");
    let refused = fixture.send(announced.body(Full::new(Bytes::new())).unwrap()).await;
    assert_eq!(refused.status, StatusCode::PAYLOAD_TOO_LARGE);

    let piece = chunk(&name(1), name(1).blob, 65_536).slice(..65_544);
    let frames = stream::repeat_with(move || Ok::<_, Infallible>(Frame::data(piece.clone())));
    let refused =
        fixture.send(request("PUT", &name(1)).body(StreamBody::new(frames)).unwrap()).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "block 1 is not block 0");
    assert!(fixture.temporaries().await.is_empty());
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_nothing() {
    let fixture = Fixture::new().await;
    let body = chunk(&name(1), name(1).blob, 2_000_000);
    let half = body.slice(..1_200_000);

    // The connection breaks.
    let frames = stream::iter([Ok(Frame::data(half.clone())), Err("connection reset")]);
    let broken =
        fixture.send(request("PUT", &name(1)).body(StreamBody::new(frames)).unwrap()).await;
    assert_eq!(broken.status, StatusCode::BAD_REQUEST);

    // The request is dropped where it stands.
    use futures::StreamExt;
    let frames = stream::iter([Ok::<_, Infallible>(Frame::data(half))]).chain(stream::pending());
    let put = request("PUT", &name(1)).body(StreamBody::new(frames)).unwrap();
    let handler = fixture.handler();
    let task = tokio::spawn(async move { handler.answer(put).await.status() });
    while support::names_in(&fixture.paths().temporaries()).is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(fixture.temporaries().await.is_empty());
    assert!(fixture.chunks().is_empty());
    assert_eq!(fixture.server.volumes().all()[0].health().under_way(), 0);
    assert_eq!(fixture.put(&name(1), body).await.status, StatusCode::CREATED);
}

#[tokio::test(start_paused = true)]
async fn a_stalled_body_is_given_up() {
    let fixture = Fixture::new().await;
    let frames = stream::pending::<Result<Frame<Bytes>, Infallible>>();
    let stalled =
        fixture.send(request("PUT", &name(1)).body(StreamBody::new(frames)).unwrap()).await;
    assert_eq!(stalled.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(stalled.text().contains("stalled"));
}

#[tokio::test]
async fn nonsense_is_answered() {
    let fixture = Fixture::new().await;
    let ask = async |method: &str, uri: &str| {
        let request =
            http::Request::builder().method(method).uri(uri).extension(transport::Caller::Daemon);
        fixture.send(request.body(Full::new(Bytes::new())).unwrap()).await
    };
    for (method, uri, status) in [
        ("GET", "/".to_owned(), 400),
        ("PUT", "/v1/volumes/1/chunks/../volume.json".into(), 400),
        ("GET", "/v1/volumes/1/chunks/..%2f..%2fvolume.json".into(), 400),
        ("GET", format!("/v1/volumes/2/chunks/{}", name(1)), 404),
        ("POST", format!("/v1/volumes/1/chunks/{}", name(1)), 405),
        ("COPY", format!("/v1/volumes/1/chunks/{}", name(1)), 400),
    ] {
        let answer = ask(method, &uri).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {uri}");
        let json: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
        assert_eq!(json["kind"], answer.header("x-cairn-kind"));
        assert!(json["message"].as_str().unwrap().len() > 10);
    }
}
