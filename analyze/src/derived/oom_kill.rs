//! Processes killed for memory: the lines of each report put together.
//!
//! ```text
//! java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=985
//! memory: usage 131072kB, limit 131072kB, failcnt 1234
//! oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=/kubepods/..,task_memcg=/kubepods/..,task=java,pid=50624,uid=10000
//! Memory cgroup out of memory: Killed process 50624 (java) total-vm:..kB, anon-rss:..kB, file-rss:..kB, shmem-rss:..kB, UID:10000 pgtables:..kB oom_score_adj:985
//! ```
//!
//! Kernels before 4.19 have no `oom-kill:` line; EL7 says `Killed process 787161 (node), UID 1000,
//! total-vm:..`, `Kill process 4242 (java) score 900 or sacrifice child`, and `Task in /a killed as a
//! result of limit of /b`. The beginning of a report may have been overwritten in the ring.

use crate::table::identity::identify;
use crate::table::{Derived, Node, Rows, Store, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "oom_kill",
    about: "processes that the kernel killed for memory",
    columns: &[
        text(
            "scope",
            "`node`: the node ran out; `cgroup`: a group met its limit",
        ),
        text(
            "constraint",
            "NONE, MEMCG, CPUSET or MEMORY_POLICY; null on kernels that do not say",
        ),
        int("victim_pid", ""),
        text("victim_comm", ""),
        int("victim_uid", ""),
        text("oom_cgroup", "the group that met its limit"),
        text("task_cgroup", "the victim's group"),
        text("pod_uid", "of the victim"),
        text("container_id", "of the victim"),
        text("namespace", "of the victim's pod"),
        text("pod", "its name"),
        text("container", "name of the victim's container"),
        int("total_vm_bytes", "address space of the victim"),
        int("anon_rss_bytes", "its memory"),
        int("file_rss_bytes", "files mapped by it"),
        int("shmem_rss_bytes", "shared memory mapped by it"),
        int("oom_score_adjust", ""),
        int("usage_bytes", "of the group"),
        int("limit_bytes", "of the group"),
        text("invoked_by", "whose allocation failed"),
        int("ts_us", "on the kernel's clock"),
        int("age_us", "before the capture began"),
    ],
    needs: &["kernel_message"],
    rank: 0,
    build,
};

/// What was told since the last victim.
#[derive(Default)]
struct Report {
    invoked_by: Option<String>,
    constraint: Option<String>,
    oom_cgroup: Option<String>,
    task_cgroup: Option<String>,
    uid: Option<i64>,
    usage_bytes: Option<i64>,
    limit_bytes: Option<i64>,
}

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    let Some(messages) = store.get("kernel_message") else {
        return;
    };
    let mut report = Report::default();
    for row in 0..messages.len() {
        let Some(message) = messages.text(row, "message") else {
            continue;
        };
        if let Some((comm, _)) = message.split_once(" invoked oom-killer:") {
            report = Report {
                invoked_by: Some(comm.to_owned()),
                ..Report::default()
            };
        } else if let Some(rest) = message.strip_prefix("memory: usage ") {
            report.usage_bytes = kilobytes(rest);
            report.limit_bytes = rest
                .split_once("limit ")
                .and_then(|(_, limit)| kilobytes(limit));
        } else if let Some(rest) = message.strip_prefix("oom-kill:") {
            report.oom_kill_line(rest);
        } else if let Some((task, limit)) = killed_as_result(message) {
            report.constraint = Some("MEMCG".to_owned());
            report.task_cgroup = Some(task.to_owned());
            report.oom_cgroup = Some(limit.to_owned());
        } else if let Some((before, rest)) = message.split_once("Killed process ") {
            let victim = Victim::parse(rest);
            let by_cgroup =
                before.contains("Memory cgroup") || report.constraint.as_deref() == Some("MEMCG");
            if let Some(victim) = victim {
                let entry = messages.text(row, "entry").unwrap_or_default();
                let times = (messages.int(row, "ts_us"), messages.int(row, "age_us"));
                report.add(
                    &victim,
                    by_cgroup,
                    entry,
                    messages.int(row, "line"),
                    times,
                    rows,
                );
            }
            // More victims of the same group follow with memory.oom.group; a new report begins with
            // `invoked`.
            report.uid = None;
        }
    }
}

impl Report {
    /// `constraint=CONSTRAINT_MEMCG,nodemask=(null),...`: values hold commas, so split at keys.
    fn oom_kill_line(&mut self, rest: &str) {
        let value = |key: &str| {
            let (_, tail) = rest.split_once(&format!("{key}="))?;
            let end = [
                ",nodemask=",
                ",cpuset=",
                ",mems_allowed=",
                ",global_oom",
                ",oom_memcg=",
                ",task_memcg=",
                ",task=",
                ",pid=",
                ",uid=",
            ]
            .iter()
            .filter_map(|key| tail.find(key))
            .min();
            Some(tail.get(..end.unwrap_or(tail.len()))?.to_owned())
        };
        self.constraint =
            value("constraint").map(|c| c.trim_start_matches("CONSTRAINT_").to_owned());
        self.oom_cgroup = value("oom_memcg");
        self.task_cgroup = value(",task_memcg");
        self.uid = value(",uid").and_then(|uid| uid.trim().parse().ok());
    }

