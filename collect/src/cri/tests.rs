//! The client beside servers that say what a real one says, and what none should.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;

use super::answer::Answer;
use super::h2::{Connection, Failure};
use super::work::{Order, Part, argument};
use super::{Method, Wanted, hpack, perform, wire};
use crate::root::Root;
use crate::source::Brief;

const TRAILERS: u8 = 5; // END_HEADERS and END_STREAM

fn frame(kind: u8, flags: u8, call: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &call.to_be_bytes(), payload].concat()
}

fn headers(flags: u8, call: u32, list: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in list {
        hpack::put(&mut block, name, value);
    }
    frame(1, flags, call, &block)
}

fn prefixed(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u32).to_be_bytes();
    [&[0], &length[..], message].concat()
}

/// A whole answer, in frames of the largest size.
pub(super) fn answer(call: u32, message: &[u8]) -> Vec<u8> {
    let mut bytes = headers(4, call, &[(":status", "200")]);
    for part in prefixed(message).chunks(16 << 10) {
        bytes.extend(frame(0, 0, call, part));
    }
    bytes.extend(headers(TRAILERS, call, &[("grpc-status", "0")]));
    bytes
}

/// A folder with a socket on which each of `says` is said to one caller after the other.
pub(super) fn server(says: Vec<Vec<u8>>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("socket")).unwrap();
    std::thread::spawn(move || {
        for says in says {
            let (mut stream, _) = listener.accept().unwrap();
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let _ = stream.write_all(&says);
                // Stays open: the caller has to end it.
                while stream.read(&mut [0; 4096]).is_ok_and(|count| count > 0) {}
            });
        }
        std::thread::sleep(Duration::from_secs(30));
    });
    folder
}

fn socket(folder: &Path) -> OwnedFd {
    Root::open(folder).unwrap().place(b"/socket").unwrap()
}

fn call(says: Vec<u8>, limit: usize) -> (Result<Answer, Failure>, bool) {
    let folder = server(vec![says]);
    let ends = Instant::now() + Duration::from_millis(800);
    let mut connection = Connection::open(&socket(folder.path()), ends).unwrap();
    let answer = connection.call("/runtime.v1.RuntimeService/Version", b"", limit, ends);
    (answer, connection.is_usable())
}

fn broken(says: Vec<u8>) -> String {
    match call(says, 1 << 20) {
        (Err(Failure::Broken(why)), false) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_answer_is_its_message() {
    let settings = frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]);
    let ping = frame(6, 0, 0, b"12345678");
    let other = answer(7, b"of somebody else");
    let unknown = frame(200, 255, 1, b"?");
    let says = [settings, ping, other, unknown, answer(1, b"hello")].concat();
    let (answer, is_usable) = call(says, 100);
    let answer = answer.unwrap();
    assert_eq!((answer.status, &*answer.body), (0, &b"hello"[..]));
    assert!(is_usable && answer.of_bytes.is_none());
}

#[test]
fn padding_and_continuations_are_understood() {
    let message = prefixed(b"hi");
    let mut padded = vec![3];
    padded.extend(message);
    padded.extend([0; 3]);
    let mut block = Vec::new();
    hpack::put_static(&mut block, 8);
    let mut head = vec![2, 0, 0, 0, 0, 16];
    head.extend(&block);
    head.extend([0; 2]);
    let says = [
        frame(1, 8 | 0x20, 1, &head),
        frame(9, 4, 1, b""),
        frame(0, 8, 1, &padded),
        headers(TRAILERS, 1, &[("grpc-status", "0")]),
    ];
    assert_eq!(call(says.concat(), 100).0.unwrap().body, b"hi");
}

#[test]
fn errors_are_told_in_the_trailers() {
    let list = [
        (":status", "200"),
        ("grpc-status", "5"),
        ("grpc-message", "no %22such%22 pod: 100%25 %E2%82%AC %zz"),
    ];
    let (answer, is_usable) = call(headers(TRAILERS, 1, &list), 100);
    let answer = answer.unwrap();
    assert_eq!(answer.status, 5);
    assert_eq!(answer.message, "no \"such\" pod: 100% \u{20ac} %zz");
    assert!(is_usable);
    let proxy = headers(TRAILERS, 1, &[(":status", "404")]);
    assert_eq!(broken(proxy), "HTTP status 404, no gRPC");
}

