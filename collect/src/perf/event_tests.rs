//! The ladder on kernels that are not here.

use super::*;

/// A kernel that knows some features and answers otherwise.
fn kernel(
    unknown: &'static [Feature],
    cycles: Option<Errno>,
    clock: Option<Errno>,
) -> impl FnMut(&Attributes) -> io::Result<()> {
    move |attributes| {
        if unknown.iter().any(|feature| attributes.has(*feature)) {
            return Err(Errno::INVAL.into());
        }
        let refusal = match attributes.event {
            Event::Cycles => cycles,
            _ => clock,
        };
        refusal.map_or(Ok(()), |errno| Err(errno.into()))
    }
}

#[test]
fn a_new_kernel_gives_everything() {
    let (attributes, (), refusals) = choose(99, 0, &mut kernel(&[], None, None)).unwrap();
    assert_eq!(attributes.event, Event::Cycles);
    assert!(attributes.without.is_empty() && refusals.is_empty());
}

#[test]
fn without_performance_counters_the_clock_has_to_do() {
    for errno in [Errno::NOENT, Errno::OPNOTSUPP, Errno::BUSY, Errno::NODEV] {
        let (attributes, (), refusals) =
            choose(99, 0, &mut kernel(&[], Some(errno), None)).unwrap();
        assert_eq!(attributes.event, Event::CpuClock);
        assert_eq!(refusals.len(), 1);
        assert_eq!(refusals[0].event, Event::Cycles);
        assert_eq!(refusals[0].errno, errno.raw_os_error());
    }
}

