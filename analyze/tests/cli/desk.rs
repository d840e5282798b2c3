//! A folder with a bundle, and the binary run in it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use freezeframe_bundle::{Capture, Clocks, Cost, EntryRecord, Kind, Outcome, Summary, Writer};

/// A laptop's folder with `node1.tar.zst` in it.
pub(crate) struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    /// A node whose tasks waited for I/O through half of the window of 10 s.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let desk = Self { folder };
        desk.write("node1.tar.zst", bundle());
        desk
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Names of the files, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    pub(crate) fn analyze(&self, arguments: &[&str]) -> Done {
        self.command(arguments)
            .stdin(Stdio::null())
            .output()
            .unwrap()
            .into()
    }

    /// With bytes on standard input.
    pub(crate) fn analyze_stream(&self, arguments: &[&str], input: &[u8]) -> Done {
        let mut command = self.command(arguments);
        let pipes = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = pipes.spawn().unwrap();
        // A program that does not read its input is no failure of this one.
        let _ = child.stdin.take().unwrap().write_all(input);
        child.wait_with_output().unwrap().into()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        analyze(self.folder.path(), arguments)
    }

    /// A finding file of one's own that fires on this bundle.
    pub(crate) fn finding(&self, id: &str, severity: &str) {
        let text = include_str!("../../src/finding/sample.md");
        let text = text.replace("severity = \"high\"", &format!("severity = \"{severity}\""));
        self.write(&format!("findings/{id}.md"), text);
    }
}

fn analyze(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_analyze"));
    command.args(arguments).current_dir(folder);
    // Help is as wide as the terminal, or as this says.
    command.env_remove("COLUMNS");
    command
}

/// What the binary did.
pub(crate) struct Done {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl From<Output> for Done {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Done {
    /// It succeeded without a word to the person.
    pub(crate) fn quiet(self) -> String {
        assert_eq!((self.code, &self.stderr[..]), (0, ""), "{}", self.stdout);
        self.stdout
    }
}

pub(crate) fn capture() -> Capture {
    let clocks = Clocks {
        realtime_us: 1_704_067_200_000_000,
        boottime_us: 5_000_000,
        monotonic_us: 5_000_000,
    };
    Capture {
        collector: "0.1.0".into(),
        node: "node1".into(),
        started: clocks,
        kernel_release: "6.1.0".into(),
        kernel_version: "#1 SMP".into(),
        machine: "x86_64".into(),
        page_size_bytes: 4096,
        ticks_per_second: 100,
        command_line: vec!["collect".into()],
        root: "/".into(),
        window_seconds: 10,
        deadline_seconds: 60,
        redaction: "default".into(),
        ..Capture::default()
    }
}

pub(crate) fn summary() -> Summary {
    Summary {
        finished: true,
        ended_by: "plan".into(),
        ended: capture().started,
        sources: Vec::new(),
        cost: Cost::default(),
        batches: Vec::new(),
    }
}

pub(crate) fn record(path: &str, started_us: u64, outcome: Outcome) -> EntryRecord {
    EntryRecord {
        path: path.into(),
        source: "pressure".into(),
        outcome,
        started_us,
        took_us: 10,
        bytes: 0,
        sha256: None,
        kind: Kind::File,
        cut: None,
        redactions: BTreeMap::new(),
    }
}

pub(crate) fn bundle() -> Vec<u8> {
    let mut writer = Writer::new(Vec::new(), "node1-20240101T000000Z", &capture()).unwrap();
    let text = |total: u32| {
        format!(
            "some avg10=50.00 avg60=0.00 avg300=0.00 total={total}\nfull avg10=50.00 avg60=0.00 avg300=0.00 total={total}\n"
        )
    };
    let first = record("root/proc/pressure/io", 5_000_000, Outcome::Complete);
    writer.entry(first, text(100).as_bytes()).unwrap();
    let denied = Outcome::Denied("run as root".into());
    writer
        .note(&record("root/proc/vmstat", 5_000_100, denied))
        .unwrap();
    writer.end_batch().unwrap();
    let later = record("window/10/proc/pressure/io", 15_000_000, Outcome::Complete);
    writer.entry(later, text(5_000_100).as_bytes()).unwrap();
    writer.seal(summary()).unwrap()
}
