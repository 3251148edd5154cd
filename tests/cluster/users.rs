//! Users: who is let in, how far, and for how long.

use crate::harness::{
    Answer, Cluster, Daemon, Role, Scene, Store, chunk_files, content, eventually, names, numbered,
    request, server_arguments,
};
use client::{ChunkName, Client, Error, UserKey, UserName};
use std::{
    io::{Read, Write},
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};
use transport::{Secret, Verbs};

const PATIENCE: Duration = Duration::from_secs(40);

/// A store of one process that logs all it has to say, and its operator.
fn start(scene: &Scene, options: &[&str]) -> (Daemon, Store) {
    let mut arguments = server_arguments(scene, &scene.path("data"));
    arguments.extend(options.iter().map(|o| (*o).to_owned()));
    let mut server = scene.daemon("server", &arguments);
    let ready = server.ready();
    let store = Store { credentials: ready["credentials"].as_str().unwrap().into() };
    (server, store)
}

impl Store {
    /// A new user of this store, with a generated key, and its use of it.
    #[track_caller]
    fn with_user(&self, scene: &Scene, name: &str, role: &str) -> Store {
        let credentials = scene.path(format!("{}.toml", name.replace(':', "-")));
        let out = credentials.to_str().unwrap();
        self.cli(&["user", "create", name, "--role", role, "--out", out]).ok();
        let mode = std::fs::metadata(&credentials).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        Store { credentials }
    }

    /// The same store for a user whose key is known.
    fn as_user(&self, scene: &Scene, name: &str, key: &str) -> Store {
        let text = std::fs::read_to_string(&self.credentials).unwrap();
        let mut table: toml::Table = toml::from_str(&text).unwrap();
        table.insert("user".into(), name.into());
        table.insert("key".into(), key.into());
        let credentials = scene.file("as-user.toml", toml::to_string(&table).unwrap().as_bytes());
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(&credentials, private).unwrap();
        Store { credentials }
    }

    fn key(&self) -> String {
        let text = std::fs::read_to_string(&self.credentials).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        table["key"].as_str().unwrap().to_owned()
    }

    fn quick(&self) -> Client {
        self.client(Duration::from_secs(10))
    }
}

/// What a refusal says: its code, and its words.
fn said(answer: &Answer) -> (Option<i32>, String) {
    (answer.code, answer.error.clone())
}

