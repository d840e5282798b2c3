use std::io::Cursor;

use super::*;
use crate::profile::corpus::folded;
use crate::profile::perf_data::Limits;
use crate::profile::perf_data::testing::{File, IN, KERNEL, OUT, OUT_PREEMPTED};

/// Seconds of a window of ten.
const SECOND: u64 = 1_000_000_000;

fn profile(file: &File, slices: &[(u64, u64)]) -> Profile {
    let mut file = PerfData::open(Cursor::new(file.bytes()), Limits::default()).unwrap();
    let mut space = Space::new(None);
    for (address, name) in [(0x10, "pipe_read"), (0x20, "fsync"), (0x30, "cond_resched")] {
        let kernel = crate::profile::modules::KERNEL;
        space.modules.range(kernel, address, address + 0x10, name);
    }
    space.processes.name(7, 0, "df");
    space.processes.name(8, 0, "sh");
    space.sort();
    let micro = |(from, until): &(u64, u64)| (from * SECOND / 1000, until * SECOND / 1000);
    let watched = Watched {
        period: Some(7),
        slices_us: slices.iter().map(micro).collect(),
        ..Watched::default()
    };
    read(&mut file, &mut space, &watched, Some((0, 10 * SECOND)), "e").unwrap()
}

fn seconds(profile: &Profile) -> Vec<(String, u64)> {
    let folded = folded(profile).into_iter();
    folded.map(|(stack, ns)| (stack, ns / SECOND)).collect()
}

#[test]
fn time_off_the_cpu_is_divided_among_the_samples_of_a_thread() {
    let task = [7, 7];
    let mut file = File::default();
    // Waits of 1 s, 3 s and 2 s, of which the first two have a sample; 1 s for others.
    file.sample(task, SECOND, &[KERNEL, 0x11])
        .switch(task, SECOND, OUT)
        .switch(task, 2 * SECOND, IN)
        .sample(task, 3 * SECOND, &[KERNEL, 0x21])
        .switch(task, 3 * SECOND, OUT)
        .switch(task, 6 * SECOND, IN)
        .switch(task, 7 * SECOND, OUT)
        .switch(task, 9 * SECOND, IN)
        .sample(task, 9 * SECOND, &[KERNEL, 0x31])
        .switch(task, 9 * SECOND, OUT_PREEMPTED)
        .switch(task, 10 * SECOND, IN);
    let profile = profile(&file, &[(0, 10)]);
    let expected = [
        ("df;[preempted];cond_resched", 1),
        ("df;fsync", 4),
        ("df;pipe_read", 1),
    ];
    assert_eq!(seconds(&profile), expected.map(|(s, n)| (s.to_owned(), n)));
    assert_eq!(profile.total(), 7 * SECOND);
    assert_eq!(profile.unit, Unit::Nanoseconds);
}

#[test]
fn slices_stand_for_the_window() {
    let mut file = File::default();
    // It waits all the time but is seen in two slices; it comes back in the second.
    file.sample([7, 7], SECOND, &[KERNEL, 0x11])
        .switch([7, 7], SECOND, OUT)
        .switch([7, 7], 7 * SECOND, IN)
        // It comes first: it was away since the slice began, nobody knows where.
        .switch([8, 8], 2 * SECOND, IN)
        .switch([8, 8], 2 * SECOND + 1, OUT)
        .exit([8, 8], 2 * SECOND);
    let profile = profile(&file, &[(1, 3), (6, 8)]);
    // 2 s and 1 s of 4 s; 1 s of 4 s.
    let expected = [("df;pipe_read", 7), ("sh;[not sampled]", 2)];
    assert_eq!(seconds(&profile), expected.map(|(s, n)| (s.to_owned(), n)));
    let notes = profile.notes.join(" ");
    assert!(notes.contains("in 2 slices, 40 % of the window"), "{notes}");
    assert!(
        notes.contains("One switch of 7 has a call chain"),
        "{notes}"
    );
}

#[test]
fn what_was_lost_is_no_wait() {
    let mut file = File::default();
    file.switch([7, 7], SECOND, OUT);
    let mut lost = [0_u64, 5].map(u64::to_le_bytes).concat();
    lost.extend([0; 8]);
    lost.extend((2 * SECOND).to_le_bytes());
    lost.extend([0; 8]);
    file.record(2, 0, &lost).switch([7, 7], 3 * SECOND, IN);
    assert_eq!(seconds(&profile(&file, &[(0, 10)])), []);
}

#[test]
fn no_thread_is_off_longer_than_the_window() {
    let mut file = File::default();
    for n in 0..50_u64 {
        let time = n * SECOND / 10;
        file.sample([7, 7], time, &[KERNEL, 0x11])
            .switch([7, 7], time, OUT)
            .switch([7, 7], time + 1, if n % 2 == 0 { IN } else { OUT });
    }
    assert!(profile(&file, &[(0, 10)]).total() <= 10 * SECOND);
    // Slices without end, one within the other.
    let wild = profile(&file, &[(0, 10), (0, 10), (5, u64::MAX / SECOND)]);
    assert!(wild.total() > 0);
    let bytes = file.bytes();
    for at in (0..bytes.len()).step_by(13) {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0xff;
        if let Ok(mut data) = PerfData::open(Cursor::new(bytes), Limits::default()) {
            let mut space = Space::new(None);
            read(&mut data, &mut space, &Watched::default(), None, "e");
        }
    }
}
