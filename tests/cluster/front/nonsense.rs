//! What is wrong gets a status that says so, and soon; it never hangs, breaks the server, or
//! leaves anything.

use super::{Front, Wire};
use crate::harness::{Scene, content};
use std::time::{Duration, Instant};

/// How long the answer to what is wrong may take.
const SOON: Duration = Duration::from_secs(15);

/// Bytes of a head that never ends: more than fit into the buffers between client and server.
const HEAD_BYTES: usize = 32_000_000;

/// Sends bytes; the statuses of the answers, of which at least so many come.
fn statuses(front: &Front, bytes: &[u8], least: usize) -> Vec<u16> {
    let started = Instant::now();
    let mut wire = Wire::to(&front.address);
    wire.send(bytes);
    let mut statuses = Vec::new();
    loop {
        // Who has said all that it wants is not waited for.
        if statuses.len() == least {
            wire.finish();
        }
        let Some(reply) = wire.reply_or_end() else { break };
        assert!(reply.body.len() < 10_000);
        statuses.push(reply.status);
    }
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
    statuses
}

/// What is no HTTP at all, and what is HTTP that means two things.
fn requests_that_are_none_are_refused(front: &Front) {
    let chunks = front.chunks();
    let (token, long) = (&front.token, "x".repeat(300_000));
    let put = |headers: &str, body: &str| {
        let head =
            format!("PUT /v1/AUTH_front/c/bad HTTP/1.1\r\nhost: x\r\nx-auth-token: {token}\r\n");
        format!("{head}{headers}\r\n{body}").into_bytes()
    };
    let get = |line: &str, headers: &str| {
        format!("{line}\r\nhost: x\r\nx-auth-token: {token}\r\n{headers}\r\n").into_bytes()
    };
    let healthy = "GET /healthcheck HTTP/1.1";
    let many: String = (0..300).map(|n| format!("x-{n}: v\r\n")).collect();
    let table: Vec<(&str, Vec<u8>, &[u16])> = vec![
        ("nothing", b"".to_vec(), &[]),
        ("empty lines", b"\r\n\r\n\r\n".to_vec(), &[]),
        ("words", b"what do you want\r\n\r\n".to_vec(), &[400]),
        ("bytes", content(1, 1000), &[400]),
        ("NULs", vec![0; 1000], &[400]),
        ("no version", get("GET /healthcheck", ""), &[400]),
        ("a version of the future", get("GET /healthcheck HTTP/9.9", ""), &[400]),
        ("another protocol", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), &[]),
        ("a method of nonsense", get("G(T /healthcheck HTTP/1.1", ""), &[400]),
        ("a method that is none of ours", get("BREW /v1/AUTH_front/c HTTP/1.1", ""), &[405]),
        ("a space in a path", get("GET /v1/AUTH_front/c/a b HTTP/1.1", ""), &[400]),
        ("a NUL in a path", get("GET /v1/AUTH_front/c/a\0b HTTP/1.1", ""), &[400]),
        ("a long path", get(&format!("GET /{long} HTTP/1.1"), ""), &[414]),
        ("many headers", get(healthy, &many), &[431]),
        ("a header without a name", get(healthy, ": x\r\n"), &[400]),
        ("a name with a space", get(healthy, "x y: z\r\n"), &[400]),
        ("a space before a colon", get(healthy, "x : z\r\n"), &[400]),
        ("a NUL in a header", get(healthy, "x: a\0b\r\n"), &[400]),
        ("a folded header", get(healthy, "x: a\r\n b\r\n"), &[400]),
        ("the star", get("OPTIONS * HTTP/1.1", ""), &[404]),
        ("a tunnel", get("CONNECT x:80 HTTP/1.1", ""), &[404]),
        ("a whole URL", get("GET http://x/healthcheck HTTP/1.1", ""), &[200]),
        ("an old version", b"GET /healthcheck HTTP/1.0\r\n\r\n".to_vec(), &[200]),
        ("two at once", [get(healthy, ""), get(healthy, "")].concat(), &[200, 200]),
        (
            "one behind nonsense",
            [get(healthy, ""), b"nonsense\r\n\r\n".to_vec(), get(healthy, "")].concat(),
            &[200, 400],
        ),
        // How much there is.
        ("a length of nothing", put("content-length: \r\n", "abc"), &[400]),
        ("a negative length", put("content-length: -1\r\n", "abc"), &[400]),
        ("a length with a sign", put("content-length: +3\r\n", "abc"), &[400]),
        ("a length of words", put("content-length: three\r\n", "abc"), &[400]),
        ("a length in hex", put("content-length: 0x3\r\n", "abc"), &[400]),
        ("two lengths", put("content-length: 3\r\ncontent-length: 4\r\n", "abcd"), &[400]),
        ("two lengths in one", put("content-length: 3, 4\r\n", "abcd"), &[400]),
        ("a length beyond numbers", put("content-length: 18446744073709551616\r\n", "abc"), &[400]),
        ("a length beyond bounds", put("content-length: 18446744073709551615\r\n", "a"), &[431]),
        ("more than an object", put("content-length: 5368709123\r\n", "abc"), &[413]),
        ("no length", put("", ""), &[411]),
        ("another coding", put("transfer-encoding: gzip\r\n", "abc"), &[400]),
        ("an unknown coding", put("transfer-encoding: what\r\n", "abc"), &[400]),
        ("chunked, not last", put("transfer-encoding: chunked, gzip\r\n", "0\r\n\r\n"), &[400]),
        ("no size of a chunk", put("transfer-encoding: chunked\r\n", "zz\r\nabc\r\n"), &[499]),
        (
            "a negative chunk",
            put("transfer-encoding: chunked\r\n", "-3\r\nabc\r\n0\r\n\r\n"),
            &[499],
        ),
        (
            "a chunk beyond numbers",
            put("transfer-encoding: chunked\r\n", "fffffffffffffffff\r\nabc\r\n"),
            &[499],
        ),
        (
            "a chunk that is longer than it says",
            put("transfer-encoding: chunked\r\n", "3\r\nabcdef\r\n0\r\n\r\n"),
            &[499],
        ),
    ];
    for (what, bytes, expected) in table {
        assert_eq!(statuses(front, &bytes, expected.len()), expected, "{what}");
    }
    // Clients that end in the middle of something, and take the answer.
    for (what, bytes, expected) in [
        ("a body too short", put("content-length: 10\r\n", "abc"), 499),
        ("half a chunk", put("transfer-encoding: chunked\r\n", "a\r\nabc"), 499),
        ("no last chunk", put("transfer-encoding: chunked\r\n", "3\r\nabc\r\n"), 499),
    ] {
        assert_eq!(statuses(front, &bytes, 0), [expected], "{what}");
    }
    assert_eq!(front.look("c/bad"), 404);
    crate::harness::eventually("what was written of it is gone", super::PATIENCE, || {
        (front.chunks() == chunks).then_some(())
    });

    // A head that never ends is not read for ever.
    let mut wire = Wire::to(&front.address);
    wire.send("GET /healthcheck HTTP/1.1\r\n");
    let line = format!("x-more: {}\r\n", "x".repeat(8000));
    let mut sent = 0;
    while sent < HEAD_BYTES && wire.try_send(&line).is_ok() {
        sent += line.len();
    }
    assert!(sent < HEAD_BYTES, "{sent} bytes of a head were taken");
    front.still_serves();
}

