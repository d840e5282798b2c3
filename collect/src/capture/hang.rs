//! What to do after a read that never ended: remember whose fault it was, and stop in time.

use std::path::{Path, PathBuf};

use crate::source::Hazard;
use crate::worker::Hung;

/// Workers that one source may leave stuck: the second one proves that the first was no accident.
const ABANDONED_PER_SOURCE: u32 = 2;
/// Workers left stuck after which nothing is read any more that may hang for ever ...
const ABANDONED_BEFORE_CAUTION: u32 = 8;
/// ... and after which the capture ends: each of them stays a task in state D on the node.
const ABANDONED_IN_ALL: u32 = 12;

/// File systems of the kernel itself: one file that hangs says nothing about the next.
const OF_THE_KERNEL: [&str; 10] = [
    "proc",
    "sysfs",
    "cgroup",
    "cgroup2",
    "debugfs",
    "tracefs",
    "devtmpfs",
    "securityfs",
    "pstore",
    "bpf",
];

/// Everything that hung until now.
#[derive(Debug, Default)]
pub(super) struct Hangs {
    /// How many reads did not end.
    pub(super) count: u32,
    abandoned: u32,
    /// Mount points whose file system does not answer.
    mounts: Vec<PathBuf>,
    /// Folders of processes whose memory is locked.
    processes: Vec<Vec<u8>>,
}

impl Hangs {
    /// Remembers a read that hung; `mount` is the mount point that it lies below, where it is not
    /// one of the kernel's.
    pub(super) fn add(&mut self, path: &[u8], hazard: Hazard, hung: &Hung, mount: Option<PathBuf>) {
        self.count += 1;
        self.abandoned += u32::from(hung.abandoned);
        if hazard == Hazard::Killable {
            self.processes.extend(process_folder(path));
        }
        self.mounts.extend(mount);
    }

    /// Why a path is better not read, if it is. `real` is the path with `--root` before it.
    pub(super) fn reason(&self, path: &[u8], real: &Path, hazard: Hazard) -> Option<String> {
        if self.count == 0 {
            return None;
        }
        if let Some(mount) = self.mounts.iter().find(|mount| real.starts_with(mount)) {
            let mount = mount.display();
            return Some(format!(
                "the file system at `{mount}` did not answer before"
            ));
        }
        let folder = process_folder(path).filter(|_| hazard == Hazard::Killable)?;
        let is_locked = self.processes.contains(&folder);
        is_locked.then(|| "the process did not give up its mmap lock before".to_owned())
    }

    /// Why a source of this class has to be given up, if it has.
    pub(super) fn give_up(&self, hazard: Hazard, by_source: u32) -> Option<&'static str> {
        let may_hang = matches!(hazard, Hazard::Unkillable | Hazard::Killable);
        if by_source >= ABANDONED_PER_SOURCE {
            Some("its reads hang: given up")
        } else if may_hang && self.abandoned >= ABANDONED_BEFORE_CAUTION {
            Some("reads of other sources hang: nothing is read that may hang")
        } else {
            None
        }
    }

    /// What ends the capture when too much hangs.
    pub(super) fn end_the_capture(&self) -> Option<&'static str> {
        (self.abandoned >= ABANDONED_IN_ALL).then_some("hung reads")
    }
}

/// `/proc/PID` of a path in it.
fn process_folder(path: &[u8]) -> Option<Vec<u8>> {
    let rest = path.strip_prefix(b"/proc/")?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    (digits > 0).then(|| path.iter().take(6 + digits).copied().collect())
}

/// The mount point that a path lies below, unless its file system is the kernel's own.
pub(super) fn mount_of(mountinfo: &str, path: &Path) -> Option<PathBuf> {
    let mounts = mountinfo.lines().filter_map(|line| {
        let (front, back) = line.split_once(" - ")?;
        let point = Path::new(front.split(' ').nth(4)?);
        path.starts_with(point)
            .then_some((point, back.split(' ').next()?))
    });
    // The last of those mounted over each other is the one that is seen.
    let (point, kind) = mounts.max_by_key(|(point, _)| point.as_os_str().len())?;
    (!OF_THE_KERNEL.contains(&kind)).then(|| point.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hung(abandoned: bool) -> Hung {
        Hung {
            pid: 7,
            after_us: 1,
            state: 'D',
            wait_channel: String::new(),
            stack: String::new(),
            abandoned,
        }
    }

    #[test]
    fn the_mount_is_the_longest_that_fits() {
        let mountinfo = "\
21 1 8:1 / / rw - ext4 /dev/sda1 rw
22 21 0:5 / /proc rw - proc proc rw
23 21 0:9 / /var rw - ext4 /dev/sdb rw
24 23 0:10 / /var/log/app rw - fuse.x x rw
25 21 0:11 / /variant rw - xfs x rw
broken
";
        let of = |path: &str| mount_of(mountinfo, Path::new(path));
        assert_eq!(of("/var/log/app/x.log"), Some("/var/log/app".into()));
        assert_eq!(of("/var/log/syslog"), Some("/var".into()));
        assert_eq!(of("/etc/os-release"), Some("/".into()));
        assert_eq!(
            of("/proc/1/cmdline"),
            None,
            "one process is not all of them"
        );
    }

    #[test]
    fn a_locked_process_is_asked_once() {
        let mut hangs = Hangs::default();
        let (path, other) = (b"/proc/12/cmdline", b"/proc/123/cmdline");
        hangs.add(path, Hazard::Killable, &hung(false), None);
        let reason = |path: &[u8], hazard| hangs.reason(path, Path::new("/proc"), hazard);
        assert!(reason(b"/proc/12/smaps_rollup", Hazard::Killable).is_some());
        assert!(reason(b"/proc/12/stat", Hazard::Safe).is_none());
        assert!(reason(other, Hazard::Killable).is_none());
    }

    #[test]
    fn stuck_workers_are_limited() {
        let mut hangs = Hangs::default();
        for number in 0..ABANDONED_IN_ALL {
            assert_eq!(hangs.end_the_capture(), None);
            let may_go_on = hangs.give_up(Hazard::Unkillable, 0).is_none();
            assert_eq!(may_go_on, number < ABANDONED_BEFORE_CAUTION);
            assert!(hangs.give_up(Hazard::Safe, 0).is_none());
            hangs.add(b"/x", Hazard::Unkillable, &hung(true), None);
        }
        assert!(hangs.end_the_capture().is_some());
        assert!(hangs.give_up(Hazard::Safe, ABANDONED_PER_SOURCE).is_some());
    }
}
