//! An issuer of tokens: a server on this machine that publishes keys, and what is signed with the private half.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tollgate_config::manifest::Provider;
use tollgate_ingress::{jwt::Signer, replay};

/// Stops with its value.
pub(crate) struct Issuer {
    address: SocketAddr,
    document: Arc<Mutex<Document>>,
    hits: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

/// What it answers.
#[derive(Clone)]
pub(crate) enum Document {
    /// This.
    Keys(String),
    /// 500.
    Broken,
    /// A redirect to itself.
    Moved,
    /// Nothing, for ever.
    Silence,
}

/// The key that the issuer signs with.
pub(crate) fn signer() -> Signer {
    Signer::from_pem(replay::signing_key(Provider::Teams).as_bytes()).unwrap()
}

/// Its public half.
pub(crate) fn keys() -> Document {
    Document::Keys(signer().jwks(&["msteams"]))
}

impl Issuer {
    pub(crate) async fn start(document: Document) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let document = Arc::new(Mutex::new(document));
        let hits = Arc::new(AtomicUsize::new(0));
        let (held, counted) = (document.clone(), hits.clone());
        let server = tokio::spawn(async move {
            // Connections that get no answer stay open.
            let mut open = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                counted.fetch_add(1, SeqCst);
                let document = held.lock().unwrap().clone();
                let answer = match document {
                    Document::Keys(text) => format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()),
                    Document::Broken => "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_owned(),
                    Document::Moved => format!("HTTP/1.1 302 Found\r\nLocation: http://{address}/other\r\nContent-Length: 0\r\n\r\n"),
                    Document::Silence => {
                        open.push(stream);
                        continue;
                    }
                };
                head(&mut stream).await;
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        });
        Self {
            address,
            document,
            hits,
            server,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// How often it was asked.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(SeqCst)
    }

    /// Answers this from now on.
    pub(crate) fn publish(&self, document: Document) {
        *self.document.lock().unwrap() = document;
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn head(stream: &mut TcpStream) {
    let (mut head, mut chunk) = (Vec::new(), [0; 1024]);
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk).await {
            Ok(read @ 1..) => head.extend_from_slice(&chunk[..read]),
            _ => return,
        }
    }
}