#[test]
fn users_are_made_changed_and_deleted_and_their_keys_are_nowhere_in_the_logs() {
    let scene = Scene::new();
    let (mut server, store) = start(&scene, &["--log", "trace"]);
    let list = ["container", "list"];
    let mut keys = vec![store.key()];

    // A generated key is shown once.
    let made = store.cli(&["user", "create", "acme:alice", "--role", "writer", "--json"]).json();
    assert_eq!(
        (made["user"].as_str(), made["account"].as_str()),
        (Some("acme:alice"), Some("acme"))
    );
    let generated = made["key"].as_str().unwrap().to_owned();
    store.as_user(&scene, "acme:alice", &generated).cli(&["container", "create", "c"]).ok();
    let shown = store.cli(&["user", "show", "acme:alice", "--json"]);
    assert!(!String::from_utf8_lossy(&shown.out).contains(&generated));
    assert_eq!(shown.json()["role"], "writer");
    keys.push(generated);

    // Keys of one's own: on the command line, from a file, from standard input.
    let forms: [&[&str]; 2] = [
        &[
            "user",
            "create",
            "--account",
            "acme",
            "--user",
            "bob",
            "--key",
            "bobs own key",
            "--role",
            "reader",
        ],
        &["user", "set", "acme:bob", "--key-file", "KEYFILE"],
    ];
    let file = scene.file("key", b"the key of the file\nand what is behind it\n");
    for (form, key) in forms.iter().zip(["bobs own key", "the key of the file"]) {
        let form: Vec<_> =
            form.iter().map(|w| if *w == "KEYFILE" { file.to_str().unwrap() } else { w }).collect();
        let answer = store.cli(&form).ok();
        assert!(!String::from_utf8_lossy(&answer.out).contains(key), "a given key is not shown");
        store.as_user(&scene, "acme:bob", key).cli(&list).ok();
        keys.push(key.to_owned());
    }
    let mut child = store.spawn(&["user", "set", "acme:bob", "--key-file", "-"]);
    child.stdin.take().unwrap().write_all(b"from standard input").unwrap();
    Answer::finish(child).ok();
    store.as_user(&scene, "acme:bob", "from standard input").cli(&list).ok();
    keys.push("from standard input".to_owned());

    // Who has another key, or is nobody, is told the same.
    let refusals: Vec<_> =
        [("acme:bob", "bobs own key"), ("acme:nobody", "bobs own key"), ("x", "y")]
            .iter()
            .map(|(user, key)| said(&store.as_user(&scene, user, key).cli(&list)))
            .collect();
    assert_eq!(refusals[0].0, Some(4));
    assert!(refusals[0].1.contains("the user or the key is wrong"), "{}", refusals[0].1);
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");

    let users = store.cli(&["user", "list", "--json"]).lines();
    let users: Vec<_> = users.iter().map(|u| u["user"].as_str().unwrap()).collect();
    assert_eq!(users, ["operator", "acme:alice", "acme:bob"]);
    let of_account = store.cli(&["user", "list", "--account", "acme"]).ok();
    assert_eq!(String::from_utf8_lossy(&of_account.out).lines().count(), 3, "and a heading");

    // What is wrong is said.
    let refuse = |line: &str, code, says: &[&str]| {
        store.cli(&line.split_whitespace().collect::<Vec<_>>()).refused(code, says);
    };
    refuse("user create acme:alice --role writer", 6, &["exists already", "user set"]);
    refuse("user create carol --role writer", 2, &["account:carol"]);
    refuse("user create acme:carol --role operator", 2, &["no account", "carol"]);
    refuse("user create acme:a:b --role reader", 2, &["colons"]);
    refuse("user show acme:carol", 5, &["acme:carol"]);
    refuse("user set acme:alice", 2, &["--role"]);
    refuse("user delete acme:carol", 5, &["acme:carol"]);
    refuse("user delete operator", 6, &["last operator"]);
    refuse("user set operator --role reseller", 6, &["last operator"]);
    refuse("user create acme:carol --role reader --ask-key", 2, &["--key-file"]);
    let out = store.credentials.to_str().unwrap().to_owned();
    refuse(&format!("user create acme:carol --role reader --out {out}"), 6, &["credentials"]);
    refuse("user show acme:carol", 5, &["acme:carol"]);
    let unknown = store.cli(&["user", "create", "acme:carol", "--role", "king"]);
    assert_eq!(unknown.code, Some(2), "{}", unknown.error);

    store.cli(&["user", "set", "acme:bob", "--role", "admin"]).ok();
    let bob = store.as_user(&scene, "acme:bob", "from standard input");
    bob.cli(&["account", "set", "acme", "--property", "k=v"]).ok();
    store.cli(&["user", "delete", "acme:bob"]).ok();
    bob.cli(&list).refused(4, &["the user or the key is wrong"]);

    // A second operator may do away with the first. The store does not make it again.
    let root = store.with_user(&scene, "root", "operator");
    keys.push(root.key());
    root.cli(&["user", "delete", "operator"]).ok();
    store.cli(&list).refused(4, &[]);
    assert_eq!(server.stop().code(), Some(0));
    let log = server.log();
    assert!(log.len() > 10_000, "it logs everything");
    for key in &keys {
        assert!(!log.contains(key), "a key is in the log");
        let encoded: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
        assert!(!log.contains(&encoded), "a key is in the log, encoded");
    }
    assert!(!log.contains("panicked"), "{log}");

    let mut server = scene.daemon("server", &server_arguments(&scene, &scene.path("data")));
    server.ready();
    store.cli(&list).refused(4, &[]);
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn an_account_is_a_border_and_behind_it_nothing_is_told_apart() {
    let scene = Scene::new();
    let (mut server, store) = start(&scene, &[]);
    let file = scene.file("file", &content(3, 300_000));
    let f = file.to_str().unwrap();
    for account in ["ours", "theirs"] {
        store.cli(&["object", "put", "c", "o", f, "--account", account]).ok();
    }
    for role in ["writer", "admin", "reader"] {
        let user = store.with_user(&scene, &format!("ours:{role}"), role);
        // Its own account is the one it works in.
        assert_eq!(user.cli(&["object", "get", "c", "o", "-"]).ok().out.len(), 300_000);
        user.cli(&["object", "locate", "c", "o", "--check"]).ok();
        // Of another account it learns nothing: existing and missing are answered alike.
        let asked: [(&[&str], &[&str]); 9] = [
            (&["account", "show", "theirs"], &["account", "show", "nobodys"]),
            (&["container", "list", "-a", "theirs"], &["container", "list", "-a", "nobodys"]),
            (&["container", "show", "c"], &["container", "show", "missing"]),
            (&["container", "create", "c"], &["container", "create", "missing"]),
            (&["container", "delete", "c"], &["container", "delete", "missing"]),
            (&["object", "list", "c"], &["object", "list", "missing"]),
            (&["object", "show", "c", "o"], &["object", "show", "c", "missing"]),
            (&["object", "get", "c", "o", "-"], &["object", "get", "missing", "o", "-"]),
            (&["object", "delete", "c", "o"], &["object", "delete", "missing", "missing"]),
        ];
        for (there, missing) in asked {
            let of_theirs = |words: &[&str]| {
                let mut words = words.to_vec();
                if words[0] != "account" && !words.contains(&"-a") {
                    words.extend(["-a", "theirs"]);
                }
                user.cli(&words)
            };
            let (there, missing) = (of_theirs(there), of_theirs(missing));
            there.refused(4, &["may not do this"]);
            assert_eq!(said(&there), said(&missing));
        }
        let put = user.cli(&["object", "put", "c", "new", f, "-a", "theirs"]);
        put.refused(4, &["may not do this"]);

        // Nobody below an operator administers, and nobody below a reseller sees accounts.
        let cluster: [&[&str]; 10] = [
            &["account", "list"],
            &["account", "create", "another"],
            &["account", "delete", "ours"],
            &["cluster", "status"],
            &["volume", "lock", "1"],
            &["policy", "set", "OURS", "plain/nb_copy=2"],
            &["user", "list"],
            &["user", "show", "ours:writer"],
            &["user", "create", "ours:x", "--role", "admin"],
            &["user", "set", "ours:writer", "--role", "admin"],
        ];
        for words in cluster {
            user.cli(words).refused(4, &["may not do this"]);
        }
        // What each may do at home.
        let done = |words: &[&str], may: bool| match may {
            true => drop(user.cli(words).ok()),
            false => user.cli(words).refused(4, &["may not do this"]),
        };
        done(&["account", "set", "ours", "--property", "k=v"], role == "admin");
        let writes = role != "reader";
        done(&["object", "put", "d", "o", f], writes);
        done(&["object", "set", "c", "o", "--property", "k=v"], writes);
        done(&["container", "create", role], writes);
        done(&["container", "delete", role], writes);
        done(&["object", "list", "c"], true);
    }
    // Who has only what a gateway grants has nothing here, not even at home.
    for role in ["member", "service"] {
        let user = store.with_user(&scene, &format!("ours:{role}"), role);
        let asked: [&[&str]; 6] = [
            &["account", "show", "ours"],
            &["container", "list"],
            &["container", "create", "new"],
            &["object", "list", "c"],
            &["object", "get", "c", "o", "-"],
            &["object", "put", "c", "new", f],
        ];
        for words in asked {
            user.cli(words).refused(4, &["may not do this"]);
        }
    }
    let reseller = store.with_user(&scene, "shop", "reseller");
    reseller.cli(&["account", "create", "another"]).ok();
    assert_eq!(reseller.cli(&["account", "list", "--json"]).lines().len(), 3);
    reseller.cli(&["object", "put", "c", "new", f, "-a", "theirs"]).ok();
    for words in [&["user", "list"][..], &["volume", "lock", "1"], &["cluster", "status"]] {
        reseller.cli(words).refused(4, &["may not do this"]);
    }
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn a_login_lasts_as_long_as_its_token_and_goes_on_while_the_user_exists() {
    let scene = Scene::new();
    let (mut server, store) = start(&scene, &["--token-lifetime", "2s"]);
    let (account, container, _) = names("c", "o");
    let writer = |name: &str| store.with_user(&scene, &format!("default:{name}"), "writer").quick();
    let (stays, goes) = (writer("stays"), writer("goes"));
    scene.run(async { stays.create_container(&account, &container).await }).unwrap();
    scene.run(async { goes.show_container(&account, &container).await }).unwrap();
    store.cli(&["user", "delete", "default:goes"]).ok();
    let deleted = Instant::now();
    let out = eventually("who was deleted is out", PATIENCE, || {
        let shown = scene.run(async { goes.show_container(&account, &container).await });
        shown.err().map(|error| (error, deleted.elapsed()))
    });
    assert!(matches!(out.0, Error::Denied(_)), "{:?}", out.0);
    // Whoever stays is logged in again and again, and does not notice.
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        scene.run(async { stays.show_container(&account, &container).await }).unwrap();
        std::thread::sleep(Duration::from_millis(50));
    }
    // A new key ends the logins by the old one.
    store.cli(&["user", "set", "default:stays", "--new-key"]).ok();
    eventually("the old key is out", PATIENCE, || {
        scene.run(async { stays.show_container(&account, &container).await }).err()
    });
    assert_eq!(server.stop().code(), Some(0));
}

/// What a chunk server answers to a request made by hand.
fn ask(address: &str, method: &str, volume: u32, chunk: &str, shown: Option<&str>) -> String {
    let shown = shown.map(|shown| format!("x-cairn-capability: {shown}\r\n")).unwrap_or_default();
    let head = format!(
        "{method} /v1/volumes/{volume}/chunks/{chunk} HTTP/1.1\r\nhost: {address}\r\n{shown}\
         content-length: 0\r\nconnection: close\r\n\r\n"
    );
    String::from_utf8_lossy(&request(address, head.as_bytes())).into_owned()
}

#[test]
fn a_chunk_server_wants_to_see_a_capability() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 1, &[3]);
    let file = scene.file("file", &content(5, 100_000));
    let alice = cluster.store.with_user(&scene, "acme:alice", "writer");
    let put = ["object", "put", "c", "o", file.to_str().unwrap(), "--policy", "TWOCOPIES"];
    alice.cli(&put).ok();
    let volume = cluster.all_volumes().into_iter().find(|v| !chunk_files(v).is_empty()).unwrap();
    let id = numbered(&volume);
    let name = chunk_files(&volume)[0].file_name().unwrap().to_str().unwrap().to_owned();
    let chunk: ChunkName = name.parse().unwrap();
    let address = cluster.address(Role::Chunk(0)).to_owned();
    let status = |method: &str, shown: Option<String>| {
        let answer = ask(&address, method, id.0, &name, shown.as_deref());
        answer.split(' ').nth(1).unwrap().parse::<u16>().unwrap()
    };
    let of = |secret: Secret, expires| {
        secret.keys().capabilities.mint(&chunk.blob, id, Verbs::GET, expires).to_text()
    };
    let ours = || Secret::read(&scene.path("secret")).unwrap();
    assert_eq!(status("GET", Some(of(ours(), u64::MAX))), 200);
    for method in ["GET", "HEAD", "DELETE", "PUT", "COPY"] {
        assert_eq!(status(method, None), 401, "{method}");
    }
    assert_eq!(status("DELETE", Some(of(ours(), u64::MAX))), 403, "another verb");
    assert_eq!(status("GET", Some(of(ours(), 1_700_000_000))), 403, "expired");
    assert_eq!(status("GET", Some(of(Secret::new([1; 32]), u64::MAX))), 403, "foreign");
    assert_eq!(alice.cli(&["object", "get", "c", "o", "-"]).ok().out.len(), 100_000);
    for role in cluster.roles() {
        assert!(!cluster.daemon(role).log().contains(&alice.key()));
    }
}