#[test]
fn resets_and_farewells_are_named() {
    let why = broken(frame(3, 0, 1, &7u32.to_be_bytes()));
    assert_eq!(why, "the server reset the call (REFUSED_STREAM)");
    let goaway = |last: u32, code: u32| {
        let payload = [
            &last.to_be_bytes()[..],
            &code.to_be_bytes(),
            b"too many pings",
        ]
        .concat();
        frame(7, 0, 0, &payload)
    };
    let why = broken(goaway(0, 11));
    assert_eq!(
        why,
        "the server goes away (ENHANCE_YOUR_CALM too many pings)"
    );
    // A server that shuts down answers what it has begun.
    let says = [goaway(1, 0), answer(1, b"last")].concat();
    let (answer, is_usable) = call(says, 100);
    assert_eq!(answer.unwrap().body, b"last");
    assert!(!is_usable);
}

#[test]
fn what_is_no_grpc_is_said_to_be_none() {
    let why = broken(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec());
    assert_eq!(why, "the server speaks HTTP/1, not gRPC");
    assert!(broken(b"\xff\xfe garbage garbage".to_vec()).contains("no HTTP/2"));
    let trailers = headers(TRAILERS, 1, &[("grpc-status", "0")]);
    assert!(broken(trailers.clone()).contains("no message"));
    let short = [frame(0, 0, 1, b"\0\0\0\0\x09abc"), trailers].concat();
    assert!(broken(short).contains("ends before it should"));
    assert!(broken(frame(0, 0, 1, b"\x01\0\0\0\x01a")).contains("compressed"));
    assert!(broken(frame(0, 1, 1, &prefixed(b"a"))).contains("no status"));
    assert!(broken(frame(5, 4, 1, b"")).contains("a push"));
    assert!(broken(frame(0, 8, 1, &[9, 0])).contains("padding"));
    assert!(
        broken(
            frame(1, 0, 1, b"")
                .into_iter()
                .chain(frame(0, 0, 1, b""))
                .collect()
        )
        .contains("continued")
    );
    let endless = [frame(1, 0, 1, b""), frame(9, 0, 1, &[0; 16384]).repeat(5)].concat();
    assert!(broken(endless).contains("without end"));
    assert!(broken(frame(1, 5, 1, b"\xff\xff\xff\xff\xff\xff")).contains("header"));
}

#[test]
fn a_message_is_cut_at_the_limit() {
    let long = b"x".repeat(100_000);
    let (answer, is_usable) = call(answer(1, &long), 1000);
    let answer = answer.unwrap();
    assert_eq!((answer.body.len(), answer.of_bytes), (1000, Some(100_000)));
    assert!(!is_usable, "the rest of it is still on its way");
}

#[test]
fn a_server_that_says_nothing_costs_the_deadline() {
    let began = Instant::now();
    assert!(matches!(
        call(Vec::new(), 9),
        (Err(Failure::TimedOut), false)
    ));
    // A ping a moment is no answer.
    let pings = frame(6, 0, 0, b"12345678").repeat(1000);
    assert!(matches!(call(pings, 9).0, Err(Failure::TimedOut)));
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_socket_without_listener_and_one_with_a_full_queue() {
    let folder = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(folder.path().join("socket")).unwrap());
    let ends = Instant::now() + Duration::from_millis(300);
    let refused = Connection::open(&socket(folder.path()), ends);
    assert!(matches!(refused, Err(Failure::Refused)));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let address = rustix::net::SocketAddrUnix::new(&path).unwrap();
    let kind = rustix::net::SocketType::STREAM;
    let listener = rustix::net::socket(rustix::net::AddressFamily::UNIX, kind, None).unwrap();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let ends = Instant::now() + Duration::from_millis(300);
    let full = Connection::open(&socket(folder.path()), ends);
    assert!(matches!(full, Err(Failure::TimedOut)));
}

/// What a worker makes of an order.
pub(super) fn work(folder: &Path, wanted: &[Wanted], patience: u32, bytes: usize) -> Vec<Part> {
    let order = Order {
        version: "v1".to_owned(),
        wanted: wanted.to_vec(),
        patience,
    };
    let told = perform(&Brief {
        root: &Root::open(folder).unwrap(),
        argument: &argument("/socket", &order),
        ends: Instant::now() + Duration::from_millis(600),
        bytes,
    });
    assert_eq!(told.outcome, Outcome::Complete);
    Part::decode(&told.bytes)
}

