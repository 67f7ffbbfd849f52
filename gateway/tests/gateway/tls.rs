//! TLS: certificates, names, protocols.

use crate::harness::{Gateway, for_h2, get, manifest, send_h1, send_h2, slack};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, pki_types::ServerName};
use serde_json::json;
use std::{path::Path, sync::Arc};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

struct Authority {
    roots: RootCertStore,
    certificates: Vec<serde_json::Value>,
}

/// A certificate file for each list of names, all of them trusted.
fn authority(folder: &Path, all: &[&[&str]]) -> Authority {
    let mut roots = RootCertStore::empty();
    let certificates = all
        .iter()
        .enumerate()
        .map(|(index, names)| {
            let made = rcgen::generate_simple_self_signed(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
            let (cert, key) = (folder.join(format!("{index}.pem")), folder.join(format!("{index}.key")));
            std::fs::write(&cert, made.cert.pem()).unwrap();
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            roots.add(made.cert.der().clone()).unwrap();
            json!({ "cert": cert, "key": key })
        })
        .collect();
    Authority { roots, certificates }
}

async fn connect(gateway: &Gateway, roots: &RootCertStore, name: &str, protocols: &[&str]) -> std::io::Result<TlsStream<TcpStream>> {
    let mut config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let stream = TcpStream::connect(gateway.https()).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn start(strict: bool) -> (Gateway, RootCertStore) {
    let folder = tempfile::tempdir().unwrap();
    let authority = authority(
        folder.path(),
        &[&["echo.localhost", "other.example"], &["acme.localhost", "localhost"]],
    );
    let mut manifest = manifest(folder.path(), &["echo"]);
    manifest["listeners"] = json!([{ "address": "127.0.0.1:0", "tls": { "certificates": authority.certificates }, "protocols": ["h1", "h2"], "strict_sni": strict }]);
    (Gateway::start(folder, &manifest).await, authority.roots)
}

#[tokio::test]
async fn alpn_chooses_the_protocol_and_the_worker_sees_https() {
    let (gateway, roots) = start(false).await;
    for protocols in [vec!["h2", "http/1.1"], vec!["http/1.1"], vec![]] {
        let stream = connect(&gateway, &roots, "echo.localhost", &protocols).await.unwrap();
        let h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        assert_eq!(h2, protocols.contains(&"h2"));
        let request = get("echo.localhost", "/a");
        let answer = if h2 {
            send_h2(stream, for_h2(request, "https")).await
        } else {
            send_h1(stream, request).await
        };
        assert_eq!(
            (answer.status, answer.json()["scheme"].as_str().unwrap().to_lowercase()),
            (200, "https".to_owned()),
            "{protocols:?}"
        );
    }
}

#[tokio::test]
async fn a_signed_webhook_over_tls_is_answered_on_both_protocols() {
    let (gateway, roots) = start(false).await;
    let stream = connect(&gateway, &roots, "acme.localhost", &["http/1.1"]).await.unwrap();
    assert_eq!(send_h1(stream, slack("echo", "Ev-a")).await.status, 200);
    let stream = connect(&gateway, &roots, "acme.localhost", &["h2"]).await.unwrap();
    assert_eq!(send_h2(stream, for_h2(slack("echo", "Ev-b"), "https")).await.status, 200);
    assert_eq!(gateway.calls().await, 2);
}

#[tokio::test]
async fn another_host_than_the_tls_name_is_misdirected() {
    let (gateway, roots) = start(false).await;
    let stream = connect(&gateway, &roots, "acme.localhost", &["http/1.1"]).await.unwrap();
    assert_eq!(send_h1(stream, get("echo.localhost", "/")).await.status, 421);
    assert_eq!(gateway.calls().await, 0);
    // A refusal at an endpoint is counted there, whichever layer it comes from.
    let stream = connect(&gateway, &roots, "echo.localhost", &["http/1.1"]).await.unwrap();
    assert_eq!(send_h1(stream, slack("echo", "Ev-c")).await.status, 421);
    assert_eq!(
        gateway.metric("tollgate_ingress_rejected_total", &["reason=\"misdirected\""]).await,
        1
    );
}

#[tokio::test]
async fn an_unknown_name_gets_the_first_certificate_unless_names_are_strict() {
    for strict in [false, true] {
        let (gateway, roots) = start(strict).await;
        // The client checks the name, so an unknown one always fails there; what differs is who broke it off.
        let error = connect(&gateway, &roots, "unknown.example", &[]).await.unwrap_err().to_string();
        assert_eq!(
            error.contains("NotValidForName") || error.contains("not valid for name"),
            !strict,
            "{error}"
        );
        assert!(connect(&gateway, &roots, "other.example", &[]).await.is_ok());
    }
}

#[tokio::test]
async fn plain_bytes_on_a_tls_port_get_no_answer() {
    let (gateway, _) = start(false).await;
    let mut stream = TcpStream::connect(gateway.https()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await
        .unwrap();
    let text = crate::harness::read_all(&mut stream).await;
    assert!(!text.contains("HTTP/1.1"), "{text:?}");
}
