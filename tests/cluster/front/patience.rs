//! Clients that let the gateway wait.

use super::{Front, PATIENCE, Wire};
use crate::harness::{Scene, content, eventually};
use std::time::{Duration, Instant};

/// How long clients may let it wait here.
const IDLE: Duration = Duration::from_secs(2);

/// Sooner than this nobody is given up.
const SOONEST: Duration = Duration::from_millis(1500);

fn who_lets_the_gateway_wait_is_given_up_and_leaves_nothing(front: &Front) {
    let large = content(5, 16_000_000);
    front.put("c/large", &large);
    let chunks = front.chunks();
    let started = Instant::now();

    // All at once: each waits for itself.
    let mut silent = Wire::to(&front.address);
    let mut half_head = Wire::to(&front.address);
    half_head.send("GET /v1/AUTH_front/c HTTP/1.1\r\nhost: x\r\nx-a");
    let mut between = Wire::to(&front.address);
    assert_eq!(between.head(front.request("HEAD", "c", "", b"")), 204);
    let mut half_body = Wire::to(&front.address);
    half_body.send(front.head("PUT", "c/half", "content-length: 1000000\r\n"));
    half_body.send(&large[..500_000]);
    let mut half_chunk = Wire::to(&front.address);
    half_chunk.send(front.head("PUT", "c/half", "transfer-encoding: chunked\r\n"));
    half_chunk.send("10000\r\n");
    half_chunk.send(&large[..1000]);
    let mut never_asked = Wire::to(&front.address);
    let expect = "content-length: 1000\r\nexpect: 100-continue\r\n";
    never_asked.send(front.head("PUT", "c/half", expect));
    assert_eq!(never_asked.reply_head().unwrap().0, 100);
    let mut reads_nothing = Wire::to(&front.address);
    reads_nothing.send(front.request("GET", "c/large", "", b""));
    assert_eq!(reads_nothing.reply_head().unwrap().0, 200);
    let mut lists_nothing = Wire::to(&front.address);
    lists_nothing.send(front.head("POST", "?bulk-delete", "content-length: 100\r\n"));

    for wire in [&mut silent, &mut half_head, &mut between] {
        assert_eq!(wire.rest(), b"");
        assert!(started.elapsed() >= SOONEST, "{:?}", started.elapsed());
    }
    for wire in [&mut half_body, &mut half_chunk, &mut never_asked] {
        assert_eq!(wire.reply().status, 408);
        assert_eq!(wire.rest(), b"", "and the connection is closed");
    }
    // Its status has gone before; what is wrong is said in the body.
    let said = lists_nothing.rest();
    assert!(String::from_utf8_lossy(&said).contains("408"), "{}", String::from_utf8_lossy(&said));
    let given_up = ["method=GET path=/v1/AUTH_front/c/large ", "whole=false"];
    eventually("the answer that nobody reads is given up", PATIENCE, || {
        let log = front.server.log();
        let is_it = |line: &&str| given_up.iter().all(|part| line.contains(part));
        log.lines().find(is_it).map(|_| ())
    });
    // What came before is in the buffers of the kernel.
    assert!(reads_nothing.rest().len() < large.len());
    assert!(started.elapsed() < IDLE * 8, "{:?}", started.elapsed());

    assert_eq!(front.look("c/half"), 404);
    eventually("what was written of it is gone", PATIENCE, || {
        (front.chunks() == chunks).then_some(())
    });
    front.still_serves();
}

/// A client that reads slowly is no client that reads nothing: it gets all of it, though it takes
/// several times as long as nothing may take.
fn who_is_slow_is_served_to_the_end(front: &Front) {
    let large = content(6, 12_000_000);
    let started = Instant::now();
    let mut slow = Wire::to(&front.address);
    slow.send(front.head("PUT", "c/large", "transfer-encoding: chunked\r\n"));
    for piece in large.chunks(large.len() / 6 + 1) {
        std::thread::sleep(IDLE / 4);
        slow.send(format!("{:x}\r\n", piece.len()));
        slow.send(piece);
        slow.send("\r\n");
    }
    slow.send("0\r\n\r\n");
    assert_eq!(slow.reply().status, 201);
    assert!(started.elapsed() > IDLE);
    let started = Instant::now();
    slow.send(front.request("GET", "c/large", "", b""));
    assert_eq!(slow.reply_head().unwrap().0, 200);
    let mut got = Vec::new();
    while got.len() < large.len() {
        std::thread::sleep(IDLE / 4);
        got.extend(slow.take((large.len() - got.len()).min(large.len() / 6)));
    }
    assert!(got == large && started.elapsed() > IDLE);
}

#[test]
fn who_stands_still_is_given_up_and_who_is_slow_is_not() {
    let scene = Scene::new();
    let front = Front::start(&scene, &["--idle-timeout", "2s"]);
    who_lets_the_gateway_wait_is_given_up_and_leaves_nothing(&front);
    who_is_slow_is_served_to_the_end(&front);
}
