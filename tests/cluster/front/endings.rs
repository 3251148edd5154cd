//! Clients and servers that go in the middle of things.

use super::{Front, PATIENCE, Wire};
use crate::harness::{Scene, content, eventually};
use rustix::process::Signal;
use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

fn a_client_that_goes_away_leaves_no_object_and_no_chunk(front: &Front) {
    let bytes = content(1, 3_000_000);
    front.put("c/whole", &bytes);
    let chunks = front.chunks();
    for (headers, begin) in
        [("content-length: 3000000\r\n", ""), ("transfer-encoding: chunked\r\n", "2dc6c0\r\n")]
    {
        // In the middle of a stripe, of a metachunk, and before a byte came; politely, or not.
        for (number, sent) in [2_000_000, 70_000, 1, 0].into_iter().enumerate() {
            let path = format!("c/gone{number}");
            let mut wire = Wire::to(&front.address);
            wire.send(front.head("PUT", &path, headers));
            wire.send(begin);
            wire.send(&bytes[..sent]);
            if sent > 100_000 {
                eventually("chunks are written", PATIENCE, || {
                    (front.chunks() > chunks).then_some(())
                });
            }
            if number % 2 == 0 {
                wire.finish();
                // Swift's status for a client that is gone, should it still listen.
                assert!(wire.reply_or_end().is_none_or(|reply| reply.status == 499));
            }
            drop(wire);
        }
    }
    eventually("what they left is gone", PATIENCE, || (front.chunks() == chunks).then_some(()));
    let listed = front.ask("GET", "c", "", b"");
    assert_eq!(String::from_utf8(listed.body).unwrap(), "whole\n");
    // Nor does one that goes away from an answer leave anything to be waited for.
    let mut wire = Wire::to(&front.address);
    wire.send(front.request("GET", "c/whole", "", b""));
    assert_eq!(wire.take(9), b"HTTP/1.1 ");
    drop(wire);
    front.still_serves();
}

fn what_a_client_asked_for_is_done_without_it(front: &Front) {
    let bytes = content(3, 20_000_000);
    front.put("c/from", &bytes);
    let mut wire = Wire::to(&front.address);
    // Part of an object is copied byte by byte, not as a link.
    let headers = "x-copy-from: c/from\r\nrange: bytes=1-\r\n";
    wire.send(front.request("PUT", "c/copy", headers, b""));
    drop(wire);
    eventually("it is copied", PATIENCE, || (front.look("c/copy") == 200).then_some(()));
    assert!(front.ask("GET", "c/copy", "", b"").body == bytes[1..]);
}

fn what_is_under_way_is_finished_when_the_server_is_told_to_end(
    scene: &Scene,
    mut front: Front,
) -> Front {
    let bytes = content(2, 20_000_000);
    front.put("c/large", &bytes);
    let mut idle = Wire::to(&front.address);
    assert_eq!(idle.head(front.request("HEAD", "c", "", b"")), 204);
    let mut up = Wire::to(&front.address);
    up.send(front.head("PUT", "c/up", &format!("content-length: {}\r\n", bytes.len())));
    up.send(&bytes[..5_000_000]);
    let mut down = Wire::to(&front.address);
    down.send(front.request("GET", "c/large", "", b""));
    assert_eq!(down.reply_head().unwrap().0, 200);
    let mut got = down.take(1_000_000);

    front.server.signal(Signal::TERM);
    eventually("nobody new is let in", PATIENCE, || Wire::try_to(&front.address).err());
    assert_eq!(idle.rest(), b"", "who asks nothing is sent away");
    assert!(front.server.runs());
    up.send(&bytes[5_000_000..]);
    assert_eq!(up.reply().status, 201);
    assert_eq!(up.rest(), b"");
    got.extend(down.take(bytes.len() - got.len()));
    assert!(got == bytes);
    assert_eq!(down.rest(), b"");
    assert_eq!(front.server.ended().code, Some(0));

    let front = Front::again(scene, &[]);
    assert!(front.ask("GET", "c/up", "", b"").body == bytes);
    front
}