#[test]
fn an_old_kernel_loses_the_newest_features_only() {
    use Feature::{BuildIds, Cgroups, KernelSymbols, LostCount};
    let kernels: [(&'static [Feature], &[Feature]); 4] = [
        (&[LostCount], &[LostCount]),
        (&[LostCount, BuildIds], &[LostCount, BuildIds]),
        (&[Cgroups], &[LostCount, BuildIds, Cgroups]),
        (&[KernelSymbols], &LADDER[..4]),
    ];
    for (unknown, without) in kernels {
        let found = choose(99, 0, &mut kernel(unknown, Some(Errno::NOENT), None));
        let (attributes, (), _) = found.unwrap();
        assert_eq!(attributes.without, without);
        assert!(attributes.has(Feature::Kernel));
    }
}

#[test]
fn who_may_not_look_into_the_kernel_gets_user_space() {
    let (attributes, (), refusals) = choose(99, 0, &mut |attributes: &Attributes| {
        if attributes.has(Feature::Kernel) {
            Err(Errno::ACCESS.into())
        } else {
            Ok(())
        }
    })
    .unwrap();
    assert_eq!(attributes.without, [Feature::Kernel]);
    assert_eq!(refusals.len(), 2);
}

#[test]
fn refusals_are_told() {
    let refusals = choose(
        99,
        0,
        &mut kernel(&[], Some(Errno::NOENT), Some(Errno::ACCESS)),
    );
    let refusals = refusals.unwrap_err();
    assert_eq!(refusals.len(), 3);
    assert!(is_forbidden(refusals[2].errno));
    // No file descriptor: nobody tries on.
    let mut calls = 0;
    let refusals = choose::<()>(99, 0, &mut |_| {
        calls += 1;
        Err(Errno::MFILE.into())
    });
    assert_eq!((refusals.unwrap_err().len(), calls), (1, 1));
    // Seccomp in a container without the system call.
    let refusals = choose::<()>(99, 0, &mut |_| Err(Errno::NOSYS.into())).unwrap_err();
    assert_eq!(refusals.len(), 1);
}

#[test]
fn a_kernel_without_user_stacks_gives_the_rest() {
    let found = choose(99, 8192, &mut kernel(&[Feature::UserStacks], None, None));
    let (attributes, (), _) = found.unwrap();
    assert!(!attributes.has_stacks() && attributes.without.contains(&Feature::UserStacks));
    let found = choose(99, 8192, &mut kernel(&[Feature::LostCount], None, None));
    let (attributes, (), _) = found.unwrap();
    assert!(attributes.has_stacks());
    // The file tells of records without stacks.
    let mut plain = attributes.clone();
    plain.stack_bytes = 0;
    assert_eq!(attributes.encode(), plain.encode());
    assert_ne!(
        attributes.builder().attrs().sample_type,
        plain.builder().attrs().sample_type
    );
}

#[test]
fn the_attributes_are_those_of_the_kernel_header() {
    let attributes = Attributes {
        event: Event::CpuClock,
        rate: Rate::Frequency(99),
        stack_bytes: 0,
        without: vec![],
    };
    let bytes = attributes.encode();
    assert_eq!(bytes.len(), 128);
    let u64_at = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(
        &bytes[..8],
        [1_u32.to_ne_bytes(), 128_u32.to_ne_bytes()].concat()
    );
    assert_eq!((u64_at(8), u64_at(16)), (0, 99), "cpu-clock at 99 Hz");
    // IP, TID, TIME, CALLCHAIN, CPU, PERIOD, CGROUP.
    assert_eq!(u64_at(24), 1 | 2 | 4 | 1 << 5 | 1 << 7 | 1 << 8 | 1 << 21);
    let flags = u64_at(40);
    for (bit, name) in [
        (0, "disabled"),
        (7, "exclude_idle"),
        (8, "mmap"),
        (9, "comm"),
        (10, "freq"),
        (13, "task"),
        (18, "sample_id_all"),
        (23, "mmap2"),
        (24, "comm_exec"),
        (25, "use_clockid"),
        (29, "ksymbol"),
        (30, "bpf_event"),
        (32, "cgroup"),
        (34, "build_id"),
    ] {
        assert!(flags & 1 << bit != 0, "{name}");
    }
    assert_eq!(
        flags & (1 << 5 | 1 << 1),
        0,
        "neither exclude_kernel nor inherit"
    );
    assert_eq!(bytes[92..96], 1_i32.to_ne_bytes(), "CLOCK_MONOTONIC");
}

#[test]
fn switches_are_counted_without_their_period_in_the_sample() {
    let attributes = Attributes {
        event: Event::ContextSwitches,
        rate: Rate::Period(7),
        stack_bytes: 0,
        without: vec![Feature::Cgroups],
    };
    let bytes = attributes.encode();
    let u64_at = |at: usize| u64::from_ne_bytes(bytes[at..at + 8].try_into().unwrap());
    assert_eq!(
        (u64_at(8), u64_at(16)),
        (3, 7),
        "PERF_COUNT_SW_CONTEXT_SWITCHES"
    );
    assert_eq!(
        u64_at(24),
        1 | 2 | 4 | 1 << 5 | 1 << 7,
        "neither PERIOD nor CGROUP"
    );
    let flags = u64_at(40);
    assert_eq!(
        flags & (1 << 10 | 1 << 8 | 1 << 9 | 1 << 13),
        0,
        "no frequency, no side records"
    );
    assert!(flags & 1 << 26 != 0, "context_switch");
}

#[test]
fn a_kernel_without_records_of_switches_gives_samples_alone() {
    let unknown = &[Feature::SwitchRecords];
    let found = choose_switches(&[Feature::LostCount], 7, &mut kernel(unknown, None, None));
    let (attributes, ()) = found.unwrap();
    assert_eq!(
        attributes.without,
        [Feature::LostCount, Feature::SwitchRecords]
    );
    assert_eq!(attributes.rate, Rate::Period(7));
    let refused = choose_switches::<()>(&[], 1, &mut |_| Err(Errno::ACCESS.into())).unwrap_err();
    assert_eq!(refused.event, Event::ContextSwitches);
    assert!(is_forbidden(refused.errno));
    // It is tried twice, whatever else is wrong with it.
    let mut calls = 0;
    let refused = choose_switches::<()>(&[], 1, &mut |_| {
        calls += 1;
        Err(Errno::INVAL.into())
    });
    assert_eq!(
        (refused.unwrap_err().errno, calls),
        (Errno::INVAL.raw_os_error(), 2)
    );
}
