//! `fork`: with `kernel_calls` the only unsafe code of the collector.

#![expect(unsafe_code, reason = "no library offers fork without it")]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// Exit code of a copy that panicked.
const PANICKED: u8 = 101;

/// Runs `child` in a copy of this process, which ends with the code that it returns; gives the pid
/// of the copy. The copy does not outlive this process.
pub(crate) fn fork(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    let parent = getpid();
    // SAFETY: after a fork only the calling thread exists in the copy, so locks that other threads
    // held stay locked there. The collector forks before it starts any thread, and glibc makes its
    // own locks (malloc, stdio) usable in the copy in any case.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let run = || {
                let bound = set_parent_process_death_signal(Some(Signal::KILL));
                // The parent may have ended between the two calls.
                if bound.is_err() || getppid() != Some(parent) {
                    return PANICKED;
                }
                child()
            };
            let code = catch_unwind(AssertUnwindSafe(run)).unwrap_or(PANICKED);
            // SAFETY: `_exit` does not return and touches no memory. Destructors and buffers belong
            // to the parent, which runs and flushes its own.
            unsafe { libc::_exit(code.into()) }
        }
        pid => Pid::from_raw(pid).ok_or_else(|| io::Error::other("fork returned no pid")),
    }
}
