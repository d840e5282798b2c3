//! How the collector stands on the node: what it may do, and what it takes care of not to do.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::cost;

/// A capability (linux/capability.h): its number, its name, and what is not seen without it.
struct Capability {
    number: u32,
    name: &'static str,
    gives: &'static str,
}

/// Those that a whole capture takes. All of them come with root, or with `privileged: true`.
const CAPABILITIES: [Capability; 4] = [
    Capability {
        number: 2,
        name: "CAP_DAC_READ_SEARCH",
        gives: "files of other users",
    },
    Capability {
        number: 19,
        name: "CAP_SYS_PTRACE",
        gives: "programs, open files, I/O and variables of other users' processes",
    },
    Capability {
        number: 21,
        name: "CAP_SYS_ADMIN",
        gives: "kernel stacks of blocked threads, the profile of all CPUs",
    },
    Capability {
        number: 34,
        name: "CAP_SYSLOG",
        gives: "the kernel log",
    },
];

/// Lower than any workload's, higher than what is never killed.
///
/// The collector is small by design (`--max-memory`), so its death would give the node nothing, and
/// the evidence of why the node is out of memory is what it came for. It stays killable: the kernel
/// may take it when nothing else is left.
const OOM_SCORE_ADJUSTMENT: &str = "-500";

/// The capabilities that are missing in a mask as `/proc/PID/status` prints it, and what each gives.
pub(crate) fn lacks(capabilities: &str) -> Vec<String> {
    let Ok(mask) = u64::from_str_radix(capabilities, 16) else {
        return Vec::new();
    };
    let missing = CAPABILITIES
        .iter()
        .filter(|one| mask >> one.number & 1 == 0);
    missing
        .map(|one| format!("{}: {}", one.name, one.gives))
        .collect()
}

/// What a pod without the node's processes lacks. Process 2 of a node is the kernel's `kthreadd`.
pub(crate) fn lacks_processes(stat_of_2: Option<&[u8]>) -> Option<String> {
    let is_kthreadd = stat_of_2.is_some_and(|stat| stat.starts_with(b"2 (kthreadd)"));
    (!is_kthreadd).then(|| "hostPID: processes of the node outside of this container".to_owned())
}

/// Takes care of memory: a mistake of this program must not cost the node any, and the node's
/// trouble is not to be solved by killing it. CPU time is shared as for any program: on a starved
/// node a polite collector would see nothing before its deadline, and it needs a second or two.
pub(crate) fn settle(max_memory_bytes: u64) {
    let limit = |resource, wanted: u64| {
        let hard = getrlimit(resource).maximum;
        let current = Some(hard.map_or(wanted, |hard| wanted.min(hard)));
        let _ = setrlimit(
            resource,
            Rlimit {
                current,
                maximum: hard,
            },
        );
    };
    // Heap and private mappings; what exceeds it dies, and with workers that is one entry.
    limit(Resource::Data, max_memory_bytes);
    // A core dump of the collector would hold what it read.
    limit(Resource::Core, 0);
    // Without the right to lower it, it stays as it is.
    cost::set_oom_score_adjustment(OOM_SCORE_ADJUSTMENT);
    // The binary may lie on the disk that died: what was read of it stays in memory.
    let _ = rustix::mm::mlockall(rustix::mm::MlockAllFlags::CURRENT);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named() {
        assert!(lacks("000001ffffffffff").is_empty());
        assert_eq!(lacks("0000000000000000").len(), CAPABILITIES.len());
        let docker = lacks("00000000a80425fb");
        assert!(docker.iter().any(|one| one.starts_with("CAP_SYS_PTRACE")));
        assert!(lacks("nonsense").is_empty());
        assert!(lacks_processes(Some(b"2 (kthreadd) S 0 0 0")).is_none());
        assert!(lacks_processes(Some(b"2 (nginx) S 1 1 1")).is_some());
        assert!(lacks_processes(None).is_some());
    }
}
