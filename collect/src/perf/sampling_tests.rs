//! Rings, CPUs, counts.

use super::*;

#[test]
fn a_ring_holds_twice_what_comes_between_two_drains() {
    for frequency in [1, 99, 250, 251, 999] {
        let between = frequency as usize / 4 * 1100;
        assert!(ring_bytes(frequency) >= between * 3 / 2, "{frequency} Hz");
    }
}

#[test]
fn processors_come_and_go() {
    let Ok(mut sampling) = Sampling::open(99, &[0]) else {
        println!("skipped: no sampling here");
        return;
    };
    sampling.enable().unwrap();
    sampling.follow(&[0, 1], 5);
    let Some(cpu) = sampling.cpus.get(1) else {
        println!("skipped: one CPU only");
        return;
    };
    assert_eq!((cpu.number, cpu.offline_us), (1, None));
    sampling.follow(&[0], 7);
    assert_eq!(sampling.cpus[1].offline_us, Some(7));
    sampling.follow(&[0, 1], 9);
    assert_eq!(sampling.cpus.len(), 3, "the event of before counts no more");
    sampling.follow(&[], 11);
    assert_eq!(
        sampling.cpus[0].offline_us, None,
        "a list that cannot be read says nothing"
    );
    // One that is not there.
    sampling.follow(&[0, 1, 4095], 13);
    assert_eq!(sampling.cpus.len(), 3);
    sampling.end();
    assert!(
        sampling
            .cpus
            .iter()
            .all(|cpu| cpu.lost == Some(0) || cpu.lost.is_none())
    );
}
