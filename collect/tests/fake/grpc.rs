//! A container runtime that answers as a test wants it to, over HTTP/2 by hand.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};

use super::FakeNode;

/// What it does with a call.
pub(crate) enum Reply {
    /// Its message.
    Message(Vec<u8>),
    /// A status of gRPC that is no success.
    Status(&'static str),
    /// Nothing, ever.
    Silence,
}

/// Serves on containerd's socket of a node; calls are told by their paths.
pub(crate) fn serve(node: &FakeNode, reply: impl Fn(&str) -> Reply + Send + Sync + 'static) {
    let folder = node.root().join("run/containerd");
    std::fs::create_dir_all(&folder).unwrap();
    let listener = UnixListener::bind(folder.join("containerd.sock")).unwrap();
    let reply = std::sync::Arc::new(reply);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let reply = reply.clone();
            std::thread::spawn(move || talk(stream.unwrap(), &*reply));
        }
    });
}

fn talk(mut stream: UnixStream, reply: &dyn Fn(&str) -> Reply) {
    let mut call = 1u32;
    let mut space = [0; 16 << 10];
    while let Ok(count @ 1..) = stream.read(&mut space) {
        let text = String::from_utf8_lossy(&space[..count]);
        // A path in the headers ends where the next header begins.
        let Some((_, path)) = text.split_once("/runtime.") else {
            continue;
        };
        let path: String = path
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || "./".contains(*c))
            .collect();
        let answer = match reply(&path) {
            Reply::Message(message) => {
                let length = (message.len() as u32).to_be_bytes();
                let data = [&[0], &length[..], &message].concat();
                let mut answer = frame(1, 4, call, &header(":status", "200"));
                for part in data.chunks(16 << 10) {
                    answer.extend(frame(0, 0, call, part));
                }
                answer.extend(frame(1, 5, call, &header("grpc-status", "0")));
                answer
            }
            Reply::Status(status) => {
                let block = [header(":status", "200"), header("grpc-status", status)];
                frame(1, 5, call, &block.concat())
            }
            Reply::Silence => Vec::new(),
        };
        if stream.write_all(&answer).is_err() {
            return;
        }
        call += 2;
    }
}

fn header(name: &str, value: &str) -> Vec<u8> {
    let (length, lengths) = (name.len() as u8, value.len() as u8);
    let name = [&[0, length], name.as_bytes()].concat();
    [&name[..], &[lengths], value.as_bytes()].concat()
}

fn frame(kind: u8, flags: u8, call: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &call.to_be_bytes(), payload].concat()
}
