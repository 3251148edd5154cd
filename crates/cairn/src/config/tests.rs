use super::*;
use crate::arguments::{Cli, Command};
use clap::Parser;
use std::{path::Path, time::Duration};

const EXAMPLE: &str = include_str!("../../../../deploy/cairn.toml");

fn file(text: &str) -> anyhow::Result<File> {
    File::parse(text, Path::new("cairn.toml"))
}

fn server(line: &str, text: &str) -> anyhow::Result<Server> {
    let Command::Server(args) = Cli::parse_from(line.split_whitespace()).command else { panic!() };
    Server::new(args, file(text)?)
}

#[test]
fn flags_go_over_the_file_and_the_file_over_defaults() {
    let default = server("cairn server", "").unwrap();
    assert_eq!((default.data.to_str(), default.volumes.len()), (Some("cairn-data"), 6));
    assert_eq!(default.address.listen, "127.0.0.1:7800");

    let text = "[server]\ndata = '/srv'\nlisten = '[::1]:1'\nvolumes = ['/v1', { path = '/v2' }]\n\
                [metadata]\npartitions = 4\ndelete_grace = '1m'\nreserve = 1024";
    let from_file = server("cairn server", text).unwrap();
    assert_eq!((from_file.data.to_str(), from_file.volumes.len()), (Some("/srv"), 2));
    assert_eq!(from_file.address.listen, "[::1]:1");

    let line = "cairn server --data /flag --volume /v3 --partitions 2";
    let flags = server(line, text).unwrap();
    assert_eq!((flags.data.to_str(), flags.volumes.len()), (Some("/flag"), 1));
    assert_eq!(flags.address.listen, "[::1]:1", "what no flag says, the file does");
    let meta = flags.metadata.config("/m".into(), "a:1".into(), vec!["a:1".into()]);
    assert_eq!((meta.partitions, meta.reserve_bytes), (2, 1024));
    assert_eq!(meta.delete_grace, Duration::from_secs(60));
    assert_eq!(meta.volume_silence, Duration::from_secs(5));
}

/// The environment is `clap`'s, between flags and what it finds nowhere; that every setting has
/// a variable is ours.
#[test]
fn every_setting_of_a_daemon_has_a_variable() {
    use clap::CommandFactory;
    let cli = Cli::command();
    for name in ["server", "meta", "chunk"] {
        let command = cli.find_subcommand(name).unwrap();
        for flag in command.get_arguments().filter(|a| a.get_long() != Some("json")) {
            let variable = flag.get_env().and_then(|v| v.to_str()).unwrap_or_default();
            assert!(variable.starts_with("CAIRN_"), "{name} --{}", flag.get_long().unwrap());
        }
    }
}

#[test]
fn unknown_keys_are_named() {
    for (text, key) in [
        ("[server]\nlisten = 'a:1'\nlistne = 'b:1'", "listne"),
        ("[sever]\n", "sever"),
        ("[[policy]]\nname = 'X'\nmethod = 'plain/nb_copy=2'\ncopies = 2", "copies"),
        ("[metadata]\ndelete_grace = '15 parsecs'", "parsecs"),
        ("[chunk]\nvolumes = [{ paht = '/v' }]", "volumes"),
    ] {
        let error = file(text).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains("cairn.toml"), "{error}");
    }
}

#[test]
fn the_default_policy_fits_the_volumes_unless_the_operator_says() {
    for (line, policy) in [
        ("cairn server", "EC42"),
        ("cairn server --volume /a", "SINGLE"),
        ("cairn server --volume /a,/b", "TWOCOPIES"),
        ("cairn server --volume /a,/b,/c", "THREECOPIES"),
        ("cairn server --volume /a --default-policy EC63", "EC63"),
    ] {
        let metadata = server(line, "").unwrap().metadata;
        let config = metadata.config("/m".into(), "a:1".into(), vec!["a:1".into()]);
        assert_eq!(config.default_policy.as_str(), policy);
    }
    for line in [
        "cairn server --default-policy NONE",
        "cairn server --partitions 0",
        "cairn server --token-lifetime 10ms",
    ] {
        assert!(server(line, "").is_err(), "{line}");
    }
}

