//! Why the kernel gives no samples, and what would help. It says EACCES or EPERM for half a dozen
//! reasons; which one it is can be told from how this process stands.

use freezeframe_bundle::Outcome;
use rustix::fd::OwnedFd;
use rustix::fs::{Mode, openat};
use rustix::io::Errno;
use rustix::process::getpid;
use serde::{Deserialize, Serialize};

use super::assistant::READ;
use super::event::Refusal;
use super::settings::Settings;
use crate::cost;

/// `CAP_SYS_ADMIN` and `CAP_PERFMON` (Linux 5.8) of `linux/capability.h`.
const SAMPLING: u64 = 1 << 21 | 1 << 38;
/// `SECCOMP_MODE_FILTER`.
const FILTERED: u64 = 2;

/// How the sampler stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// What forbids it to sample, if anything does.
    obstacle: Obstacle,
    /// System calls are filtered by seccomp.
    is_filtered: bool,
}

/// What can be in the way, the most likely first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Obstacle {
    NoCapability,
    /// Its capabilities are those of a user namespace, which do not count.
    UserNamespace,
    Filter,
    /// Of the kind `confidentiality`.
    Lockdown,
    /// None of these: only a security module is left.
    SecurityModule,
}

impl Standing {
    /// `system` is `/sys/devices/system/cpu`.
    pub(crate) fn read(system: Option<&OwnedFd>) -> Self {
        let status = cost::file_of(getpid(), "status").unwrap_or_default();
        let user_ids = cost::file_of(getpid(), "uid_map").unwrap_or_default();
        let path = "../../../kernel/security/lockdown";
        let lockdown = system.and_then(|folder| {
            let file = openat(folder, path, READ, Mode::empty()).ok()?;
            let mut text = [0; 64];
            let count = rustix::io::read(&file, &mut text).ok()?;
            Some(String::from_utf8_lossy(text.get(..count)?).into_owned())
        });
        Self::of(&status, &user_ids, &lockdown.unwrap_or_default())
    }

    /// Out of `status` and `uid_map` (proc(5)) and `lockdown`: `none integrity [confidentiality]`.
    fn of(status: &str, user_ids: &str, lockdown: &str) -> Self {
        let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
        let capabilities = field("CapEff:").map(str::trim);
        let capabilities = capabilities.and_then(|mask| u64::from_str_radix(mask, 16).ok());
        let seccomp = field("Seccomp:").and_then(|mode| mode.trim().parse().ok());
        let is_filtered = seccomp == Some(FILTERED);
        // The first namespace has all ids as they are.
        let mut user_ids = user_ids.split_ascii_whitespace().peekable();
        let is_first = user_ids.peek().is_none() || user_ids.eq(["0", "0", "4294967295"]);
        let obstacle = if capabilities.is_none_or(|mask| mask & SAMPLING == 0) {
            Obstacle::NoCapability
        } else if !is_first {
            Obstacle::UserNamespace
        } else if is_filtered {
            Obstacle::Filter
        } else if lockdown.contains("[confidentiality]") {
            Obstacle::Lockdown
        } else {
            Obstacle::SecurityModule
        };
        Self {
            obstacle,
            is_filtered,
        }
    }
}

/// Why there is no profile, and what would help.
pub(crate) fn outcome(refusals: &[Refusal], settings: Settings, standing: Standing) -> Outcome {
    let Some(last) = refusals.last() else {
        return Outcome::Failed("no event was tried".to_owned());
    };
    match Errno::from_raw_os_error(last.errno) {
        Errno::ACCESS | Errno::PERM => Outcome::Denied(forbidden(settings, standing)),
        Errno::NOSYS if standing.is_filtered => Outcome::Denied(FILTER.to_owned()),
        Errno::NOSYS => Outcome::Absent("this kernel has no perf_event_open".to_owned()),
        Errno::MFILE | Errno::NFILE => Outcome::Failed(
            "no file descriptor left for a ring buffer per CPU: raise ulimit -n".to_owned(),
        ),
        Errno::NOMEM => Outcome::Failed("no memory left for a ring buffer per CPU".to_owned()),
        _ => Outcome::Failed(format!("no event can be sampled: {}", last.error)),
    }
}