fn what_was_acknowledged_outlives_a_crash_and_what_was_not_is_whole_or_absent(
    scene: &Scene,
    mut front: Front,
) {
    const WRITERS: usize = 6;
    let body = |writer: usize, number: usize| {
        content((writer * 1000 + number) as u64, [3_000, 100_000, 2_000_000][number % 3])
    };
    let mut half: Vec<_> = (0..8)
        .map(|number| {
            let mut wire = Wire::to(&front.address);
            wire.send(front.head("PUT", &format!("c/half{number}"), "content-length: 900000\r\n"));
            wire.send(content(number, 800_000));
            wire
        })
        .collect();
    let before = String::from_utf8(front.ask("GET", "c", "", b"").body).unwrap();
    let acknowledged = Mutex::new(Vec::new());
    let begun: Vec<_> = (0..WRITERS).map(|_| AtomicUsize::new(0)).collect();
    let write = |front: &Front, writer: usize| {
        let mut wire = Wire::to(&front.address);
        for number in 0.. {
            begun[writer].store(number, Ordering::SeqCst);
            let path = format!("c/w{writer}-{number}");
            if wire.try_send(front.request("PUT", &path, "", &body(writer, number))).is_err() {
                return;
            }
            match wire.reply_or_end() {
                Some(reply) if reply.status == 201 => {
                    acknowledged.lock().unwrap().push((writer, number));
                }
                Some(reply) => assert!(reply.status == 499 || reply.status >= 503, "{reply:?}"),
                None => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (front, write) = (&front, &write);
            scope.spawn(move || write(front, writer));
        }
        eventually("many are acknowledged", PATIENCE, || {
            (acknowledged.lock().unwrap().len() >= WRITERS * 4).then_some(())
        });
        front.server.signal(Signal::KILL);
    });
    for wire in &mut half {
        assert!(wire.reply_or_end().is_none());
    }
    front.server.ended();

    let front = Front::again(scene, &[]);
    let acknowledged = acknowledged.into_inner().unwrap();
    for &(writer, number) in &acknowledged {
        let got = front.ask("GET", &format!("c/w{writer}-{number}"), "", b"");
        assert_eq!(got.status, 200, "{writer}-{number}");
        assert!(got.body == body(writer, number), "{writer}-{number}");
    }
    let listed = String::from_utf8(front.ask("GET", "c", "", b"").body).unwrap();
    let mut found = 0;
    for name in listed.lines() {
        let Some((writer, number)) = name.strip_prefix('w').and_then(|n| n.split_once('-')) else {
            assert!(before.lines().any(|known| known == name), "{name}");
            continue;
        };
        let (writer, number) = (writer.parse::<usize>().unwrap(), number.parse().unwrap());
        let last = begun[writer].load(Ordering::SeqCst);
        assert!(acknowledged.contains(&(writer, number)) || number == last, "{name}");
        assert!(front.ask("GET", &format!("c/{name}"), "", b"").body == body(writer, number));
        found += 1;
    }
    assert!((acknowledged.len()..=acknowledged.len() + WRITERS).contains(&found));
    let begun = |volume: &std::path::PathBuf| volume.join("tmp").read_dir().unwrap().count();
    assert_eq!(front.volumes.iter().map(begun).sum::<usize>(), 0);
    front.still_serves();
}

#[test]
fn who_goes_in_the_middle_leaves_nothing_and_takes_nothing_along() {
    let scene = Scene::new();
    let front = Front::start(&scene, &[]);
    a_client_that_goes_away_leaves_no_object_and_no_chunk(&front);
    what_a_client_asked_for_is_done_without_it(&front);
    let front = what_is_under_way_is_finished_when_the_server_is_told_to_end(&scene, front);
    what_was_acknowledged_outlives_a_crash_and_what_was_not_is_whole_or_absent(&scene, front);
}