    fn add(
        &self,
        victim: &Victim,
        by_cgroup: bool,
        entry: &str,
        line: Option<i64>,
        (ts_us, age_us): (Option<i64>, Option<i64>),
        rows: &mut Rows,
    ) {
        let identity = self
            .task_cgroup
            .as_deref()
            .map(identify)
            .unwrap_or_default();
        rows.add(entry, line)
            .set("scope", if by_cgroup { "cgroup" } else { "node" })
            .set("constraint", self.constraint.as_deref())
            .set("victim_pid", victim.pid)
            .set("victim_comm", victim.comm.as_str())
            .set("victim_uid", victim.uid.or(self.uid))
            .set("oom_cgroup", self.oom_cgroup.as_deref())
            .set("task_cgroup", self.task_cgroup.as_deref())
            .set("pod_uid", identity.pod_uid)
            .set("container_id", identity.container_id)
            .set("total_vm_bytes", victim.total_vm)
            .set("anon_rss_bytes", victim.anon)
            .set("file_rss_bytes", victim.file)
            .set("shmem_rss_bytes", victim.shmem)
            .set("oom_score_adjust", victim.adjust)
            .set("usage_bytes", self.usage_bytes.filter(|_| by_cgroup))
            .set("limit_bytes", self.limit_bytes.filter(|_| by_cgroup))
            .set("invoked_by", self.invoked_by.as_deref())
            .set("ts_us", ts_us)
            .set("age_us", age_us);
    }
}

struct Victim {
    pid: i64,
    comm: String,
    uid: Option<i64>,
    total_vm: Option<i64>,
    anon: Option<i64>,
    file: Option<i64>,
    shmem: Option<i64>,
    adjust: Option<i64>,
}

impl Victim {
    /// `50624 (java) total-vm:1kB, ...` or `787161 (node), UID 1000, total-vm:1kB, ...`.
    fn parse(rest: &str) -> Option<Self> {
        let (pid, rest) = rest.split_once(" (")?;
        // A command may hold parentheses: it ends before what always follows.
        let end = rest
            .find(") total-vm")
            .or_else(|| rest.find("), UID"))
            .or_else(|| rest.rfind(')'))?;
        let (comm, rest) = rest.split_at(end);
        let after = |key: &str| rest.split_once(key).map(|(_, value)| value);
        Some(Self {
            pid: pid.trim_end_matches(',').parse().ok()?,
            comm: comm.to_owned(),
            uid: after("UID:").or_else(|| after("UID ")).and_then(number),
            total_vm: after("total-vm:").and_then(kilobytes),
            anon: after("anon-rss:").and_then(kilobytes),
            file: after("file-rss:").and_then(kilobytes),
            shmem: after("shmem-rss:").and_then(kilobytes),
            adjust: after("oom_score_adj:").and_then(number),
        })
    }
}

/// `Task in /a killed as a result of limit of /b`.
fn killed_as_result(message: &str) -> Option<(&str, &str)> {
    message
        .strip_prefix("Task in ")?
        .split_once(" killed as a result of limit of ")
}

fn number(text: &str) -> Option<i64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '-')
        .unwrap_or(text.len());
    text.get(..end)?.parse().ok()
}

fn kilobytes(text: &str) -> Option<i64> {
    number(text)?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    const COLUMNS: [&str; 8] = [
        "scope",
        "constraint",
        "victim_pid",
        "victim_comm",
        "victim_uid",
        "pod_uid",
        "anon_rss_bytes",
        "limit_bytes",
    ];

    fn rows(lines: &[&str]) -> String {
        let kmsg: String = (0..)
            .zip(lines)
            .map(|(n, line)| format!("6,{n},{n}000,-;{line}\n"))
            .collect();
        csv(
            &derive("oom_kill", &[("kernel/kmsg", kmsg.as_bytes())]),
            &COLUMNS,
        )
    }

    #[test]
    fn a_container_at_its_limit() {
        let pod = "28fcb1a0-a45c-44e7-b9bf-e3b9360bedba";
        assert_eq!(
            rows(&[
                "java invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=985",
                "memory: usage 131072kB, limit 131072kB, failcnt 1234",
                &format!(
                    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=0,2-4,cpuset=3e5e,mems_allowed=0-1,oom_memcg=/kubepods/burstable/pod{pod},task_memcg=/kubepods/burstable/pod{pod}/3e5e,task=java,pid=50624,uid=10000"
                ),
                "Memory cgroup out of memory: Killed process 50624 (java) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:10000 pgtables:1kB oom_score_adj:985",
            ]),
            format!("cgroup,MEMCG,50624,java,10000,{pod},4096,134217728\n")
        );
    }

    #[test]
    fn the_node_ran_out() {
        assert_eq!(
            rows(&[
                "sh invoked oom-killer: gfp_mask=0x1",
                "oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/a,task=x,pid=4242,uid=0",
                "Out of memory: Killed process 4242 (a) b) total-vm:8kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:1kB oom_score_adj:0",
            ]),
            "node,NONE,4242,a) b,0,,4096,\n"
        );
    }

    #[test]
    fn el7_and_an_overwritten_beginning() {
        assert_eq!(
            rows(&[
                "Task in /docker/abc killed as a result of limit of /docker/abc",
                "Killed process 787161 (node), UID 1000, total-vm:612960kB, anon-rss:77084kB, file-rss:13696kB, shmem-rss:0kB",
            ]),
            "cgroup,MEMCG,787161,node,1000,,78934016,\n"
        );
        assert_eq!(
            rows(&[
                "Memory cgroup out of memory: Killed process 9 (x) total-vm:8kB, anon-rss:4kB, file-rss:0kB"
            ]),
            "cgroup,,9,x,,,4096,\n"
        );
    }
}
