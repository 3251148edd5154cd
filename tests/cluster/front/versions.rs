//! Versions whose container is not what the gateway takes it for.

use super::Front;
use crate::harness::Scene;

/// Another gateway, or an operator, changed the container behind this gateway's back: an object
/// that is to end by itself must not be taken for a version, which something else would be put over.
#[test]
fn what_is_to_end_where_no_versions_are_kept_any_more_stays_until_then() {
    let scene = Scene::new();
    let front = Front::start(&scene, &[]);
    let ends = "x-delete-after: 1000\r\n";
    assert_eq!(front.ask("PUT", "v", "x-versions-enabled: true\r\n", b"").status, 201);
    front.put("v/before", b"0");
    let set = ["container", "set", "v", "--account", "front", "--versioning", "suspended"];
    front.store.cli(&set).ok();

    assert_eq!(front.ask("PUT", "v/put", ends, b"1").status, 201);
    front.put("v/posted", b"2");
    for object in ["v/before", "v/posted"] {
        assert_eq!(front.ask("POST", object, ends, b"").status, 202);
    }
    let copy = format!("{ends}x-copy-from: v/posted\r\n");
    assert_eq!(front.ask("PUT", "v/copied", &copy, b"").status, 201);
    for (object, content) in [("before", b"0"), ("put", b"1"), ("posted", b"2"), ("copied", b"2")] {
        let reply = front.ask("GET", &format!("v/{object}"), "", b"");
        assert_eq!((reply.status, &reply.body[..]), (200, &content[..]), "{object}");
        assert!(reply.header("x-delete-at").is_some(), "{object}");
    }

    // A link that the store makes has the properties of its source, and is no version all the same.
    let link = ["object", "link", "--account", "front", "v", "put", "c", "linked"];
    front.store.cli(&link).ok();
    assert_eq!(front.ask("POST", "c/linked", ends, b"").status, 202);
    let reply = front.ask("GET", "c/linked", "", b"");
    assert_eq!((reply.status, &reply.body[..]), (200, &b"1"[..]));
}
