use super::*;
use crate::profile::corpus::folded;
use crate::table::testing::{node, run};

fn stack(profile: &mut Profile, functions: &[&str]) -> StackId {
    let ids: Vec<_> = functions
        .iter()
        .map(|function| profile.symbols.intern(kernel(function)))
        .collect();
    profile.stacks.intern(ids)
}

#[test]
fn a_signal_ends_some_waits() {
    let blocked = [
        &[
            "schedule",
            "io_schedule",
            "folio_wait_bit",
            "folio_wait_writeback",
        ][..],
        &[
            "__schedule",
            "schedule",
            "request_wait_answer",
            "fuse_statfs",
        ],
        &["schedule", "rwsem_down_write_slowpath", "down_write"],
        &["schedule_preempt_disabled", "__mutex_lock.constprop.0"],
        &["schedule", "schedule_timeout", "wait_for_completion"],
    ];
    for functions in blocked {
        assert!(is_uninterruptible(functions), "{functions:?}");
    }
    let sleeping = [
        &["schedule", "futex_do_wait", "futex_wait"][..],
        &[
            "schedule",
            "schedule_hrtimeout_range",
            "poll_schedule_timeout",
        ],
        &[
            "schedule",
            "__mutex_lock.constprop.0",
            "__mutex_lock_interruptible_slowpath",
        ],
        &["schedule", "wait_for_completion_interruptible"],
        &["io_schedule", "io_cqring_wait"],
        &["schedule", "worker_thread", "kthread"],
        &[],
    ];
    for functions in sleeping {
        assert!(!is_uninterruptible(functions), "{functions:?}");
    }
}

#[test]
fn waits_stand_under_their_state_and_the_stuck_are_added() {
    const D: &[u8] = b"7 (df) D 1 7 7 0 -1 4194560 1 0 3 0 2 5 0 0 20 0 4 0 8000 8192 2 0 0\n";
    const STACK: &[u8] = b"[<0>] odd_wait+0x1/0x2\n[<0>] odd_call+0x1/0x2\n";
    let threads = run(
        "thread",
        &[
            ("root/proc/7/cgroup", b"0::/system.slice/a.service\n"),
            ("root/proc/7/task/9/stat", D),
            ("root/proc/7/task/9/stack", STACK),
            ("window/10/proc/7/task/9/stat", D),
            ("window/10/proc/7/task/9/stack", STACK),
        ],
    );
    let store = Store::from([("thread", threads.0)]);
    let mut profile = Profile::new("blocked", "context-switches", Unit::Nanoseconds, "e");
    profile.span_ns = Some((0, 10_000));
    profile.tasks.push(Task {
        tid: Some(5),
        thread: "sh".to_owned(),
        ..Task::default()
    });
    // Outermost first. The second is one that the kernel said was blocked in another thread.
    for functions in [
        &["do_futex", "futex_do_wait", "schedule"][..],
        &["odd_call", "odd_wait", "schedule"],
        &["vfs_fsync", "folio_wait_bit", "io_schedule", "schedule"],
    ] {
        let stack = stack(&mut profile, functions);
        profile.samples.push(Sample {
            time_ns: Some(1),
            cpu: None,
            task: 0,
            stack,
            weight: 7,
        });
    }
    let mut profiles = vec![profile];
    finish(&mut profiles, &store, &node());
    let expected = [
        ("df;[D];[the whole window];odd_call;odd_wait", 10_000),
        ("sh;[D];odd_call;odd_wait", 7),
        ("sh;[D];vfs_fsync;folio_wait_bit", 7),
        ("sh;[S];do_futex;futex_do_wait", 7),
    ];
    let expected = expected.map(|(stack, weight)| (stack.to_owned(), weight));
    assert_eq!(
        folded(&profiles[0]).into_iter().collect::<Vec<_>>(),
        expected
    );
    let stuck = profiles[0].tasks.last().unwrap();
    assert_eq!(stuck.unit.as_deref(), Some("a.service"));
    assert!(profiles[0].notes[0].starts_with("1 threads waited at one place"));

    // Without switches the readings alone make a profile, of the capture's window.
    let mut alone = Vec::new();
    finish(&mut alone, &store, &node());
    assert_eq!(alone[0].name, "blocked");
    assert_eq!(alone[0].total(), 10_000_000_000);
}
