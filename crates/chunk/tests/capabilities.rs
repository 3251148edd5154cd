//! Who has no capability gets nothing, and who has one gets what it says.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use bytes::Bytes;
use http::{StatusCode, request::Builder};
use http_body_util::Full;
use model::{ChunkName, VolumeId};
use support::{Answer, Fixture, capabilities, chunk, name, strangers_request};
use transport::{CAPABILITY, DESTINATION_CAPABILITY, Secret, Verbs};

const METHODS: [&str; 5] = ["PUT", "GET", "HEAD", "DELETE", "COPY"];
const ALL: Verbs = Verbs::PUT.and(Verbs::GET).and(Verbs::COPY).and(Verbs::DELETE);

/// Far enough from now.
const LATER: u64 = u64::MAX;

fn allowed(method: &str, of: &ChunkName, verbs: Verbs, expires: u64) -> Builder {
    let shown = capabilities().mint(&of.blob, VolumeId(1), verbs, expires);
    strangers_request(method, of).header(CAPABILITY, shown.to_text())
}

async fn send(fixture: &Fixture, request: Builder, body: Bytes) -> Answer {
    fixture.send(request.body(Full::new(body)).unwrap()).await
}

#[tokio::test]
async fn a_capability_is_for_its_verb() {
    let fixture = Fixture::new().await;
    let body = chunk(&name(1), name(1).blob, 70_000);
    for (method, verb, status) in [
        ("PUT", Verbs::PUT, StatusCode::CREATED),
        ("GET", Verbs::GET, StatusCode::OK),
        ("HEAD", Verbs::GET, StatusCode::OK),
        ("DELETE", Verbs::DELETE, StatusCode::NO_CONTENT),
    ] {
        for other in [Verbs::PUT, Verbs::GET, Verbs::COPY, Verbs::DELETE] {
            if other != verb {
                let refused = allowed(method, &name(1), other, LATER);
                let refused = send(&fixture, refused, body.clone()).await;
                assert_eq!(refused.status, StatusCode::FORBIDDEN, "{method} with {other:?}");
                assert_eq!(refused.header("x-cairn-kind"), "denied");
            }
        }
        let done = send(&fixture, allowed(method, &name(1), verb, LATER), body.clone()).await;
        assert_eq!(done.status, status, "{method}");
    }
}

#[tokio::test]
async fn a_copy_needs_leave_to_read_and_leave_to_make() {
    let fixture = Fixture::new().await;
    fixture.put(&name(1), chunk(&name(1), name(1).blob, 70_000)).await;
    let copy = |from: Option<Verbs>, to: Option<Verbs>, of: &ChunkName| {
        let mut request = match from {
            Some(verbs) => allowed("COPY", &name(1), verbs, LATER),
            None => strangers_request("COPY", &name(1)),
        };
        if let Some(verbs) = to {
            let shown = capabilities().mint(&of.blob, VolumeId(1), verbs, LATER);
            request = request.header(DESTINATION_CAPABILITY, shown.to_text());
        }
        request.header("destination", name(2).to_string())
    };
    let (read, make) = (Some(Verbs::GET), Some(Verbs::COPY));
    for (request, status) in [
        (copy(read, None, &name(2)), StatusCode::UNAUTHORIZED),
        (copy(None, make, &name(2)), StatusCode::UNAUTHORIZED),
        (copy(make, make, &name(2)), StatusCode::FORBIDDEN),
        (copy(read, read, &name(2)), StatusCode::FORBIDDEN),
        (copy(read, Some(Verbs::PUT), &name(2)), StatusCode::FORBIDDEN),
        (copy(read, make, &name(3)), StatusCode::FORBIDDEN),
        (copy(read, make, &name(2)), StatusCode::CREATED),
    ] {
        assert_eq!(send(&fixture, request, Bytes::new()).await.status, status);
    }
    assert_eq!(fixture.chunks().len(), 2);
}

#[tokio::test]
async fn who_has_none_learns_nothing_of_what_is_there() {
    let fixture = Fixture::new().await;
    let (there, missing) = (name(1), name(2));
    fixture.put(&there, chunk(&there, there.blob, 70_000)).await;
    let foreign = Secret::new([6; 32]).keys().capabilities;
    let (ours, one) = (capabilities(), VolumeId(1));
    let shown = |of: &ChunkName| {
        vec![
            (None, StatusCode::UNAUTHORIZED),
            (Some(foreign.mint(&of.blob, one, ALL, LATER).to_text()), StatusCode::FORBIDDEN),
            (Some(ours.mint(&of.blob, one, ALL, 1).to_text()), StatusCode::FORBIDDEN),
            (Some(ours.mint(&of.blob, VolumeId(2), ALL, LATER).to_text()), StatusCode::FORBIDDEN),
            (Some(ours.mint(&name(3).blob, one, ALL, LATER).to_text()), StatusCode::FORBIDDEN),
            (Some("00".repeat(25)), StatusCode::FORBIDDEN),
            (Some("nonsense".into()), StatusCode::FORBIDDEN),
            (Some(String::new()), StatusCode::FORBIDDEN),
        ]
    };
    for method in METHODS {
        let mut answers = [Vec::new(), Vec::new()];
        for (of, answers) in [&there, &missing].into_iter().zip(&mut answers) {
            for (shown, status) in shown(of) {
                let request =
                    strangers_request(method, of).header("destination", name(9).to_string());
                let request = shown.iter().fold(request, |r, shown| r.header(CAPABILITY, shown));
                let answer = send(&fixture, request, Bytes::new()).await;
                assert_eq!(answer.status, status, "{method}");
                answers.push((answer.status, answer.text()));
            }
        }
        assert_eq!(answers[0], answers[1], "{method} tells what is there");
    }
    // Not even which volumes there are.
    let elsewhere = http::Request::builder().uri(format!("/v1/volumes/7/chunks/{there}"));
    assert_eq!(send(&fixture, elsewhere, Bytes::new()).await.status, StatusCode::UNAUTHORIZED);
    assert_eq!(fixture.chunks().len(), 1);
}