#[test]
fn transfers_that_take_longer_than_their_leave_go_on() {
    let scene = Scene::new();
    let (mut server, store) = start(&scene, &["--capability-lifetime", "2s"]);
    let alice = store.with_user(&scene, "acme:alice", "writer");
    store.cli(&["policy", "set", "SMALL", "ec/algo=rs_vand,k=4,m=2", "--chunk-blocks", "4"]).ok();
    let bytes = content(8, 16 << 20);
    let mut child = alice.spawn(&["object", "put", "c", "o", "-", "--policy", "SMALL"]);
    let mut input = child.stdin.take().unwrap();
    for piece in bytes.chunks(2 << 20) {
        input.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(600));
    }
    drop(input);
    Answer::finish(child).ok();
    let mut child = alice.spawn(&["object", "get", "c", "o", "-"]);
    let mut output = child.stdout.take().unwrap();
    let mut got = Vec::new();
    let mut piece = vec![0; 2 << 20];
    while got.len() < bytes.len() {
        let wanted = piece.len().min(bytes.len() - got.len());
        output.read_exact(&mut piece[..wanted]).unwrap();
        got.extend_from_slice(&piece[..wanted]);
        std::thread::sleep(Duration::from_millis(600));
    }
    drop(output);
    assert!(got == bytes);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(server.stop().code(), Some(0));
}

