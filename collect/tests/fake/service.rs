//! A service that answers over HTTP or HTTPS as kubelet does, or does not.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

/// A question as it came.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) path: String,
    /// The client certificate that came with it, by its name in `testdata/pki`.
    pub(crate) client: Option<&'static str>,
    pub(crate) token: Option<String>,
}

/// What happens to a question.
pub(crate) enum Reply {
    /// Status, content type, body; in chunks or not.
    Body(u16, String, Vec<u8>, bool),
    /// Nothing, ever.
    Hang,
    /// A byte now and then.
    Drip,
    /// Half of what the head promises.
    Truncated(Vec<u8>),
    /// So many bytes.
    Huge(usize),
}

impl Reply {
    pub(crate) fn text(status: u16, body: &str) -> Self {
        Self::Body(status, "text/plain".into(), body.as_bytes().to_vec(), false)
    }
}

/// A service under test. Its threads end with the test.
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    questions: Arc<Mutex<Vec<Question>>>,
}

impl Service {
    /// Over HTTPS, with a certificate of `testdata/pki`.
    pub(crate) fn https(
        certificate: &str,
        answer: impl Fn(&Question) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let config = Arc::new(config(certificate));
        Self::start(answer, move |stream| {
            let connection = ServerConnection::new(config.clone()).ok()?;
            let mut stream = StreamOwned::new(connection, stream);
            while stream.conn.is_handshaking() {
                stream.conn.complete_io(&mut stream.sock).ok()?;
            }
            let shown = stream.conn.peer_certificates().and_then(<[_]>::first);
            let client = shown.and_then(|shown| {
                ["client", "admin"].into_iter().find(|name| {
                    let file = pki(&format!("{name}.crt"));
                    CertificateDer::from_pem_file(file).unwrap() == *shown
                })
            });
            Some((Box::new(stream), client))
        })
    }

    /// Over HTTP.
    pub(crate) fn http(answer: impl Fn(&Question) -> Reply + Send + Sync + 'static) -> Self {
        Self::start(answer, |stream| Some((Box::new(stream), None)))
    }

    /// One that takes connections and says nothing.
    pub(crate) fn mute() -> Self {
        Self::start(
            |_| Reply::Hang,
            |_| {
                std::thread::sleep(Duration::from_mins(5));
                None
            },
        )
    }

    pub(crate) fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    /// What was asked for until now.
    pub(crate) fn questions(&self) -> Vec<Question> {
        self.questions.lock().unwrap().clone()
    }

    pub(crate) fn was_asked(&self, path: &str) -> bool {
        self.questions()
            .iter()
            .any(|question| question.path == path)
    }

    fn start(
        answer: impl Fn(&Question) -> Reply + Send + Sync + 'static,
        open: impl Fn(TcpStream) -> Option<(Box<dyn Stream>, Option<&'static str>)>
        + Send
        + Sync
        + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let questions = Arc::new(Mutex::new(Vec::new()));
        let noted = questions.clone();
        let shared = Arc::new((answer, open));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (shared, noted) = (shared.clone(), noted.clone());
                std::thread::spawn(move || {
                    let (answer, open) = &*shared;
                    if let Some((mut stream, client)) = open(stream) {
                        let question = question(&mut stream, client)?;
                        noted.lock().unwrap().push(question.clone());
                        reply(&mut stream, answer(&question)).ok();
                    }
                    Some(())
                });
            }
        });
        Self { address, questions }
    }
}

pub(crate) trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn question(stream: &mut Box<dyn Stream>, client: Option<&'static str>) -> Option<Question> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let token = head
        .lines()
        .find_map(|line| line.strip_prefix("Authorization: Bearer "));
    Some(Question {
        path: head.split(' ').nth(1)?.to_owned(),
        client,
        token: token.map(str::to_owned),
    })
}

