//! Rings, CPUs, counts.

use super::*;

#[test]
fn processors_come_and_go() {
    let Ok(mut sampling) = Sampling::open(99, 0, &[0]) else {
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
    assert_eq!(cpu.online_us, Some(5));
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