const FILTER: &str = "a seccomp filter refuses perf_event_open: run it without, in a pod with \
                      privileged: true or seccompProfile.type: Unconfined";

fn forbidden(settings: Settings, standing: Standing) -> String {
    match standing.obstacle {
        Obstacle::NoCapability => {
            let paranoid = settings.perf_event_paranoid.unwrap_or(-1);
            format!(
                "sampling all CPUs needs CAP_PERFMON (before Linux 5.8 CAP_SYS_ADMIN), which this process \
                 does not have, and kernel.perf_event_paranoid is {paranoid}: run as root, in a pod with \
                 privileged: true"
            )
        }
        Obstacle::UserNamespace => {
            "the capabilities of a user namespace do not count: run it in that of \
                                    the node, in a pod with hostUsers: true"
                .to_owned()
        }
        Obstacle::Filter => FILTER.to_owned(),
        Obstacle::Lockdown => {
            "the kernel is locked down (confidentiality), which can be changed at boot \
                               only (lockdown=integrity)"
                .to_owned()
        }
        Obstacle::SecurityModule => {
            "a security module (SELinux: class perf_event) refuses it: in a pod \
                                     privileged: true, or a type that may, as spc_t"
                .to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::event::Event;
    use super::*;

    const WHOLE: &str = "         0          0 4294967295\n";

    fn status(capabilities: &str, seccomp: u8) -> String {
        format!(
            "Name:\tcollect\nCapEff:\t{capabilities}\nSeccomp:\t{seccomp}\nSeccomp_filters:\t1\n"
        )
    }

    fn said(errno: Errno, standing: Standing) -> Outcome {
        let refusal = Refusal {
            event: Event::CpuClock,
            errno: errno.raw_os_error(),
            error: "words".to_owned(),
        };
        let settings = Settings {
            perf_event_paranoid: Some(3),
            ..Settings::default()
        };
        outcome(&[refusal], settings, standing)
    }

    #[test]
    fn each_reason_has_its_remedy() {
        let (root, docker) = ("000001ffffffffff", "00000000a80425fb");
        let privileged = Standing::of(
            &status(root, 0),
            WHOLE,
            "none [integrity] confidentiality\n",
        );
        let cases = [
            (
                Standing::of(&status(docker, 2), WHOLE, ""),
                "perf_event_paranoid is 3: run as root",
            ),
            (
                Standing::of(&status(root, 2), WHOLE, ""),
                "seccompProfile.type: Unconfined",
            ),
            (
                Standing::of(&status(root, 0), "0 100000 65536\n", ""),
                "hostUsers: true",
            ),
            (
                Standing::of(
                    &status(root, 0),
                    WHOLE,
                    "none integrity [confidentiality]\n",
                ),
                "lockdown=integrity",
            ),
            (privileged, "SELinux"),
        ];
        for (standing, remedy) in cases {
            for errno in [Errno::ACCESS, Errno::PERM] {
                let Outcome::Denied(why) = said(errno, standing) else {
                    panic!("{standing:?}");
                };
                assert!(why.contains(remedy), "{why}");
            }
        }
    }

    #[test]
    fn other_answers_are_not_denials() {
        let filtered = Standing::of(&status("0", 2), WHOLE, "");
        assert!(matches!(said(Errno::NOSYS, filtered), Outcome::Denied(_)));
        let plain = Standing::of(&status("0", 0), WHOLE, "");
        assert!(matches!(said(Errno::NOSYS, plain), Outcome::Absent(_)));
        for errno in [Errno::MFILE, Errno::NOMEM, Errno::INVAL] {
            assert!(matches!(said(errno, plain), Outcome::Failed(_)));
        }
        let none = outcome(&[], Settings::default(), plain);
        assert!(matches!(none, Outcome::Failed(_)));
    }
}