fn list_of(count: usize) -> Vec<u8> {
    let mut list = Vec::new();
    for number in 0..count {
        let mut pod = Vec::new();
        wire::put_bytes(&mut pod, 1, format!("{number:064}").as_bytes());
        wire::put_bytes(&mut list, 1, &pod);
    }
    list
}

#[test]
fn several_calls_are_made_on_one_connection() {
    let list = [answer(1, &list_of(1)), answer(3, b"\x0a\x00")].concat();
    let folder = server(vec![list]);
    let wanted = [
        Method::ListPodSandbox.of_all(),
        Method::ImageFsInfo.of_all(),
    ];
    let parts = work(folder.path(), &wanted, 1, 1 << 20);
    assert_eq!(parts.len(), 2);
    assert!(parts.iter().all(|part| part.outcome == Outcome::Complete));
    let json = String::from_utf8(parts[0].json.clone()).unwrap();
    assert!(json.starts_with(r#"{"items":[{"id":"000"#), "{json}");
    let json = String::from_utf8(parts[1].json.clone()).unwrap();
    assert!(json.starts_with(r#"{"status":{"containerFilesystems":[],"imageFilesystems":[{"#));
    assert_eq!(parts[1].exchange.endpoint, "/socket");
    assert_eq!(parts[1].exchange.grpc_status, Some(0));
}

#[test]
fn the_rest_is_not_asked_for_where_nobody_answers() {
    let began = Instant::now();
    let folder = server(vec![Vec::new(); 5]);
    let wanted = vec![Method::ContainerStatus.of("a"); 400];
    let parts = work(folder.path(), &wanted, 1, 1 << 20);
    assert_eq!(parts.len(), 1);
    assert!(matches!(parts[0].outcome, Outcome::TimedOut(_)));
    assert!(parts[0].is_unanswered() && !parts[0].is_refused);

    let folder = tempfile::tempdir().unwrap();
    drop(UnixListener::bind(folder.path().join("socket")).unwrap());
    let parts = work(folder.path(), &wanted, 2, 1 << 20);
    assert_eq!(parts.len(), 1);
    let why = "nothing listens on /socket: the runtime is down";
    assert_eq!(parts[0].outcome, Outcome::Failed(why.to_owned()));
    assert!(parts[0].is_refused);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_message_of_more_than_16_mib_is_kept_up_to_there() {
    let list = list_of(300_000);
    assert!(list.len() > 16 << 20);
    let folder = server(vec![answer(1, &list), answer(1, b"\x0a\x01x")]);
    let wanted = [Method::ListPodSandbox.of_all(), Method::Version.of_all()];
    let order = Order {
        version: "v1".to_owned(),
        wanted: wanted.to_vec(),
        patience: 1,
    };
    let told = perform(&Brief {
        root: &Root::open(folder.path()).unwrap(),
        argument: &argument("/socket", &order),
        ends: Instant::now() + Duration::from_secs(20),
        bytes: 256 << 20,
    });
    let parts = Part::decode(&told.bytes);
    let Outcome::Partial(why) = &parts[0].outcome else {
        panic!("{:?}", parts[0].outcome);
    };
    assert!(
        why.starts_with(&format!("a message of {} bytes", list.len())),
        "{why}"
    );
    let json: serde_json::Value = serde_json::from_slice(&parts[0].json).unwrap();
    let kept = json["items"].as_array().unwrap().len();
    assert!((240_000..260_000).contains(&kept), "{kept}");
    assert!(parts[0].cut.is_some());
    // What is left of it does not disturb the next call.
    assert_eq!(parts[1].outcome, Outcome::Complete);
}

#[test]
fn room_is_shared_by_the_answers() {
    let folder = server(vec![answer(1, &list_of(500)); 2]);
    let wanted = [
        Method::ListPodSandbox.of_all(),
        Method::ListPodSandbox.of_all(),
    ];
    let parts = work(folder.path(), &wanted, 1, 10_000);
    assert!(
        matches!(parts[0].outcome, Outcome::Partial(_)),
        "{:?}",
        parts[0].outcome
    );
    let held: usize = parts.iter().map(|part| part.json.len()).sum();
    assert!(held < 11_000, "{held}");
}
