//! The kernel's ring buffer, with sequence numbers and the kernel's own clock.
//!
//! `/dev/kmsg` gives one record per read (kernel doc `ABI/testing/dev-kmsg`), from the oldest that
//! is left; `EPIPE` means that the next one has been overwritten meanwhile.

use std::io::{self, Read};
use std::time::{Duration, Instant};

use freezeframe_bundle::Outcome;

use crate::root;
use crate::source::{Brief, Cx, Estimate, Hazard, Privacy, Source, Told};

const DEVICE: &str = "/dev/kmsg";
/// Longest record: `CONSOLE_EXT_LOG_MAX` of the kernel.
const RECORD_BYTES: usize = 8192;
/// The largest ring that `log_buf_len` commonly asks for.
const LIMIT_BYTES: usize = 16 << 20;

/// The source.
pub(crate) static SOURCE: Source = Source {
    id: "kernel_log",
    order: 60,
    about: "the kernel's ring buffer with sequence numbers and monotonic time",
    reads: &["/dev/kmsg"],
    hazard: Hazard::Safe,
    privacy: Privacy::Text,
    deadline: Duration::from_secs(5),
    max_bytes: LIMIT_BYTES as u64,
    estimate: Estimate::Fixed(1),
    capture,
    again: None,
    each_second: &[],
    calls: &[records],
};

fn capture(cx: &mut Cx<'_>) -> Result<(), Outcome> {
    cx.call(0, b"", "kernel/kmsg");
    Ok(())
}

/// Reads record after record until none is left.
fn records(brief: &Brief<'_>) -> Told {
    let mut file = match brief.root.file(DEVICE.as_bytes()) {
        Ok(file) => file,
        Err(error) => {
            return Told::none(match root::outcome(&error) {
                Outcome::Denied(_) => {
                    Outcome::Denied("needs CAP_SYSLOG, or kernel.dmesg_restrict = 0".to_owned())
                }
                other => other,
            });
        }
    };
    let mut log = Vec::new();
    let mut record = vec![0; RECORD_BYTES];
    let mut overwritten = 0;
    let outcome = loop {
        if Instant::now() >= brief.ends || log.len() + RECORD_BYTES > brief.bytes {
            break Outcome::Partial("the newest messages are missing: limit reached".to_owned());
        }
        match file.read(&mut record) {
            Ok(0) => break Outcome::Complete,
            Ok(length) => log.extend_from_slice(record.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Outcome::Complete,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => overwritten += 1,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => break Outcome::Partial(format!("reading ended early: {error}")),
        }
    };
    let outcome = match (overwritten, outcome) {
        (1.., Outcome::Complete) => {
            Outcome::Partial(format!("overwritten {overwritten} times while it was read"))
        }
        (_, outcome) => outcome,
    };
    Told {
        bytes: log,
        outcome,
        cut: None,
    }
}
