//! The event on this machine, and what it says where there is none.

use std::os::fd::OwnedFd;

use super::*;

fn places(limit_bytes: u64) -> Places {
    let open = |path: &str| OwnedFd::from(File::open(path).unwrap());
    Places {
        proc: open("/proc"),
        system: std::fs::File::open("/sys/devices/system/cpu")
            .ok()
            .map(OwnedFd::from),
        file: tempfile::tempfile().unwrap(),
        limit_bytes,
    }
}

fn begin(window_us: u64) -> Begin {
    Begin {
        without: Vec::new(),
        window_us,
    }
}

/// Makes switches until something is due.
fn wait(watch: &Watch<'_>, until: Instant) {
    let left = || {
        watch
            .until_due()
            .min(until.saturating_duration_since(Instant::now()))
    };
    while !left().is_zero() {
        std::thread::sleep(left().min(Duration::from_millis(1)));
    }
}

/// Watches until something was seen, or it ended; nothing where it is not possible here.
fn watch(places: &Places, is_enough: fn(&Account) -> bool) -> Option<Account> {
    let mut watch = Watch::new(places, begin(10_000_000));
    let until = Instant::now() + Duration::from_secs(20);
    let is_over = |account: &Account| is_enough(account) || account.why.is_some();
    while Instant::now() < until && !is_over(&watch.account) {
        wait(&watch, until);
        watch.turn();
    }
    watch.close();
    let account = watch.report(true).account;
    if account.attributes.is_none() {
        println!("skipped: no such event here: {:?}", account.why);
        return None;
    }
    Some(account)
}

#[test]
fn slices_hold_switches() {
    let places = places(1 << 20);
    let Some(account) = watch(&places, |account| account.samples > 9) else {
        return;
    };
    assert!(account.switches_per_second.unwrap() > 0);
    assert!(account.samples > 0 && account.records > 0);
    assert!(account.cost_us > 0);
    let length = places.file.metadata().unwrap().len();
    assert_eq!(length, account.bytes);
    for (from, until) in &account.slices {
        assert!(from < until);
    }
}

#[test]
fn the_limit_of_bytes_is_told() {
    let places = places(4096);
    let Some(account) = watch(&places, |_| false) else {
        return;
    };
    assert!(account.bytes <= 4096 && account.dropped > 0);
    assert!(account.why.unwrap().contains("of records"));
}

#[test]
fn a_kernel_that_refuses_is_quoted() {
    let places = places(1 << 20);
    let mut watch = Watch::new(&places, begin(1_000_000));
    // No event has this period.
    watch.period = u64::MAX;
    watch.open();
    let report = watch.report(true);
    let refused = report.account.refused.unwrap();
    assert!(refused.errno > 0, "{refused:?}");
    assert!(
        report
            .account
            .why
            .unwrap()
            .contains("does not give the event")
    );
    assert_eq!(report.account.slices, []);
    assert!(
        watch.until_due() > Duration::from_hours(1),
        "nobody asks again"
    );
}

#[test]
fn switches_are_counted_since_boot() {
    let before = switches_since_boot(&places(0).proc).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    assert!(switches_since_boot(&places(0).proc).unwrap() > before);
    let empty = tempfile::tempdir().unwrap();
    let empty = OwnedFd::from(File::open(empty.path()).unwrap());
    assert_eq!(switches_since_boot(&empty), None);
}
