//! What nobody knows is said to be unknown.

use super::{Front, Wire};
use crate::harness::{Scene, eventually};
use rustix::process::Signal;
use std::time::Duration;

/// The commit is given up, and then the question whether it was done.
const ANSWERED: Duration = Duration::from_secs(90);

/// The metadata stands still from before a write is committed until after everybody's patience.
#[test]
fn a_write_that_may_have_been_done_is_neither_said_to_be_nor_not_to_be() {
    let scene = Scene::new();
    let front = Front::start(&scene, &[]);
    let secret = scene.path("data").join("secret").display().to_string();
    let arguments: [&str; 9] = [
        "gateway",
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
        "--meta",
        &front.admin,
        "--secret",
        &secret,
    ];
    let mut gateway = scene.daemon("gateway", &arguments.map(Into::into));
    let ready = gateway.ready();
    let address = ready["swift"].as_str().unwrap().strip_prefix("http://").unwrap();

    let mut wire = Wire::to(address);
    let headers = "transfer-encoding: chunked\r\nexpect: 100-continue\r\n";
    wire.send(front.head("PUT", "c/o", headers));
    assert_eq!(wire.reply_head().unwrap().0, 100);
    front.server.freeze();
    // Nothing is to be stored but the object itself: only its commit is left.
    wire.send("0\r\n\r\n");
    let reply = eventually("it is answered", ANSWERED, || wire.reply_now());
    let said = String::from_utf8(reply.body).unwrap();
    assert!(reply.status == 503 && said.contains("not known whether"), "{}: {said}", reply.status);
    front.server.signal(Signal::CONT);

    // What was on its way may come to be only now.
    eventually("it is there or it is not", ANSWERED, || {
        let (found, listed) = (front.look("c/o"), front.ask("GET", "c", "", b"").body);
        assert!(found == 200 || found == 404, "{found}");
        (listed == if found == 200 { b"o\n" } else { &b""[..] }).then_some(())
    });
    front.still_serves();
}
