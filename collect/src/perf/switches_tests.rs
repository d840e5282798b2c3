//! What is told of switches.

use super::*;

fn attributes() -> Attributes {
    Attributes {
        event: Event::ContextSwitches,
        rate: Rate::Period(7),
        stack_bytes: 0,
        without: vec![Feature::LostCount],
    }
}

#[test]
fn what_was_not_watched_is_absent_with_the_reason() {
    let switched = Switched::nothing("no process could be forked".to_owned());
    let absent = Outcome::Absent("no process could be forked".to_owned());
    assert_eq!(switched.outcome(), absent);
    let meta = switched.meta();
    assert_eq!(meta["why"], "no process could be forked");
    assert_eq!(meta["event"], "context-switches");
    assert!(meta["period"].is_null() && meta["slices_us"].as_array().unwrap().is_empty());
}

#[test]
fn a_refusal_is_quoted() {
    let error = io::Error::from(rustix::io::Errno::ACCESS);
    let mut switched = Switched::nothing("refused".to_owned());
    switched.account.refused = Some(Refusal::new(Event::ContextSwitches, &error));
    let meta = switched.meta();
    assert_eq!(meta["refused"]["errno"], 13);
    assert_eq!(meta["refused"]["event"], "context-switches");
}

#[test]
fn what_is_missing_makes_it_partial() {
    let account = Account {
        attributes: Some(attributes()),
        slices: vec![(10, 30), (50, 55)],
        ..Account::default()
    };
    let mut switched = Switched {
        account,
        ..Switched::default()
    };
    assert_eq!(switched.outcome(), Outcome::Complete);
    let meta = switched.meta();
    assert_eq!(
        (&meta["enabled_us"], &meta["period"]),
        (&25.into(), &7.into())
    );
    assert_eq!(meta["without"][0], "lost_count");
    switched.account.lost = 3;
    switched.account.why = Some("more than 24 MiB of records".to_owned());
    let why = "more than 24 MiB of records, 3 records lost".to_owned();
    assert_eq!(switched.outcome(), Outcome::Partial(why));
}

/// A process that watches and one that does not answer.
#[test]
fn one_that_hangs_is_left_alone() {
    let proc = OwnedFd::from(File::open("/proc").unwrap());
    let mut watcher = Watcher::hire(&proc, None).unwrap();
    let Ok(mut sampling) = Sampling::open(99, 0, &[0]) else {
        println!("skipped: no sampling here");
        return;
    };
    // It was never told to begin, so that it waits for ever.
    let switched = watcher_end(watcher, &mut sampling);
    assert_eq!(switched.account.why.unwrap(), "its process hung");
    // One without the kernel's side has nothing to tell.
    watcher = Watcher::hire(&proc, None).unwrap();
    watcher.begin(&[Feature::Kernel], 1);
    let switched = watcher_end(watcher, &mut sampling);
    assert_eq!(
        switched.account.why.unwrap(),
        "only user space may be sampled"
    );
    // One that is gone.
    watcher = Watcher::hire(&proc, None).unwrap();
    watcher.begin(&[], 1);
    kill_process(watcher.pid, Signal::KILL).unwrap();
    let switched = watcher_end(watcher, &mut sampling);
    assert_eq!(switched.account.why.unwrap(), "its process is gone");
}

fn watcher_end(watcher: Watcher, sampling: &mut Sampling) -> Switched {
    let ends = Instant::now() + Duration::from_millis(50);
    watcher.end(sampling, ends)
}
