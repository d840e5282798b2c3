//! `fork`: with `kernel_calls` the only unsafe code of the collector.

#![expect(unsafe_code, reason = "no library offers fork without it")]

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, Signal, getpid, getppid, set_parent_process_death_signal};

/// The system call. glibc's own `fork` brings name resolution into a static binary, for the sake of
/// locks that a process with one thread does not need.
#[cfg(not(test))]
fn copy() -> libc::c_long {
    // SAFETY: without flags but the signal that tells of its end, and without a stack of its own, the
    // copy is an ordinary fork. Only the calling thread exists in it, and the collector has no other
    // thread that could hold a lock, of malloc or of anything else.
    unsafe { libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0) }
}

/// Tests run in threads, so that glibc has to make its locks usable in the copy.
#[cfg(test)]
fn copy() -> libc::c_long {
    // SAFETY: as above; what other threads of the tests held besides glibc's locks is not used.
    unsafe { libc::fork() }.into()
}

/// Exit code of a copy that panicked.
const PANICKED: u8 = 101;

/// Runs `child` in a copy of this process, which ends with the code that it returns; gives the pid
/// of the copy. The copy does not outlive this process.
pub(crate) fn fork(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    let parent = getpid();
    match copy() {
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
        pid => i32::try_from(pid)
            .ok()
            .and_then(Pid::from_raw)
            .ok_or_else(|| io::Error::other("fork returned no pid")),
    }
}
