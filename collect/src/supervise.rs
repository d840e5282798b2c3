//! The outermost process: it forks the capture, waits, and is back in time.
//!
//! The capture writes the bundle, and a disk that died blocks whoever writes to it for ever. This
//! process opens no file at all, so that whatever happens `collect` returns and says what is left.

use std::io;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::stop::Stop;
use crate::worker;

/// What the capture gets after its deadline to seal the bundle and to make it durable.
const GRACE: Duration = Duration::from_millis(1500);
/// How long it may take to die of SIGKILL.
const DEATH: Duration = Duration::from_millis(200);
/// Between two looks at the capture.
const LOOK: Duration = Duration::from_millis(20);

/// What to say when the capture does not come back.
const STUCK: &str = "\
collect: the capture did not end in time: its output does not take bytes any more. What was
finished before is in the *.partial file, which `analyze` opens.
Write elsewhere: -o /dev/shm/, or -o - | ssh";
/// What to say when it was killed.
const KILLED: &str = "\
collect: the capture was killed. What was finished before is in the *.partial file, which
`analyze` opens. Was it the OOM killer? See the kernel log.";

/// Runs `capture` in a process of its own and returns its exit code, at the latest a little after
/// the deadline. Where nothing can be forked it runs here.
pub(crate) fn supervise(deadline: Duration, capture: impl Fn() -> Code) -> ExitCode {
    let Ok(stop) = Stop::listen() else {
        return ExitCode::from(capture());
    };
    let Ok(child) = worker::fork(&capture) else {
        eprintln!("collect: no process can be forked: reads that hang will hang the capture");
        return ExitCode::from(capture());
    };
    let ends = Instant::now() + deadline + GRACE;
    let mut is_told = false;
    loop {
        match has_ended(child) {
            Ok(Some(code)) => return code,
            Ok(None) => {}
            Err(error) => {
                eprintln!("collect: lost sight of the capture: {error}");
                return ExitCode::FAILURE;
            }
        }
        if let Some(signal) = stop.number().filter(|_| !is_told) {
            let _ = kill_process(child, signal);
            is_told = true;
        }
        if Instant::now() >= ends {
            return end(child);
        }
        std::thread::sleep(LOOK);
    }
}

/// An exit code that can be passed on.
pub(crate) type Code = u8;

fn has_ended(child: Pid) -> io::Result<Option<ExitCode>> {
    match waitpid(Some(child), WaitOptions::NOHANG) {
        Ok(Some((_, status))) => Ok(Some(match status.exit_status() {
            Some(code) => ExitCode::from(code as u8),
            None => {
                eprintln!("{KILLED}");
                ExitCode::FAILURE
            }
        })),
        Ok(None) | Err(rustix::io::Errno::INTR) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Ends a capture that did not come back.
fn end(child: Pid) -> ExitCode {
    let _ = kill_process(child, Signal::KILL);
    let until = Instant::now() + DEATH;
    while Instant::now() < until {
        if waitpid(Some(child), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_some()) {
            break;
        }
        std::thread::sleep(LOOK);
    }
    eprintln!("{STUCK}");
    ExitCode::FAILURE
}
