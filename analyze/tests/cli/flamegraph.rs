//! `analyze flamegraph`.

use crate::desk::Desk;

/// What `perf script` prints: a web server in user space and in the kernel, and a shell.
const SCRIPT: &str = "\
nginx   100/101   [000]  10.000000:   cpu-clock: 
\tffffffff81000010 vfs_read+0x10 ([kernel.kallsyms])
\t          401000 handle+0x10 (/usr/sbin/nginx)
\t          400000 main+0x10 (/usr/sbin/nginx)

nginx   100/101   [001]  11.000000:   cpu-clock: 
\t          402000 parse+0x10 (/usr/sbin/nginx)
\t          400000 main+0x10 (/usr/sbin/nginx)

sh   200/200   [001]  12.000000:   cpu-clock: 
\t          500000 <b>&\"evil\"+0x10 (/bin/sh)

";

fn desk() -> Desk {
    let desk = Desk::new();
    desk.write("node2.script", SCRIPT);
    desk
}

#[test]
fn writes_one_svg_and_names_it() {
    let desk = desk();
    let printed = desk.analyze(&["flamegraph", "node2.script"]);
    assert_eq!(printed.code, 0, "{}", printed.stderr);
    let svg = desk.read(printed.stdout.trim());
    assert!(printed.stdout.starts_with("node2") && printed.stdout.ends_with("-cpu.svg\n"));
    for part in [
        "whole node",
        "3 samples",
        "<title>vfs_read (1 samples",
        "nginx",
    ] {
        assert!(svg.contains(part), "{part}");
    }
    assert!(!svg.contains("<b>") && svg.contains("&lt;b&gt;"));
    let again = desk.analyze(&["flamegraph", "node2.script", "-o", "-"]);
    assert!(again.stdout == svg, "same input, same bytes");
}

#[test]
fn scopes_and_looks() {
    let desk = desk();
    let draw = |flags: &[&str]| {
        let mut arguments = vec!["flamegraph", "node2.script", "-o", "-"];
        arguments.extend(flags);
        let done = desk.analyze(&arguments);
        assert_eq!(done.code, 0, "{}", done.stderr);
        done.stdout
    };
    let process = draw(&["--pid", "100"]);
    assert!(process.contains("process 100 (nginx)") && process.contains("2 samples"));
    assert!(!process.contains("evil"));
    let kernel = draw(&["--kernel"]);
    assert!(kernel.contains("kernel only") && !kernel.contains("main ("));
    assert!(draw(&["--from", "0.5", "--until", "1.5"]).contains("1 samples"));
    assert!(draw(&["--cpu", "1"]).contains("2 samples"));
    assert!(draw(&["--threads"]).contains("[101]"));
    assert!(draw(&["--icicle"]) != draw(&[]));
    let output = desk.analyze(&["flamegraph", "node2.script", "--tid", "200"]);
    assert!(output.stdout.contains("thread-200"), "{}", output.stdout);
}

#[test]
fn what_is_not_there_is_told_with_what_is() {
    let desk = desk();
    let done = desk.analyze(&["flamegraph", "node2.script", "--pod", "shop/cart-0"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr
            .contains("has no sample of: pod shop/cart-0. It has:")
            && done.stderr.contains("67 %  process 100 (nginx)"),
        "{}",
        done.stderr
    );
    let done = desk.analyze(&["flamegraph", "node2.script", "--profile", "cpuu"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("did you mean `cpu`?"),
        "{}",
        done.stderr
    );
    let done = desk.analyze(&["flamegraph", "node1.tar.zst"]);
    assert_eq!((done.code, &done.stdout[..]), (1, ""));
    assert!(
        done.stderr.contains("holds no profile: "),
        "{}",
        done.stderr
    );
}

#[test]
fn wrong_usage_and_wrong_files() {
    let desk = desk();
    let code = |arguments: &[&str]| desk.analyze(arguments).code;
    let two = ["flamegraph", "node2.script", "--pod", "a/b", "--pid", "1"];
    assert_eq!(code(&two), 2);
    let backwards = ["flamegraph", "node2.script", "--from", "3", "--until", "1"];
    assert_eq!(code(&backwards), 1);
    assert_eq!(code(&["flamegraph", "nowhere.tar.zst"]), 4);
}
