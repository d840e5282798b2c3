//! Temporary files that no one else can open and that no crash leaves behind.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

/// Creates an empty file without a name, readable by its owner only.
pub(super) fn file() -> io::Result<File> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    loop {
        let path = name(COUNT.fetch_add(1, Ordering::Relaxed));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        match options.open(&path) {
            Ok(file) => {
                std::fs::remove_file(&path)?;
                return Ok(file);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// Hard to guess is not needed (an existing name is never opened), only rare to meet twice.
fn name(count: u64) -> PathBuf {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let nanoseconds = since.map_or(0, |since| since.subsec_nanos());
    let process = std::process::id();
    std::env::temp_dir().join(format!("freezeframe-{process}-{count}-{nanoseconds}"))
}

/// Copies a stream into a file; false where it is longer than the limit.
pub(super) fn copy(mut stream: impl Read, mut file: &File, limit: u64) -> io::Result<bool> {
    let copied = io::copy(&mut stream.by_ref().take(limit), &mut file)?;
    Ok(copied < limit || io::copy(&mut stream.take(1), &mut io::sink())? == 0)
}
