//! A small profile for tests.

use super::{Frame, FrameKind, Profile, Sample, Task, Unit};

/// A frame of this kind.
pub fn frame(function: &str, kind: FrameKind) -> Frame {
    Frame {
        function: function.to_owned(),
        module: match kind {
            FrameKind::Kernel => "vmlinux".to_owned(),
            FrameKind::User | FrameKind::GoRuntime => "/usr/bin/cart".to_owned(),
            FrameKind::Generated | FrameKind::Mark => String::new(),
        },
        kind,
        is_named: true,
    }
}

fn task(pid: u32, tid: u32, process: &str, thread: &str) -> Task {
    Task {
        pid: Some(pid),
        tid: Some(tid),
        process: process.to_owned(),
        thread: thread.to_owned(),
        ..Task::default()
    }
}

/// Adds a sample of these frames, outermost first.
pub fn sample(profile: &mut Profile, time_ns: u64, task: u32, frames: &[(&str, FrameKind)]) {
    let ids: Vec<_> = frames
        .iter()
        .map(|(name, kind)| profile.symbols.intern(frame(name, *kind)))
        .collect();
    let stack = profile.stacks.intern(ids);
    profile.samples.push(Sample {
        time_ns: Some(time_ns),
        cpu: Some(task % 2),
        task,
        stack,
        weight: 1,
    });
    profile.frames_total += frames.len() as u64;
}

/// Six samples in six seconds of a pod with two threads, a unit and a kernel thread.
pub fn profile() -> Profile {
    use FrameKind::{Generated, GoRuntime, Kernel, User};
    let second = |n: u64| 5_000_000_000 + n * 1_000_000_000;
    let mut profile = Profile::new("cpu", "cpu-clock", Unit::Count, "perf/perf.data");
    profile.frequency_hz = Some(99);
    profile.span_ns = Some((second(0), second(6)));
    profile.cpus = Some(2);
    let cart = Task {
        cgroup: Some("/kubepods/burstable/pod0b3e6a39/7f3ac0ffee00aa".to_owned()),
        container_id: Some("7f3ac0ffee00aa".to_owned()),
        container: Some("cart".to_owned()),
        pod_uid: Some("0b3e6a39-0c52-4f0c-a4b9-1f3d0c1d9f10".to_owned()),
        pod: Some("shop/cart-0".to_owned()),
        ..task(100, 100, "cart", "cart")
    };
    let worker = Task {
        tid: Some(101),
        thread: "worker".to_owned(),
        ..cart.clone()
    };
    let kubelet = Task {
        cgroup: Some("/system.slice/kubelet.service".to_owned()),
        unit: Some("kubelet.service".to_owned()),
        ..task(50, 52, "kubelet", "kubelet")
    };
    let kernel = Task {
        cgroup: Some("/".to_owned()),
        ..task(9, 9, "kworker/0:1", "kworker/0:1")
    };
    profile.tasks = vec![cart, worker, kubelet, kernel];
    let read = [("main", User), ("read", User), ("vfs_read", Kernel)];
    sample(&mut profile, second(0), 0, &read);
    sample(
        &mut profile,
        second(1),
        0,
        &[("main", User), ("hash", User)],
    );
    sample(
        &mut profile,
        second(2),
        1,
        &[("loop", User), ("jitted", Generated)],
    );
    let go = [("main.sync", User), ("runtime.mallocgc", GoRuntime)];
    sample(&mut profile, second(3), 2, &go);
    sample(&mut profile, second(4), 2, &go);
    sample(
        &mut profile,
        second(5),
        3,
        &[("kthread", Kernel), ("flush", Kernel)],
    );
    profile
}
