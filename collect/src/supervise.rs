//! The outermost process: it forks the capture, waits, and is back in time.
//!
//! The capture writes the bundle, and a disk that died blocks whoever writes to it for ever. This
//! process opens no file at all, so that whatever happens `collect` returns and says what is left.
//! What the capture says goes through pipes: one that is stuck must not keep those open that
//! somebody waits for the end of.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group, pidfd_open, setpgid,
    waitpid,
};

use crate::stop::Stop;
use crate::worker;

/// What the capture gets after its deadline to seal the bundle and to make it durable.
const GRACE: Duration = Duration::from_millis(1500);
/// How long it may take to die of SIGKILL.
const DEATH: Duration = Duration::from_millis(200);
/// Between two looks at signals and the clock.
const LOOK: Duration = Duration::from_millis(50);
/// Before Linux 5.3 the end of a process wakes nobody up.
const LOOK_WITHOUT_HANDLE: Duration = Duration::from_millis(5);

/// What to say when the capture does not come back.
const STUCK: &str = "\
collect: the capture did not end in time and was given up: perhaps its output takes no bytes any
more. What was finished before is in the *.partial file, which `analyze` opens.
Write elsewhere: -o /dev/shm, or -o - | ssh";
/// What to say when it was killed.
const KILLED: &str = "\
collect: the capture was killed. What was finished before is in the *.partial file, which
`analyze` opens. Was it the OOM killer? See the kernel log.";

/// An exit code that can be passed on.
pub(crate) type Code = u8;

/// Runs `capture` in a process of its own and returns its exit code, at the latest a little after
/// the deadline. Where nothing can be forked it runs here. `is_streaming`: standard output takes
/// the bundle, which does not go through this process.
pub(crate) fn supervise(
    deadline: Duration,
    is_streaming: bool,
    capture: impl Fn(&Stop) -> Code,
) -> ExitCode {
    // The copy inherits the handlers: no signal is lost between two moments of listening.
    let stop = match Stop::listen() {
        Ok(stop) => stop,
        Err(error) => {
            eprintln!("collect: cannot listen for signals: {error}");
            return ExitCode::FAILURE;
        }
    };
    let Ok(mut child) = Child::fork(&stop, is_streaming, &capture) else {
        eprintln!("collect: no process can be forked: a read that hangs will hang the capture");
        return ExitCode::from(capture(&stop));
    };
    let ends = Instant::now() + deadline + GRACE;
    let mut is_told = false;
    loop {
        child.listen();
        match child.has_ended() {
            Ok(Some(code)) => return code,
            Ok(None) => {}
            Err(error) => {
                eprintln!("collect: lost sight of the capture: {error}");
                return ExitCode::FAILURE;
            }
        }
        if let Some(signal) = stop.number().filter(|_| !is_told) {
            let _ = kill_process(child.pid, signal);
            is_told = true;
        }
        if Instant::now() >= ends {
            return child.end();
        }
    }
}

/// The capture's process.
struct Child {
    pid: Pid,
    handle: Option<OwnedFd>,
    stdout: PipeReader,
    stderr: PipeReader,
}

impl Child {
    fn fork(stop: &Stop, is_streaming: bool, capture: &impl Fn(&Stop) -> Code) -> io::Result<Self> {
        let (stdout, theirs_out) = io::pipe()?;
        let (stderr, theirs_err) = io::pipe()?;
        let pid = worker::fork(|| {
            // A group of its own: all that it forks can be ended while it cannot.
            let _ = setpgid(None, None);
            redirect(is_streaming, &theirs_out, &theirs_err);
            let code = capture(stop);
            let _ = io::stdout().flush();
            code
        })?;
        Ok(Self {
            pid,
            handle: pidfd_open(pid, PidfdFlags::empty()).ok(),
            stdout,
            stderr,
        })
    }

    /// Waits a moment for something that it says, or for its end, and passes it on.
    fn listen(&mut self) {
        let time = if self.handle.is_some() {
            LOOK
        } else {
            LOOK_WITHOUT_HANDLE
        };
        let handle = self.handle.as_ref().map(AsFd::as_fd);
        let [said, complained] = wait([self.stdout.as_fd(), self.stderr.as_fd()], handle, time);
        if said {
            pass_on(&mut self.stdout, &mut io::stdout());
        }
        if complained {
            pass_on(&mut self.stderr, &mut io::stderr());
        }
        if !said && !complained && self.handle.is_none() {
            std::thread::sleep(LOOK_WITHOUT_HANDLE);
        }
    }

    fn has_ended(&mut self) -> io::Result<Option<ExitCode>> {
        let status = match waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => status,
            Ok(None) | Err(rustix::io::Errno::INTR) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // What it said last is still in the pipes.
        pass_on_rest(&mut self.stdout, &mut io::stdout());
        pass_on_rest(&mut self.stderr, &mut io::stderr());
        let code = status.exit_status();
        if code.is_none() {
            eprintln!("{KILLED}");
        }
        Ok(Some(ExitCode::from(code.map_or(1, |code| code as u8))))
    }

    /// Ends a capture that did not come back.
    fn end(self) -> ExitCode {
        let _ = kill_process_group(self.pid, Signal::KILL);
        let until = Instant::now() + DEATH;
        while Instant::now() < until {
            if waitpid(Some(self.pid), WaitOptions::NOHANG).is_ok_and(|ended| ended.is_some()) {
                break;
            }
            std::thread::sleep(LOOK_WITHOUT_HANDLE);
        }
        eprintln!("{STUCK}");
        ExitCode::FAILURE
    }
}

/// Lets this process speak into pipes.
fn redirect(is_streaming: bool, stdout: &PipeWriter, stderr: &PipeWriter) {
    if !is_streaming {
        let _ = rustix::stdio::dup2_stdout(stdout);
    }
    let _ = rustix::stdio::dup2_stderr(stderr);
}

/// Waits for bytes in either pipe or for the end of a process; which pipe has bytes.
fn wait(pipes: [BorrowedFd<'_>; 2], process: Option<BorrowedFd<'_>>, time: Duration) -> [bool; 2] {
    let time = Timespec {
        tv_sec: 0,
        tv_nsec: time.subsec_nanos().into(),
    };
    let watched = pipes.into_iter().chain(process);
    let mut watched: Vec<_> = watched
        .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
        .collect();
    let _ = poll(&mut watched, Some(&time));
    let has_bytes = |place: usize| {
        let events = watched.get(place).map(PollFd::revents);
        events.is_some_and(|events| events.contains(PollFlags::IN))
    };
    [has_bytes(0), has_bytes(1)]
}

fn pass_on(from: &mut PipeReader, to: &mut impl Write) {
    let mut bytes = [0; 4096];
    if let Ok(count) = from.read(&mut bytes) {
        // Nobody may be listening; the bundle matters more.
        let _ = to.write_all(bytes.get(..count).unwrap_or_default());
        let _ = to.flush();
    }
}

fn pass_on_rest(from: &mut PipeReader, to: &mut impl Write) {
    while wait([from.as_fd(), from.as_fd()], None, Duration::ZERO)[0] {
        pass_on(from, to);
    }
}
