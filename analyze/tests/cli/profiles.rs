//! Profiles: bare files of pprof, and what they are exported to.

use std::path::Path;

use crate::desk::Desk;

/// A desk with a real kubelet's CPU profile on it.
fn desk() -> Desk {
    let desk = Desk::new();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/pprof");
    for name in [
        "kubelet-cpu.pb.gz",
        "kubelet-heap.pb.gz",
        "containerd-goroutine.txt",
    ] {
        desk.write(name, std::fs::read(folder.join(name)).unwrap());
    }
    desk
}

#[test]
fn the_functions_of_a_bare_profile() {
    let desk = desk();
    assert_eq!(
        desk.analyze(&["top", "kubelet-cpu.pb.gz", "-n", "2"])
            .quiet(),
        "cpu, whole program, total 990 ms, cpu at 100 Hz, within 5.0 s\n      \
         flat   flat%    sum%        cum    cum%  function\n    \
         410 ms  41.41%  41.41%     410 ms  41.41%  internal/runtime/syscall/linux.Syscall6\n    \
         100 ms  10.10%  51.52%     100 ms  10.10%  runtime.futex\n\
         and 298 more functions: --limit 0 lists all\n"
    );
    let csv = |arguments: &[&str]| {
        let all = [&["top"], arguments, &["-n", "1", "--format", "csv"]].concat();
        let text = desk.analyze(&all).quiet();
        text.lines().nth(1).unwrap().to_owned()
    };
    assert_eq!(
        csv(&["kubelet-cpu.pb.gz", "--profile", "samples", "--cum"]),
        "41,0.41414141414141414,0.41414141414141414,41,0.41414141414141414,go_runtime,\
         internal/runtime/syscall/linux.Syscall6,/usr/local/bin/kubelet"
    );
    let whole = desk.analyze(&["top", "containerd-goroutine.txt"]).quiet();
    assert!(
        whole.starts_with("goroutine, whole program, total 79\n"),
        "{whole}"
    );
    let bytes = std::fs::read(desk.path("kubelet-heap.pb.gz")).unwrap();
    let piped = desk.analyze_stream(&["top", "-"], &bytes).quiet();
    assert!(
        piped.starts_with("inuse_space, whole program, total 8.8 MiB\n"),
        "{piped}"
    );
}

#[test]
fn a_bare_profile_has_a_flamegraph_and_a_report() {
    let desk = desk();
    let drawn = desk.analyze(&[
        "flamegraph",
        "kubelet-heap.pb.gz",
        "--profile",
        "alloc_space",
    ]);
    assert_eq!(drawn.quiet(), "kubelet-heap-alloc-space.svg\n");
    assert!(desk.read("kubelet-heap-alloc-space.svg").contains("<svg"));
    for (file, profile) in [
        ("kubelet-cpu.pb.gz", "cpu"),
        ("kubelet-heap.pb.gz", "inuse_space"),
        ("containerd-goroutine.txt", "goroutine"),
    ] {
        let written = desk.analyze(&[file, "-o", "x.html"]);
        assert_eq!(written.quiet(), "x.html\n");
        let page = desk.read("x.html");
        assert!(
            page.contains(&format!("data-profile=\"{profile}\"")),
            "{file}"
        );
    }
}

#[test]
fn a_profile_goes_to_other_programs() {
    let desk = desk();
    for (format, extension, begin) in [
        ("folded", "folded", "github.com/"),
        ("speedscope", "speedscope.json", "{\"$schema\""),
        ("firefox", "firefox.json", "{\"meta\""),
    ] {
        let name = format!("kubelet-cpu-cpu.{extension}");
        let done = desk.analyze(&["export", "kubelet-cpu.pb.gz", "--to", format]);
        assert_eq!(done.quiet(), format!("{name}\n"));
        let text = desk.read(&name);
        assert!(
            text.starts_with(begin),
            "{}",
            text.chars().take(99).collect::<String>()
        );
        let piped = desk.analyze(&["export", "kubelet-cpu.pb.gz", "--to", format, "-o", "-"]);
        assert_eq!(piped.quiet(), text);
    }
    let done = desk.analyze(&[
        "export",
        "kubelet-cpu.pb.gz",
        "--to",
        "pprof",
        "-o",
        "x.pb.gz",
    ]);
    assert_eq!(done.quiet(), "x.pb.gz\n");
    let top = |file: &str| {
        desk.analyze(&["top", file, "--format", "csv", "-n", "0"])
            .quiet()
    };
    assert_eq!(top("x.pb.gz"), top("kubelet-cpu.pb.gz"));
}

#[test]
fn tables_go_to_a_folder() {
    let desk = Desk::new();
    let done = desk.analyze(&["export", "node1.tar.zst", "--to", "csv"]);
    assert_eq!((done.code, done.stdout.as_str()), (0, "node1-tables\n"));
    assert!(
        done.stderr
            .ends_with("tables have no rows and no file; `analyze tables` says why\n")
    );
    let text = desk.read("node1-tables/pressure.csv");
    assert!(
        text.starts_with("scope,resource,kind,") && text.lines().count() == 3,
        "{text}"
    );
    assert!(!desk.path("node1-tables/vmstat.csv").exists());
    let again = desk.analyze(&["export", "node1.tar.zst", "--to", "csv"]);
    assert_eq!(again.code, 1, "what is there is not written over");
}

#[test]
fn what_cannot_be_exported_says_why() {
    let desk = desk();
    let fails = |arguments: &[&str]| {
        let done = desk.analyze(arguments);
        assert!(done.code == 1 && done.stdout.is_empty(), "{arguments:?}");
        done.stderr
    };
    let export = |more: &[&str]| fails(&[&["export", "kubelet-cpu.pb.gz"], more].concat());
    assert!(export(&["--to", "perf-data"]).contains("was not recorded by perf"));
    assert!(export(&["--to", "csv", "--pid", "7"]).contains("takes no scope"));
    assert!(export(&["--to", "csv", "-o", "-"]).contains("a folder of files"));
    assert!(export(&["--to", "folded", "--pid", "7"]).contains("has no sample of: process"));
    let wrong = export(&["--to", "folded", "--profile", "sample"]);
    assert!(
        wrong.contains("did you mean `samples`? There are cpu, samples"),
        "{wrong}"
    );
    desk.write("old.pprof", "heap profile: 1: 2 [3: 4] @ heap/8\n");
    let old = desk.analyze(&["top", "old.pprof"]);
    assert_eq!(old.code, 4);
    assert!(
        old.stderr.contains("go tool pprof -proto"),
        "{}",
        old.stderr
    );
}
