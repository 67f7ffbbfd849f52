//! Calls out over a network whose answers the test gives: every dialled address is written down, and leads to one peer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use super::{
    network::{Answer, Network},
    *,
};
use bytes::Bytes;
use http::HeaderMap;
use http_body_util::{Empty, Full};
use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use rustls::ServerConfig;
use std::{
    collections::VecDeque,
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tollgate_config::SecretName;
use zeroize::Zeroizing;

/// Long enough for loopback, short enough to wait for.
const SOON: Duration = Duration::from_millis(100);

/// What a look-up brings.
#[derive(Clone)]
enum Found {
    At(Vec<&'static str>),
    Nothing,
    Silence,
}

struct Scripted {
    /// What the next look-ups bring.
    answers: Mutex<VecDeque<Found>>,
    dialled: Mutex<Vec<SocketAddr>>,
    peer: SocketAddr,
}

impl Network for Scripted {
    fn resolve<'a>(&'a self, _: &'a str, port: u16) -> Answer<'a, Vec<SocketAddr>> {
        let found = lock(&self.answers).pop_front().expect_answer();
        Box::pin(async move {
            match found {
                Found::At(addresses) => Ok(addresses.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), port)).collect()),
                Found::Nothing => Err(io::Error::other("no such name")),
                Found::Silence => std::future::pending().await,
            }
        })
    }

    fn dial(&self, address: SocketAddr) -> Answer<'_, TcpStream> {
        lock(&self.dialled).push(address);
        Box::pin(TcpStream::connect(self.peer))
    }
}

trait ExpectAnswer {
    fn expect_answer(self) -> Found;
}

impl ExpectAnswer for Option<Found> {
    fn expect_answer(self) -> Found {
        self.unwrap_or_else(|| panic!("a look-up that nobody expected"))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A client on a scripted network.
struct Bench {
    network: Arc<Scripted>,
    client: Arc<Client>,
}

impl Bench {
    fn new(peer: SocketAddr, answers: &[Found], roots: Option<RootCertStore>) -> Self {
        let network = Arc::new(Scripted {
            answers: Mutex::new(answers.to_vec().into()),
            dialled: Mutex::default(),
            peer,
        });
        let metrics = Metrics::new().unwrap();
        let own = Own::new(Vec::new());
        let client = Client::over(network.clone(), own, Tasks::new(), &metrics, roots.map(Arc::new));
        Self { network, client }
    }

    fn egress(&self, tenant: &str, rules: &[&str]) -> Egress {
        let secrets = Secrets::from([(SecretName::new("api_token").unwrap(), Zeroizing::new(b"hunter2".to_vec()))]);
        let who = (TenantId::new(tenant).unwrap(), DeploymentId::new("d").unwrap());
        let rules = rules.iter().map(|rule| OutboundRule::parse(rule).unwrap()).collect();
        Egress::granting(self.client.clone(), who, rules, Arc::new(secrets))
    }

    fn dialled(&self) -> Vec<String> {
        lock(&self.network.dialled).iter().map(ToString::to_string).collect()
    }

    fn counted(&self, result: &str) -> u64 {
        let labels = ["acme", "d", result];
        self.client.counters.requests.with_label_values(&labels).get()
    }
}

fn outgoing(url: &str) -> Outgoing {
    let body = Empty::new().map_err(|never| match never {}).boxed_unsync();
    Outgoing {
        request: Request::get(url).body(body).unwrap(),
        connect: None,
        first_byte: None,
        between_bytes: None,
        origin: Arc::new(tollgate_host::Origin {
            headers: HeaderMap::new(),
            deadline: Instant::now() + Duration::from_secs(60),
            places: Arc::new(Semaphore::new(2)),
        }),
    }
}

/// Status and body, or why there is none.
async fn ask(egress: &Egress, outgoing: Outgoing) -> Result<(u16, String), OutboundError> {
    let answer = egress.send(outgoing).await?;
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// A peer that answers every connection with these bytes as soon as it has read something, and then closes or holds it.
async fn peer(bytes: &'static [u8], holds: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(bytes).await;
                if holds {
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        let _ = stream.write_all(bytes).await;
                    }
                }
            });
        }
    });
    address
}

/// A peer that never comes to the end of its header.
async fn endless() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await;
        while stream.write_all(&[b'y'; 1024]).await.is_ok() {}
    });
    address
}

const LITERAL: &str = "http://127.0.0.1:9000/";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const PUBLIC: &str = "93.184.216.34";