/// Where a request says in two ways how long it is, what is behind it must not be what the client
/// put there for somebody else.
fn no_request_is_hidden_in_another(front: &Front) {
    front.put("c/kept", b"kept");
    let hidden = String::from_utf8(front.request("DELETE", "c/kept", "", b"")).unwrap();
    let length = hidden.len() + 5;
    for headers in [
        format!("content-length: {length}\r\ntransfer-encoding: chunked\r\n"),
        format!("transfer-encoding: chunked\r\ncontent-length: {length}\r\n"),
        format!("content-length: {length}\r\ntransfer-encoding: xchunked\r\n"),
        format!("content-length: {length}\r\ntransfer-encoding : chunked\r\n"),
        format!("content-length: 0\r\ncontent-length: {length}\r\n"),
    ] {
        let mut bytes = front.head("PUT", "c/outer", &headers);
        bytes.extend(format!("0\r\n\r\n{hidden}").bytes());
        let got = statuses(front, &bytes, 1);
        assert!(got.len() == 1 && [201, 400].contains(&got[0]), "{headers}: {got:?}");
        assert_eq!(front.ask("GET", "c/kept", "", b"").body, b"kept", "{headers}");
    }
    // An answer given before the body came leaves nothing of the body to be taken for a request.
    let mut bytes = front.head("PUT", "nowhere/o", &format!("content-length: {length}\r\n"));
    bytes.extend(format!("12345{hidden}").bytes());
    assert_eq!(statuses(front, &bytes, 1), [404]);
    assert_eq!(front.ask("GET", "c/kept", "", b"").body, b"kept");
    front.still_serves();
}

