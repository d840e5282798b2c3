//! Addresses in their own time.

use super::*;

fn record(pid: u32, start: u64, path: &'static str, time: u64) -> MappingRecord<'static> {
    MappingRecord {
        pid,
        start,
        length: 0x1000,
        offset: 0x2000,
        build_id: Some(&[7; 20]),
        file: None,
        path: path.as_bytes(),
        time,
    }
}

#[test]
fn an_address_is_looked_up_in_its_own_time() {
    let mut tables = Tables::new();
    tables.fork(10, 1, 5);
    tables.exec(10, 10, b"a");
    assert!(tables.map(&record(10, 0x1000, "/bin/a", 10)));
    assert_eq!(tables.find(10, 0x1234, 11), Some((2, 0x2234)));
    assert_eq!(tables.find(10, 0x2000, 11), None);
    // A child has what its parent has, until it executes something else.
    tables.fork(11, 10, 20);
    assert_eq!(tables.find(11, 0x1234, 21), Some((2, 0x2234)));
    tables.exec(11, 30, b"b");
    assert!(tables.map(&record(11, 0x1000, "/bin/b", 30)));
    assert_eq!(tables.find(11, 0x1234, 31), Some((3, 0x2234)));
    assert_eq!(tables.find(11, 0x1234, 29), Some((2, 0x2234)));
}

#[test]
fn generated_code_is_named_by_address() {
    let mut tables = Tables::new();
    tables.map(&record(10, 0x7000, "//anon", 1));
    assert_eq!(tables.find(10, 0x7010, 2), Some((2, 0x7010)));
    assert_eq!(tables.modules[2].kind, Kind::PerfMap { pid: 10 });
}

#[test]
fn what_is_seen_later_is_joined() {
    let mut tables = Tables::new();
    tables.map(&record(10, 0x1000, "/bin/a", 10));
    let key = FileKey {
        major: 8,
        minor: 1,
        inode: 5,
    };
    let seen = SeenMapping {
        start: 0x1000,
        end: 0x2000,
        offset: 0x2000,
        key: Some(key),
        path: "/bin/a (deleted)".into(),
    };
    tables.saw_mapping(10, &seen);
    let (module, offset) = tables.find(10, 0x1001, 11).unwrap();
    assert_eq!((module, offset), (3, 0x2001));
    assert_eq!(tables.canonical(2), 3);
    assert_eq!(tables.modules[3].build_id.as_deref(), Some(&[7; 20][..]));
    assert!(tables.modules[3].is_deleted);
}

#[test]
fn records_of_other_cpus_come_out_of_order() {
    let mut tables = Tables::new();
    tables.exec(10, 10, b"a");
    tables.map(&record(10, 0x1000, "/bin/a", 11));
    tables.fork(10, 1, 9);
    let process = &tables.processes[&10];
    assert_eq!((process.parent, process.forked), (1, Some(9)));
    assert_eq!(process.comm.as_deref(), Some("a"));
    assert_eq!(tables.find(10, 0x1234, 12), Some((2, 0x2234)));
    // Another one with the same pid.
    tables.fork(10, 1, 20);
    assert_eq!(tables.find(10, 0x1234, 21), None);
}