#[test]
fn policies_of_the_file_are_checked() {
    let own = "[[policy]]\nname = 'WIDE'\nmethod = 'ec/algo=rs_vand,k=20,m=4'\n\
               small = { bytes = '128KiB', policy = 'THREECOPIES' }\n";
    let text = format!("{own}[metadata]\ndefault_policy = 'WIDE'");
    assert_eq!(server("cairn server", &text).unwrap().metadata.policies.len(), 1);
    for bad in [
        format!("{own}{own}"),
        own.replace("THREECOPIES", "FOURCOPIES"),
        own.replace("k=20", "k=30"),
        own.replace("small", "chunk_blocks = 5000\nsmall"),
    ] {
        assert!(server("cairn server", &bad).is_err(), "{bad}");
    }
}

#[test]
fn the_documented_example_is_a_configuration() {
    file(EXAMPLE).unwrap();
    // With every remark that is a setting switched on, it still is one.
    let all: String = EXAMPLE
        .lines()
        .map(|line| format!("{}\n", line.strip_prefix("#: ").unwrap_or(line)))
        .collect();
    let all = file(&all).unwrap();
    assert!(all.policies().is_ok());
    let given = [
        all.server.data.is_some(),
        all.server.listen.is_some(),
        all.server.advertise.is_some(),
        !all.server.volumes.is_empty(),
        all.meta.data.is_some(),
        all.meta.listen.is_some(),
        all.meta.advertise.is_some(),
        !all.meta.peers.is_empty(),
        all.meta.secret.is_some(),
        all.chunk.data.is_some(),
        all.chunk.listen.is_some(),
        all.chunk.advertise.is_some(),
        !all.chunk.meta.is_empty(),
        all.chunk.secret.is_some(),
        !all.chunk.volumes.is_empty(),
        all.chunk.reserve.is_some(),
        all.metadata.partitions.is_some(),
        all.metadata.default_policy.is_some(),
        all.metadata.delete_grace.is_some(),
        all.metadata.volume_silence.is_some(),
        all.metadata.volume_grace.is_some(),
        all.metadata.repairs_at_once.is_some(),
        all.metadata.cache.is_some(),
        all.metadata.snapshot_log.is_some(),
        all.metadata.reserve.is_some(),
        all.metadata.token_lifetime.is_some(),
        all.metadata.capability_lifetime.is_some(),
        all.log.filter.is_some(),
        all.log.format.is_some(),
        !all.policies.is_empty(),
    ];
    assert!(given.iter().all(|g| *g), "the example documents every setting: {given:?}");
}

#[test]
fn settings_of_a_gateway_that_serve_nobody_are_refused() {
    let refused = [
        "--idle-timeout 0s",
        "--idle-timeout 999ms",
        "--swift-token-lifetime 0s",
        "--public-url objects.example.com",
        "--public-url https://",
        "--public-url ftp://objects.example.com",
        "--public-url https://objects.example.com/a?b=c",
        "--public-url https://objects.example.com/#a",
        "--cdn-url objects.example.com",
    ];
    for line in refused {
        let error = server(&format!("cairn server {line}"), "").unwrap_err().to_string();
        let of_lifetimes = error.contains("a second or more");
        assert!(of_lifetimes || error.contains("write https://HOST[:PORT]"), "{line}: {error}");
    }
    let told = server(
        "cairn server --public-url https://objects.example.com:8443/a/ --idle-timeout 1s",
        "",
    );
    let gateway = told.unwrap().gateway;
    assert_eq!(gateway.public_url.as_deref(), Some("https://objects.example.com:8443/a"));
}

#[test]
fn public_containers_are_where_the_gateway_is() {
    let cdn = |line: &str| server(line, "").unwrap().cdn;
    let told = |listen: &str, advertise: Option<String>| {
        Some(Address { listen: listen.to_owned(), advertise })
    };
    assert_eq!(cdn("cairn server --swift-listen 127.0.0.2:80"), told("127.0.0.2:81", None));
    let everywhere = Some(format!("{}:0", volume::host_name()));
    assert_eq!(cdn("cairn server --swift-listen 0.0.0.0:80"), told("0.0.0.0:81", everywhere));
    assert_eq!(cdn("cairn server --swift-listen 127.0.0.2:0"), told("127.0.0.2:0", None));
    assert_eq!(cdn("cairn server --cdn-listen none"), None);
}
