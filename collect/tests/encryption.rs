//! Encrypted bundles, read with the age library as the age tool would.

#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod fake;

use std::io::Read;
use std::time::Duration;

use age::secrecy::ExposeSecret;
use age::x25519::Identity;
use fake::{FakeNode, collect, read, stderr};
use freezeframe_bundle::verify;

fn decrypt(bytes: &[u8], identity: &Identity) -> Vec<u8> {
    let decryptor = age::Decryptor::new(bytes).unwrap();
    let mut stream = decryptor
        .decrypt(std::iter::once(identity as &dyn age::Identity))
        .unwrap();
    let mut plain = Vec::new();
    // A file without its end gives what is before it.
    let _ = stream.read_to_end(&mut plain);
    plain
}

#[test]
fn only_the_recipients_can_read_it() {
    let node = FakeNode::new();
    let (one, other, stranger) = (
        Identity::generate(),
        Identity::generate(),
        Identity::generate(),
    );
    let recipients = [one.to_public().to_string(), other.to_public().to_string()];
    let output = collect(node.folder.path())
        .args(["--window", "0", "--encrypt-to", &recipients[0]])
        .args(["--encrypt-to", &recipients[1], "--root"])
        .arg(node.root())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let name = String::from_utf8(output.stdout).unwrap();
    assert!(name.trim_end().ends_with(".tar.zst.age"), "{name}");
    let bytes = std::fs::read(node.folder.path().join(name.trim_end())).unwrap();
    for identity in [&one, &other] {
        let path = node.folder.path().join("plain.tar.zst");
        std::fs::write(&path, decrypt(&bytes, identity)).unwrap();
        let (report, contents) = verify::verify(&path).unwrap();
        assert!(report.is_sound(), "{report:?}");
        assert!(contents.summary.unwrap().finished);
    }
    let decryptor = age::Decryptor::new(&bytes[..]).unwrap();
    let refused = decryptor.decrypt(std::iter::once(&stranger as &dyn age::Identity));
    assert!(refused.is_err());
    assert!(!stranger.to_string().expose_secret().is_empty());
}

#[test]
fn a_killed_capture_leaves_its_batches() {
    let node = FakeNode::new();
    for pid in 2..200 {
        node.process(pid, "worker", "S");
    }
    let identity = Identity::generate();
    let mut child = collect(node.folder.path())
        .args([
            "--window",
            "30",
            "-q",
            "-o",
            "x.tar.zst.age",
            "--encrypt-to",
        ])
        .arg(identity.to_public().to_string())
        .arg("--root")
        .arg(node.root())
        .spawn()
        .unwrap();
    // Three chunks have left it: `capture.json`, the first reading, and what came after.
    let partial = node.folder.path().join("x.tar.zst.age.partial");
    while !partial.metadata().is_ok_and(|m| m.len() > 3 * 65_552) {
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let bytes = std::fs::read(node.folder.path().join("x.tar.zst.age.partial")).unwrap();
    let path = node.folder.path().join("plain.tar.zst");
    std::fs::write(&path, decrypt(&bytes, &identity)).unwrap();
    let (items, contents) = read(&path);
    assert!(contents.capture.is_some() && contents.summary.is_none());
    assert!(items.len() > 600, "{} items", items.len());
}

#[test]
fn what_is_no_recipient_is_refused() {
    let node = FakeNode::new();
    let output = node.collect(&["--encrypt-to", "age1nonsense"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("recipient"), "{}", stderr(&output));
}