#[tokio::test]
async fn a_granted_call_arrives_and_its_connection_is_used_again() {
    let bench = Bench::new(peer(OK, true).await, &[], None);
    let egress = bench.egress("acme", &["http://127.0.0.1:9000"]);
    for _ in 0..3 {
        assert_eq!(ask(&egress, outgoing(LITERAL)).await, Ok((200, "ok".to_owned())));
        while egress.0.pool.waiting() == 0 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(bench.dialled(), ["127.0.0.1:9000"]);
    assert_eq!(bench.counted("answered"), 3);
    // What one tenant opened, another never uses.
    let other = bench.egress("beta", &["http://127.0.0.1:9000"]);
    assert_eq!(ask(&other, outgoing(LITERAL)).await, Ok((200, "ok".to_owned())));
    assert_eq!(bench.dialled().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_nobody_waits_for_keeps_its_place() {
    let silent = vec![Found::Silence; MAX_OWN_LOOK_UPS];
    let answers = [silent, vec![Found::Nothing]].concat();
    let bench = Bench::new("127.0.0.1:9".parse().unwrap(), &answers, None);
    let egress = bench.egress("acme", &["http://*"]);
    let impatient = || Outgoing {
        connect: Some(Duration::from_millis(1)),
        ..outgoing("http://example.com/")
    };
    for _ in 0..MAX_OWN_LOOK_UPS + 5 {
        assert_eq!(ask(&egress, impatient()).await, Err(OutboundError::DnsTimeout));
    }
    assert_eq!(lock(&bench.network.answers).len(), 1, "no thread more than its places");
    // The others have theirs.
    let other = bench.egress("beta", &["http://*"]);
    assert_eq!(ask(&other, impatient()).await, Err(OutboundError::Dns));
}

#[tokio::test]
async fn a_name_is_judged_by_every_address_and_pinned() {
    let closing = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let ok = Ok((200, "ok".to_owned()));
    for (name, found, expected) in [
        ("public", Found::At(vec![PUBLIC]), ok.clone()),
        ("loopback", Found::At(vec!["127.0.0.1"]), Err(OutboundError::AddressProhibited)),
        (
            "metadata",
            Found::At(vec!["169.254.169.254"]),
            Err(OutboundError::AddressProhibited),
        ),
        (
            "one of two",
            Found::At(vec![PUBLIC, "10.0.0.1"]),
            Err(OutboundError::AddressProhibited),
        ),
        ("mapped", Found::At(vec!["::ffff:10.0.0.1"]), Err(OutboundError::AddressProhibited)),
        ("NAT64", Found::At(vec!["64:ff9b::a00:1"]), Err(OutboundError::AddressProhibited)),
        ("no address", Found::At(vec![]), Err(OutboundError::Dns)),
        ("no such name", Found::Nothing, Err(OutboundError::Dns)),
        ("no answer", Found::Silence, Err(OutboundError::DnsTimeout)),
    ] {
        let bench = Bench::new(peer(closing, false).await, &[found], None);
        let egress = bench.egress("acme", &["http://*", "http://127.0.0.1", "http://10.0.0.0/8"]);
        let call = Outgoing {
            connect: Some(if expected == Err(OutboundError::DnsTimeout) {
                SOON
            } else {
                CONNECT
            }),
            ..outgoing("http://example.com/")
        };
        assert_eq!(ask(&egress, call).await, expected, "{name}");
        let dialled: &[&str] = if expected.is_ok() { &["93.184.216.34:80"] } else { &[] };
        assert_eq!(bench.dialled(), dialled, "{name}");
    }
    // An answer that changes: each connection goes to what was checked for it.
    let answers = [Found::At(vec![PUBLIC]), Found::At(vec!["127.0.0.1"])];
    let bench = Bench::new(peer(closing, false).await, &answers, None);
    let egress = bench.egress("acme", &["http://*"]);
    assert_eq!(ask(&egress, outgoing("http://example.com/")).await, ok);
    let second = ask(&egress, outgoing("http://example.com/")).await;
    assert_eq!(second, Err(OutboundError::AddressProhibited));
    assert_eq!(bench.dialled(), ["93.184.216.34:80"]);
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9901/metrics\r\nContent-Length: 0\r\n\r\n";
    let bench = Bench::new(peer(moved, false).await, &[], None);
    let egress = bench.egress("acme", &["http://127.0.0.1:9000"]);
    assert_eq!(ask(&egress, outgoing(LITERAL)).await, Ok((302, String::new())));
    assert_eq!(bench.dialled(), ["127.0.0.1:9000"]);
}

#[tokio::test]
async fn a_bad_peer_ends_in_time_with_its_own_error() {
    let limit = header::MAX_FIELD_BYTES;
    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let fields: &'static [u8] = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(101)).leak().as_bytes();
    for (name, address, expected, result) in [
        ("gone", gone, OutboundError::Refused, "connect"),
        ("silent", peer(b"", true).await, OutboundError::ReadTimeout, "timeout"),
        (
            "half a head",
            peer(b"HTTP/1.1 200 OK\r\nx", true).await,
            OutboundError::ReadTimeout,
            "timeout",
        ),
        ("closes", peer(b"", false).await, OutboundError::Terminated, "broken"),
        ("no HTTP", peer(b"SSH-2.0-x\r\n\r\n", true).await, OutboundError::Protocol, "broken"),
        ("endless header", endless().await, OutboundError::ResponseHeader(limit), "limit"),
        (
            "many fields",
            peer(fields, true).await,
            OutboundError::ResponseHeader(limit),
            "limit",
        ),
        (
            "another protocol",
            peer(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
                true,
            )
            .await,
            OutboundError::Upgrade,
            "broken",
        ),
        (
            "too large",
            peer(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", true).await,
            OutboundError::ResponseBody(MAX_RESPONSE),
            "limit",
        ),
        (
            "body stalls",
            peer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", true).await,
            OutboundError::ReadTimeout,
            "answered",
        ),
        (
            "body is cut",
            peer(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", false).await,
            OutboundError::ResponseIncomplete,
            "answered",
        ),
    ] {
        let bench = Bench::new(address, &[], None);
        let egress = bench.egress("acme", &["http://127.0.0.1:9000"]);
        let patient = name == "endless header" || name == "many fields";
        let call = Outgoing {
            first_byte: (!patient).then_some(SOON),
            between_bytes: Some(SOON),
            ..outgoing(LITERAL)
        };
        let origin = Arc::clone(&call.origin);
        assert_eq!(ask(&egress, call).await, Err(expected), "{name}");
        assert_eq!(bench.counted(result), 1, "{name}");
        assert_eq!(
            (origin.places.available_permits(), egress.0.places.available_permits()),
            (2, MAX_AT_ONCE),
            "{name}"
        );
        assert_eq!(egress.0.pool.waiting(), 0, "{name}");
    }
}

#[tokio::test]
async fn a_call_out_ends_with_its_call() {
    let bench = Bench::new(peer(b"", true).await, &[], None);
    let egress = bench.egress("acme", &["http://127.0.0.1:9000"]);
    let call = || {
        let mut call = outgoing(LITERAL);
        call.origin = Arc::new(tollgate_host::Origin {
            headers: HeaderMap::new(),
            deadline: Instant::now() + SOON,
            places: Arc::new(Semaphore::new(1)),
        });
        call
    };
    assert_eq!(ask(&egress, call()).await, Err(OutboundError::Deadline));
    // Dropped while it waits: its places are free again.
    let waiting = egress.send(outgoing(LITERAL));
    while egress.0.places.available_permits() == MAX_AT_ONCE {
        tokio::task::yield_now().await;
    }
    drop(waiting);
    while egress.0.places.available_permits() < MAX_AT_ONCE || bench.counted("cancelled") == 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn limits_refuse_by_name() {
    let bench = Bench::new(peer(OK, true).await, &[], None);
    let egress = bench.egress("acme", &["http://127.0.0.1:9000"]);
    let with = |change: &dyn Fn(&mut Request<OutboundBody>)| {
        let mut call = outgoing(LITERAL);
        change(&mut call.request);
        call
    };
    let body = |size: usize| Full::new(Bytes::from(vec![0; size])).map_err(|never| match never {}).boxed_unsync();
    let large = usize::try_from(MAX_REQUEST).unwrap() + 1;
    for (name, call, expected) in [
        (
            "announced",
            with(&|request| drop(request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(large)))),
            OutboundError::RequestBody(MAX_REQUEST),
        ),
        (
            "sent",
            with(&|request| *request.body_mut() = body(large)),
            OutboundError::RequestBody(MAX_REQUEST),
        ),
        (
            "fields",
            with(&|request| {
                for _ in 0..=header::MAX_FIELDS {
                    request.headers_mut().append("x", HeaderValue::from_static("y"));
                }
            }),
            OutboundError::RequestHeader(header::MAX_FIELD_BYTES),
        ),
        (
            "target",
            with(&|request| *request.uri_mut() = format!("{LITERAL}{}", "x".repeat(MAX_PATH)).parse().unwrap()),
            OutboundError::TargetTooLong,
        ),
        (
            "trace",
            with(&|request| *request.method_mut() = Method::TRACE),
            OutboundError::Denied,
        ),
        (
            "scheme",
            with(&|request| *request.uri_mut() = "gopher://127.0.0.1:9000/".parse().unwrap()),
            OutboundError::Denied,
        ),
    ] {
        assert_eq!(ask(&egress, call).await, Err(expected), "{name}");
    }
    // Two places in this call; a third waits for none.
    let call = outgoing(LITERAL);
    let origin = Arc::clone(&call.origin);
    let _held = Arc::clone(&origin.places).acquire_many_owned(2).await.unwrap();
    assert_eq!(ask(&egress, call).await, Err(OutboundError::TooMany));
    let whole = Arc::clone(&bench.client.places)
        .acquire_many_owned(MAX_IN_GATEWAY as u32)
        .await
        .unwrap();
    assert_eq!(ask(&egress, outgoing(LITERAL)).await, Err(OutboundError::TooMany));
    drop(whole);
    let _all = Arc::clone(&egress.0.places).acquire_many_owned(MAX_AT_ONCE as u32).await.unwrap();
    assert_eq!(ask(&egress, outgoing(LITERAL)).await, Err(OutboundError::TooMany));
}

#[tokio::test]
async fn the_peer_sees_the_request_and_the_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let bench = Bench::new(listener.local_addr().unwrap(), &[], None);
    let egress = bench.egress("acme", &["http://127.0.0.1:9000"]);
    let mut call = outgoing("http://127.0.0.1:9000/a?b=c");
    for (name, value) in [
        ("authorization", "Bearer secret://api_token"),
        ("te", "trailers"),
        ("host", "evil"),
        ("x-own", "1"),
    ] {
        call.request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let mut headers = HeaderMap::new();
    headers.insert("traceparent", HeaderValue::from_static("00-trace"));
    call.origin = Arc::new(tollgate_host::Origin {
        headers,
        deadline: Instant::now() + Duration::from_secs(60),
        places: Arc::new(Semaphore::new(1)),
    });
    let sent = egress.send(call);
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"\r\n\r\n") {
        seen.push(stream.read_u8().await.unwrap());
    }
    stream.write_all(OK).await.unwrap();
    assert_eq!(sent.await.unwrap().status(), 200);
    let mut lines: Vec<_> = std::str::from_utf8(&seen).unwrap().trim_end().split("\r\n").collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "GET /a?b=c HTTP/1.1",
            "authorization: Bearer hunter2",
            "cdn-loop: tollgate",
            "host: 127.0.0.1:9000",
            "traceparent: 00-trace",
            "x-own: 1"
        ]
    );
}

#[tokio::test]
async fn over_tls_calls_share_one_http2_connection_of_a_believed_peer() {
    let made = rcgen::generate_simple_self_signed(vec!["example.com".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let service = service_fn(async |request: Request<Incoming>| {
                    let said = format!("{:?} {} {:?}", request.version(), request.uri(), request.headers().get("host"));
                    Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(said))))
                });
                let _ = auto::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    let believed = {
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        roots
    };
    let bench = Bench::new(address, &[Found::At(vec![PUBLIC])], Some(believed.clone()));
    let egress = bench.egress("acme", &["https://*"]);
    for _ in 0..2 {
        let answer = ask(&egress, outgoing("https://example.com/x")).await;
        assert_eq!(answer, Ok((200, "HTTP/2.0 https://example.com/x None".to_owned())));
    }
    assert_eq!(bench.dialled(), ["93.184.216.34:443"]);

    for (name, roots, url, expected) in [
        ("another name", Some(believed), "https://example.org/", OutboundError::Certificate),
        (
            "unknown authority",
            Some(RootCertStore::empty()),
            "https://example.com/",
            OutboundError::Certificate,
        ),
        ("no authorities", None, "https://example.com/", OutboundError::Tls),
    ] {
        let bench = Bench::new(address, &[Found::At(vec![PUBLIC])], roots);
        let egress = bench.egress("acme", &["https://*"]);
        assert_eq!(ask(&egress, outgoing(url)).await, Err(expected), "{name}");
    }
}
