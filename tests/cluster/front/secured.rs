//! TLS.

use super::{Front, Wire, log_in};
use crate::harness::{Scene, server_arguments};
use std::{
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio_rustls::rustls::{
    self, ClientConfig, RootCertStore, SupportedProtocolVersion,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

/// A client that trusts these certificates, and speaks these versions of TLS.
fn trusting(
    roots: &RootCertStore,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_protocol_versions(versions).unwrap();
    Arc::new(builder.with_root_certificates(roots.clone()).with_no_client_auth())
}

#[test]
fn requests_come_over_tls_and_nothing_else_does() {
    let scene = Scene::new();
    let (cert, key) = (scene.path("cert.pem"), scene.path("key.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-nodes", "-days", "2", "-subj", "/CN=cairn"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .expect("openssl makes certificates: install it");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let mut arguments = server_arguments(&scene, &scene.path("data"));
    for (flag, value) in [
        ("--idle-timeout", "2s".to_owned()),
        ("--tls-cert", cert.display().to_string()),
        ("--tls-key", key.display().to_string()),
    ] {
        arguments.extend([flag.to_owned(), value]);
    }
    let mut server = scene.daemon("server", &arguments);
    let ready = server.ready();
    let address = ready["swift"].as_str().unwrap().strip_prefix("https://").unwrap().to_owned();
    let store = Front::store(&ready);
    let user = "user create --account front --user tester --key testing --role admin";
    store.cli(&user.split(' ').collect::<Vec<_>>()).ok();

    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(&cert).unwrap()).unwrap();
    let large = crate::harness::content(4, 5_000_000);
    let (token, admin, volumes) = (String::new(), String::new(), Vec::new());
    let mut front = Front { server, address: address.clone(), admin, token, volumes, store };
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut wire = Wire::secured(&address, trusting(&roots, &[version]));
        front.token = log_in(&mut wire);
        for (method, path, body, status) in
            [("PUT", "c", &[][..], 201), ("PUT", "c/o", &large, 201), ("GET", "c/o", &[], 200)]
        {
            wire.send(front.request(method, path, "", body));
            let reply = wire.reply();
            // The second time the container is there.
            assert!(reply.status == status || (path, reply.status) == ("c", 202), "{reply:?}");
            if method == "GET" {
                assert!(reply.body == large);
            }
        }
    }

    // Who does not speak TLS, or not to the end, gets no answer, and is not waited for.
    let started = Instant::now();
    let mut plain = Wire::to(&address);
    plain.send("GET /healthcheck HTTP/1.1\r\nhost: x\r\n\r\n");
    let said = plain.rest();
    assert!(!said.starts_with(b"HTTP"), "{said:?}");
    let mut silent = Wire::to(&address);
    let mut half = Wire::to(&address);
    half.send([0x16, 0x03, 0x01, 0x02, 0x00, 0x01]);
    assert_eq!((silent.rest(), half.rest()), (Vec::new(), Vec::new()));
    let waited = started.elapsed();
    assert!((Duration::from_millis(1500)..Duration::from_secs(15)).contains(&waited), "{waited:?}");

    let mut again = Wire::secured(&address, trusting(&roots, rustls::ALL_VERSIONS));
    log_in(&mut again);
    assert!(!front.server.log().contains("panicked"));
}
