//! Flags of the gateway: how fast may be written, where public containers are, what is counted.

use super::{Front, PATIENCE, Wire};
use crate::harness::{Scene, eventually, free_addresses, get};
use std::time::{Duration, Instant};

/// Four objects and one container a second.
fn who_writes_too_fast_waits_and_who_writes_much_too_fast_is_told(front: &Front) {
    const AT_ONCE: usize = 100;
    const TOLD: usize = 25;
    let started = Instant::now();
    for number in 0..9 {
        front.put(&format!("c/{number}"), b"");
    }
    assert!(started.elapsed() >= Duration::from_secs(2), "{:?}", started.elapsed());
    // What is read is not counted, nor is what goes elsewhere.
    let started = Instant::now();
    for _ in 0..20 {
        assert_eq!(front.look("c/1"), 200);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());

    let mut waiting: Vec<_> = (0..AT_ONCE)
        .map(|number| {
            let mut wire = Wire::to(&front.address);
            wire.send(front.request("PUT", &format!("many{number}"), "", b""));
            wire
        })
        .collect();
    // One a second, and nobody waits longer than a minute: for whom that would not do is told.
    let mut told = 0;
    eventually("those who would wait too long are told", PATIENCE, || {
        for reply in waiting.iter_mut().filter_map(Wire::reply_now) {
            if reply.status != 201 {
                assert_eq!((reply.status, &*reply.body), (498, &b"Slow down"[..]));
                told += 1;
            }
        }
        (told >= TOLD).then_some(())
    });
    assert!(told < AT_ONCE - TOLD, "most wait");
}

#[test]
fn flags_say_where_public_containers_are_and_how_fast_may_be_written() {
    let scene = Scene::new();
    let listen = free_addresses(1).remove(0);
    let front = Front::start(&scene, &["--cdn-listen", &listen]);
    requests_are_logged_and_counted(&front);
    front.put("c/page", b"for all");
    let login = |front: &Front| {
        let mut wire = Wire::to(&front.address);
        let address = &front.address;
        wire.send(format!(
            "GET /auth/v1.0 HTTP/1.1\r\nhost: {address}\r\nx-auth-user: front:tester\r\n\
             x-auth-key: testing\r\n\r\n"
        ));
        wire.reply().header("x-cdn-management-url").map(str::to_owned)
    };
    assert_eq!(login(&front), Some(format!("http://{listen}/v1/AUTH_front")));
    let mut wire = Wire::to(&listen);
    // The listener for Swift shows nobody a container that is public there alone.
    let open = format!("GET /cdn/AUTH_front/c/page HTTP/1.1\r\nhost: {listen}\r\n\r\n");
    wire.send(&open);
    assert_eq!(wire.reply().status, 404);
    wire.send(format!(
        "PUT /v1/AUTH_front/c HTTP/1.1\r\nhost: {listen}\r\nx-auth-token: {}\r\n\
         x-cdn-enabled: True\r\ncontent-length: 0\r\n\r\n",
        front.token
    ));
    let reply = wire.reply();
    assert_eq!(reply.status, 201);
    assert_eq!(reply.header("x-cdn-uri"), Some(&*format!("http://{listen}/cdn/AUTH_front/c")));
    wire.send(&open);
    let reply = wire.reply();
    assert_eq!((reply.status, &*reply.body), (200, &b"for all"[..]));
    let mut elsewhere = Wire::to(&front.address);
    elsewhere.send(&open);
    assert_eq!(elsewhere.reply().status, 404);

    let mut front = front;
    assert_eq!(front.server.stop().code(), Some(0));
    let rates = ["--object-rate", "4", "--container-rate", "1"];
    let mut front = Front::again(&scene, &[&["--cdn-listen", "none"], &rates[..]].concat());
    assert_eq!(login(&front), None);
    assert!(Wire::try_to(&listen).is_err());
    who_writes_too_fast_waits_and_who_writes_much_too_fast_is_told(&front);
    assert_eq!(front.server.stop().code(), Some(0));
    let front = Front::again(&scene, &["--cdn-url", "https://public.example/"]);
    assert_eq!(login(&front).as_deref(), Some("https://public.example/v1/AUTH_front"));
}

/// What happens to requests is in the log and in the metrics.
fn requests_are_logged_and_counted(front: &Front) {
    let reply = front.ask("PUT", "c/counted", "x-trans-id-extra: mine\r\n", b"bytes");
    let transaction = reply.header("x-trans-id").unwrap();
    assert!(transaction.ends_with("-mine"), "{transaction}");
    assert_eq!(front.ask("GET", "c/counted", "", b"").body, b"bytes");
    let log = front.server.log();
    let line = log.lines().find(|line| line.contains(transaction)).unwrap();
    for part in [
        "method=PUT",
        "path=/v1/AUTH_front/c/counted",
        "status=201",
        "remote=127.0.0.1",
        "whole=true",
    ] {
        assert!(line.contains(part), "{part} is not in {line}");
    }
    assert!(!log.contains(&front.token), "no token is logged");
    let (status, metrics) = get(&front.admin, "/metrics");
    assert_eq!(status, 200);
    for (method, status) in [("PUT", 201), ("GET", 200)] {
        let begin = "cairn_gateway_requests_total{";
        let line = metrics.lines().find(|line| {
            line.starts_with(begin)
                && line.contains(&format!("method=\"{method}\""))
                && line.contains(&format!("status=\"{status}\""))
        });
        assert!(line.is_some(), "{method} {status} is not in {metrics}");
    }
}