#[test]
fn any_metadata_node_lets_a_user_in_and_a_lost_one_is_no_matter() {
    let scene = Scene::new();
    let mut cluster = Cluster::start(&scene, 3, &[1, 1]);
    let alice = cluster.store.with_user(&scene, "acme:alice", "writer");
    let text = std::fs::read_to_string(&alice.credentials).unwrap();
    let table: toml::Table = toml::from_str(&text).unwrap();
    for number in 0..3 {
        let address = cluster.address(Role::Meta(number)).to_owned();
        let mut one = table.clone();
        one.insert("address".into(), address.into());
        let path = scene.file(&format!("one-{number}"), toml::to_string(&one).unwrap().as_bytes());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let made = format!("by-{number}");
        Store { credentials: path }.cli(&["container", "create", &made]).ok();
    }
    let file = scene.file("file", &content(5, 200_000));
    let put = ["object", "put", "c", "o", file.to_str().unwrap(), "--policy", "TWOCOPIES"];
    alice.cli(&put).ok();
    // A daemon has others proved to it, and users who know their own key may ask as well.
    let daemon = Secret::read(&scene.path("secret")).unwrap().access_key();
    let addresses: Vec<_> = (0..3).map(|n| cluster.address(Role::Meta(n)).to_owned()).collect();
    let daemon = Client::builder().seeds(addresses).access_key(daemon).deadline(PATIENCE);
    let name = |text: &str| text.parse().unwrap();
    let key: UserKey = alice.key().parse().unwrap();
    for client in [daemon.build().unwrap(), alice.client(PATIENCE)] {
        let ask = |user: UserName, key: UserKey| {
            let users = client.users();
            scene.run(async move { users.authenticate(&user, &key).await })
        };
        let user = ask(name("acme:alice"), key.clone()).unwrap();
        assert_eq!((user.name, user.role), (name("acme:alice"), client::Role::Writer));
        let guess: UserKey = "a guess".parse().unwrap();
        for (user, key) in
            [("acme:alice", guess.clone()), ("acme:nobody", guess), ("alice", key.clone())]
        {
            let refusal = ask(name(user), key).unwrap_err();
            assert!(matches!(refusal, Error::Denied(_)), "{refusal:?}");
            assert_eq!(refusal.to_string(), "the user or the key is wrong");
        }
    }
    cluster.kill(Role::Meta(0));
    eventually("the others let her in", PATIENCE, || {
        let got = alice.cli(&["object", "get", "c", "o", "-"]);
        (got.code == Some(0)).then(|| assert_eq!(got.out.len(), 200_000))
    });
    cluster.restart(&[Role::Meta(0)]);
    cluster.store.wait_until_healthy();
}