/// Requests of HTTP that Swift does not take.
fn what_swift_does_not_take_is_refused_as_swift_refuses_it(front: &Front) {
    front.put("c/o", b"0123456789");
    let long = |n: usize| "x".repeat(n);
    let table = [
        // Names.
        ("GET", "c/%00".to_owned(), String::new(), 412),
        ("GET", "c%00".to_owned(), String::new(), 412),
        ("GET", "c/%ff%fe".to_owned(), String::new(), 412),
        ("PUT", "c/%ff".to_owned(), String::new(), 412),
        ("PUT", "%c0%af".to_owned(), String::new(), 412),
        ("PUT", format!("c/{}", long(1025)), String::new(), 400),
        ("PUT", format!("c/{}", "%41".repeat(1025)), String::new(), 400),
        ("PUT", format!("c/{}", "%41".repeat(1024)), String::new(), 201),
        ("PUT", long(257), String::new(), 400),
        ("PUT", "a%2fb".to_owned(), String::new(), 404),
        ("GET", "c/%".to_owned(), String::new(), 404),
        ("GET", "c/%4".to_owned(), String::new(), 404),
        ("GET", "c?prefix=%ff".to_owned(), String::new(), 412),
        ("GET", "c?limit=10001".to_owned(), String::new(), 412),
        ("GET", "c?limit=99999999999999999999".to_owned(), String::new(), 412),
        ("GET", "c?limit=-1".to_owned(), String::new(), 200),
        ("GET", format!("c?{}", "a=b&".repeat(10_000)), String::new(), 200),
        ("GET", "c".to_owned(), "accept: image/png\r\n".to_owned(), 406),
        ("GET", "c".to_owned(), "accept: nonsense\r\n".to_owned(), 400),
        // Ranges and dates.
        ("GET", "c/o".to_owned(), "range: bytes=abc\r\n".to_owned(), 200),
        ("GET", "c/o".to_owned(), "range: bytes=5-4\r\n".to_owned(), 200),
        ("GET", "c/o".to_owned(), "range: lines=1-2\r\n".to_owned(), 200),
        ("GET", "c/o".to_owned(), "range: bytes=10-\r\n".to_owned(), 416),
        ("GET", "c/o".to_owned(), "range: bytes=-0\r\n".to_owned(), 416),
        ("GET", "c/o".to_owned(), format!("range: bytes={}\r\n", "0-1,".repeat(900) + "0-1"), 416),
        ("GET", "c/o".to_owned(), "range: bytes=99999999999999999999-\r\n".to_owned(), 416),
        ("GET", "c/o".to_owned(), "if-modified-since: yesterday\r\n".to_owned(), 200),
        ("GET", "c/o".to_owned(), "if-unmodified-since: 99:99\r\n".to_owned(), 200),
        (
            "GET",
            "c/o".to_owned(),
            "if-unmodified-since: Mon, 01 Jan 1900 00:00:00 GMT\r\n".to_owned(),
            412,
        ),
        (
            "GET",
            "c/o".to_owned(),
            "if-modified-since: Fri, 31 Dec 9999 23:59:59 GMT\r\n".to_owned(),
            304,
        ),
        ("PUT", "c/d".to_owned(), "x-delete-at: soon\r\n".to_owned(), 400),
        ("PUT", "c/d".to_owned(), "x-delete-at: 1\r\n".to_owned(), 400),
        ("PUT", "c/d".to_owned(), "x-delete-at: 99999999999999999999\r\n".to_owned(), 201),
        ("PUT", "c/d".to_owned(), "x-delete-after: -1\r\n".to_owned(), 400),
        ("PUT", "c/d".to_owned(), "x-delete-after: 18446744073709551615\r\n".to_owned(), 201),
        // What is said of an object.
        ("PUT", "c/e".to_owned(), "etag: nonsense\r\n".to_owned(), 422),
        ("PUT", "c/e".to_owned(), "etag: 00000000000000000000000000000000\r\n".to_owned(), 422),
        ("PUT", "c/e".to_owned(), "if-none-match: abc\r\n".to_owned(), 400),
        ("PUT", "c/o".to_owned(), "if-none-match: *\r\n".to_owned(), 412),
        ("PUT", "c/e".to_owned(), "x-copy-from: nowhere\r\n".to_owned(), 412),
        ("PUT", "c/e".to_owned(), "x-copy-from: /c/%ff\r\n".to_owned(), 412),
        ("COPY", "c/o".to_owned(), String::new(), 412),
        ("COPY", "c/o".to_owned(), "destination: nowhere\r\n".to_owned(), 412),
        ("PUT", "c/e".to_owned(), format!("x-object-meta-a: {}\r\n", long(257)), 400),
        ("PUT", "c/e".to_owned(), format!("x-object-meta-{}: v\r\n", long(129)), 400),
        ("PUT", "c/e".to_owned(), format!("x-whatever: {}\r\n", long(8193)), 400),
        ("PUT", "c/e".to_owned(), "x-object-manifest: nowhere\r\n".to_owned(), 400),
        ("PUT", "c/e".to_owned(), "x-symlink-target: nowhere\r\n".to_owned(), 412),
        ("PUT", "c/e?multipart-manifest=put".to_owned(), String::new(), 400),
        ("POST", "c".to_owned(), "x-container-read: .r:-,\r\n".to_owned(), 400),
        ("PUT", "c/e?extract-archive=zip".to_owned(), String::new(), 400),
        // Who asks, and for what.
        ("PUT", "nowhere/o".to_owned(), String::new(), 404),
        ("GET", "nowhere".to_owned(), String::new(), 404),
        ("GET", "../../etc/passwd".to_owned(), String::new(), 404),
        ("BREW", "c/o".to_owned(), String::new(), 405),
    ];
    // One connection for all: no refusal breaks what comes behind it.
    let mut wire = Wire::to(&front.address);
    for (method, path, headers, status) in table {
        wire.send(front.request(method, &path, &headers, b""));
        let reply = wire.reply();
        let shown: String = format!("{method} {path} {headers}").chars().take(100).collect();
        let said = String::from_utf8_lossy(&reply.body);
        assert_eq!(reply.status, status, "{shown}: {said}");
        assert!(reply.header("x-trans-id").is_some(), "{shown}");
        if reply.header("connection") == Some("close") {
            wire = Wire::to(&front.address);
        }
    }
    // Bytes that are no text.
    for (path, status) in [
        (&b"c/\xff\xfe"[..], 400),
        (b"c/\xc3\xa9", 404),
        (b"c?prefix=\xff", 400),
        (b"c?prefix=\xc3\xa9", 204),
    ] {
        let mut bytes = b"GET /v1/AUTH_front/".to_vec();
        bytes.extend_from_slice(path);
        let head = format!(" HTTP/1.1\r\nhost: x\r\nx-auth-token: {}\r\n\r\n", front.token);
        bytes.extend(head.bytes());
        assert_eq!(statuses(front, &bytes, 1), [status], "{}", String::from_utf8_lossy(path));
    }
    for (method, name, status) in [
        ("PUT", "x-object-meta-odd", 201),
        ("PUT", "content-type", 400),
        ("PUT", "content-encoding", 400),
        ("PUT", "x-copy-from", 400),
        ("PUT", "x-delete-at", 400),
        ("PUT", "etag", 422),
        ("PUT", "if-none-match", 400),
        ("PUT", "transfer-encoding", 400),
        ("GET", "range", 200),
        ("GET", "if-match", 412),
        ("GET", "if-range", 200),
        ("GET", "host", 200),
        ("GET", "origin", 200),
        ("GET", "x-service-token", 200),
        ("COPY", "destination", 400),
    ] {
        let mut bytes = front.head(method, "c/odd", "content-length: 0\r\n");
        bytes.truncate(bytes.len() - 2);
        bytes.extend(name.bytes().chain(*b": \xff\xfe\r\n\r\n"));
        assert_eq!(statuses(front, &bytes, 1), [status], "{name}");
    }
    front.still_serves();
}

#[test]
fn what_is_wrong_is_refused() {
    let scene = Scene::new();
    let front = Front::start(&scene, &[]);
    requests_that_are_none_are_refused(&front);
    no_request_is_hidden_in_another(&front);
    what_swift_does_not_take_is_refused_as_swift_refuses_it(&front);
}