fn reply(stream: &mut Box<dyn Stream>, reply: Reply) -> std::io::Result<()> {
    let date = "Date: Fri, 20 Nov 2026 22:11:05 GMT\r\n";
    match reply {
        Reply::Body(status, content_type, body, is_chunked) => {
            write!(
                stream,
                "HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\n{date}"
            )?;
            if is_chunked {
                write!(stream, "Transfer-Encoding: chunked\r\n\r\n")?;
                for part in body.chunks(4096) {
                    write!(stream, "{:x}\r\n", part.len())?;
                    stream.write_all(part)?;
                    stream.write_all(b"\r\n")?;
                }
                stream.write_all(b"0\r\n\r\n")?;
            } else {
                write!(stream, "Content-Length: {}\r\n\r\n", body.len())?;
                stream.write_all(&body)?;
            }
        }
        Reply::Hang => std::thread::sleep(Duration::from_mins(5)),
        Reply::Drip => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")?;
            loop {
                stream.write_all(b"x")?;
                stream.flush()?;
                std::thread::sleep(Duration::from_millis(200));
            }
        }
        Reply::Truncated(body) => {
            write!(
                stream,
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                body.len() * 2
            )?;
            stream.write_all(&body)?;
        }
        Reply::Huge(bytes) => {
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\n")?;
            let line = "kubelet_running_pods 2 # a line of metrics that goes on and on, and on\n";
            let part = line.repeat(1000);
            let mut left = bytes;
            while left > 0 {
                let count = left.min(part.len());
                stream.write_all(&part.as_bytes()[..count])?;
                left -= count;
            }
        }
    }
    stream.flush()
}

/// A file of `testdata/pki`.
pub(crate) fn pki(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../testdata/pki")
        .join(name)
}

fn config(certificate: &str) -> ServerConfig {
    let chain = CertificateDer::pem_file_iter(pki(&format!("{certificate}.crt"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(pki(&format!("{certificate}.key"))).unwrap();
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(pki("ca.crt")).unwrap())
        .unwrap();
    let provider = Arc::new(ring::default_provider());
    // As kubelet: it asks for a certificate, and takes who has none for anybody.
    let clients = WebPkiClientVerifier::builder_with_provider(roots.into(), provider.clone())
        .allow_unauthenticated()
        .build()
        .unwrap();
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(clients)
        .with_single_cert(chain.map(Result::unwrap).collect(), key)
        .unwrap()
}

/// Answers that real services gave, by path.
pub(crate) struct Recorded {
    folder: PathBuf,
}

impl Recorded {
    /// Of `testdata/records`.
    pub(crate) fn of(name: &str) -> Self {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/records");
        Self {
            folder: folder.join(name),
        }
    }

    /// Of the records that are not kept here; nothing where they are not.
    pub(crate) fn elsewhere(name: &str) -> Option<Self> {
        let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/records");
        let folder = std::env::var_os("FREEZEFRAME_RECORDS").map_or(beside, PathBuf::from);
        let folder = folder.join(name);
        if folder.exists() {
            return Some(Self { folder });
        }
        eprintln!("skipped: records not present");
        None
    }

    /// The body for a path.
    pub(crate) fn body(&self, path: &str) -> Option<Vec<u8>> {
        std::fs::read(self.folder.join(file(path))).ok()
    }

    /// The answer to a path, with its recorded type and transfer coding.
    pub(crate) fn reply(&self, path: &str) -> Reply {
        let Some(body) = self.body(path) else {
            return Reply::text(404, "404 page not found\n");
        };
        let head =
            std::fs::read_to_string(self.folder.join(format!("{}.hdr", file(path)))).unwrap();
        let content_type = head
            .lines()
            .find_map(|line| line.strip_prefix("Content-Type: "));
        let is_chunked = head.contains("Transfer-Encoding: chunked");
        Reply::Body(
            200,
            content_type.unwrap_or("text/plain").to_owned(),
            body,
            is_chunked,
        )
    }
}

/// The file that the answer to a path was recorded in.
fn file(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let name = path
        .trim_start_matches('/')
        .replacen("debug/pprof/", "pprof_", 1)
        .replace('/', "_");
    match (&*name, query) {
        ("pprof_profile", _) => "pprof_profile_5s".to_owned(),
        ("pprof_trace", _) => "pprof_trace_1s".to_owned(),
        ("pprof_goroutine", "debug=2") => "pprof_goroutine_debug2".to_owned(),
        ("readyz", "verbose") => "readyz_verbose".to_owned(),
        _ => name,
    }
}
