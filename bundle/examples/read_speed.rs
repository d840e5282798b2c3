//! How long it takes to read a bundle: `read_speed BUNDLE`. Without an argument it makes one of
//! 200,000 entries first, `read_speed.tar.zst` in the folder for temporary files; compare with
//! `time sh -c 'zstd -dc BUNDLE | tar -t | wc -l'`.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use freezeframe_bundle::{
    Capture, Clocks, Cost, EntryRecord, Kind, Outcome, Reader, Summary, Writer, verify,
};

fn main() -> Result<(), Box<dyn Error>> {
    let path = match std::env::args_os().nth(1) {
        Some(path) => PathBuf::from(path),
        None => make()?,
    };
    println!("{}", path.display());
    for _ in 0..3 {
        let began = Instant::now();
        let (mut items, mut bytes) = (0_u64, 0);
        let reader = Reader::open(&path)?;
        reader.read(&mut |item| {
            items += 1;
            if let freezeframe_bundle::Item::Entry(entry) = item {
                bytes += entry.bytes.len();
            }
        });
        println!(
            "read    {items} items, {bytes} bytes: {:?}",
            began.elapsed()
        );
    }
    let began = Instant::now();
    let (report, _) = verify::verify(&path)?;
    println!("verify  {} intact: {:?}", report.intact, began.elapsed());
    Ok(())
}

/// Files as `/proc/<pid>` has them: some hundred bytes of text that repeats itself.
fn make() -> Result<PathBuf, Box<dyn Error>> {
    let path = std::env::temp_dir().join("read_speed.tar.zst");
    let began = Instant::now();
    write(&path)?;
    println!("written in {:?}", began.elapsed());
    Ok(path)
}

fn write(path: &Path) -> Result<(), Box<dyn Error>> {
    let clocks = Clocks::default();
    let capture = Capture {
        node: "node1".into(),
        started: clocks,
        page_size_bytes: 4096,
        ticks_per_second: 100,
        root: "/".into(),
        deadline_seconds: 60,
        ..Capture::default()
    };
    let mut writer = Writer::new(File::create(path)?, "node1-20240101T000000Z", &capture)?;
    for n in 0..200_000_u64 {
        let mut text = format!("Name:\tworker-{}\nPid:\t{n}\n", n % 37);
        while text.len() < 300 {
            let value = n.wrapping_mul(6_364_136_223_846_793_005) >> (text.len() % 40);
            let length = text.len();
            writeln!(text, "VmField{length}:\t{value:8} kB")?;
        }
        let record = EntryRecord {
            path: format!("root/proc/{n}/status"),
            source: "process".into(),
            outcome: Outcome::Complete,
            started_us: 5_000_000 + n,
            took_us: 20,
            bytes: 0,
            sha256: None,
            kind: Kind::File,
            cut: None,
            redactions: BTreeMap::new(),
        };
        writer.entry(record, text.as_bytes())?;
    }
    writer.seal(Summary {
        finished: true,
        ended_by: "plan".into(),
        ended: clocks,
        sources: Vec::new(),
        cost: Cost::default(),
        batches: Vec::new(),
    })?;
    Ok(())
}
