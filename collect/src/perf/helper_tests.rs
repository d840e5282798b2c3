//! Processes and files that hang.

use std::os::fd::OwnedFd;

use super::*;
use crate::perf::mounts;
use crate::perf::seen::FileKey;

fn sampling() -> Option<Sampling> {
    let sampling = Sampling::open(99, 0, &[0]);
    if sampling.is_err() {
        println!("skipped: no sampling here");
    }
    sampling.ok()
}

fn process(folder: &std::path::Path, pid: u32, comm: &str) {
    let folder = folder.join(pid.to_string());
    std::fs::create_dir_all(&folder).unwrap();
    let stat = format!("{pid} ({comm}) S 1 7 7 0 -1 0 0 0 0 0 5 6 7 8 20 0 1 0 77 0 0\n");
    std::fs::write(folder.join("stat"), stat).unwrap();
    std::fs::write(folder.join("cgroup"), "0::/pod\n").unwrap();
    std::fs::write(
        folder.join("maps"),
        "1000-2000 r-xp 00000000 08:01 5 /bin/a\n",
    )
    .unwrap();
}

fn open(folder: &std::path::Path) -> OwnedFd {
    std::fs::File::open(folder).unwrap().into()
}

#[test]
fn a_process_that_hangs_costs_its_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let Some(mut sampling) = sampling() else {
        return;
    };
    process(folder, 6, "before");
    process(folder, 8, "behind");
    let Some(_dead) = mounts::DeadMount::at(&folder.join("7"), &["all"]) else {
        return;
    };
    let mut office = Office::new(open(folder), "/".into());
    for pid in [6, 7, 8] {
        sampling.ask(pid, None);
    }
    let until = Instant::now() + Duration::from_secs(20);
    while office.is_busy(&sampling) && Instant::now() < until {
        office.work(&mut sampling);
        std::thread::sleep(Duration::from_millis(5));
    }
    office.end();
    let comm = |pid: u32| {
        sampling
            .tables
            .processes
            .get(&pid)
            .and_then(|p| p.comm.clone())
    };
    assert_eq!(
        (comm(6), comm(8)),
        (Some("before".to_owned()), Some("behind".to_owned()))
    );
    assert_eq!(comm(7), None);
    assert!(sampling.tables.processes.get(&7).unwrap().hung);
    assert_eq!(office.hung, 1);
    assert_eq!(sampling.tables.find(8, 0x1234, 1), Some((2, 0x234)));
}

#[test]
fn a_file_that_hangs_costs_its_own_names() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    // Two modules whose files are opened only now: below a dead mount, and this program.
    let mut tables = Tables::new();
    let own = std::env::current_exe().unwrap();
    let inode = std::os::unix::fs::MetadataExt::ino(&own.metadata().unwrap());
    for (pid, path, inode) in [(7, "/f", 5), (8, own.to_str().unwrap(), inode)] {
        let key = FileKey {
            major: 8,
            minor: 1,
            inode,
        };
        tables.saw_file(pid, path, key, 0, 0, None);
    }
    std::fs::create_dir_all(folder.join("8")).unwrap();
    std::fs::create_dir_all(folder.join("7")).unwrap();
    std::os::unix::fs::symlink("/", folder.join("8/root")).unwrap();
    let Some(_dead) = mounts::DeadMount::at(&folder.join("7/root"), &[]) else {
        return;
    };
    let wanted = [2, 3].map(|module| Wanted {
        module,
        hits: vec![(0x1000, 1)],
    });
    let ends = Instant::now() + Duration::from_secs(20);
    let answers = names(&tables, &wanted, &open(folder), ends);
    assert!(answers[0].is_none(), "the dead one is passed over");
    let answer = answers[1].as_ref().unwrap();
    assert_eq!(answer.why, None);
    assert!(!answer.symbols.is_empty() || !answer.unnamed.is_empty());
}
