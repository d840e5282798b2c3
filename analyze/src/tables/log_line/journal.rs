//! The export format of the journal: fields one a line, entries apart by an empty line; a binary
//! field is its name alone, then its length in 8 bytes of little endian, then the bytes.

use std::rc::Rc;

use super::Line;
use crate::kubernetes::log;
use crate::table::{Damages, Input};

/// Units and identifiers whose lines may be about a pod.
const OF_PODS: [&str; 8] = [
    "kubelet",
    "containerd",
    "crio",
    "docker",
    "dockerd",
    "cri-dockerd",
    "k3s",
    "rke2",
];

/// An entry as far as it was read.
#[derive(Default)]
struct Entry {
    line: Line,
    message: String,
    manager_unit: Option<String>,
    comm: Option<String>,
    is_empty: bool,
}

impl Entry {
    fn new(line: i64) -> Self {
        Self {
            line: Line {
                line,
                ..Line::default()
            },
            is_empty: true,
            ..Self::default()
        }
    }

    fn field(&mut self, name: &[u8], value: &[u8]) {
        self.is_empty = false;
        let text = || String::from_utf8_lossy(value).into_owned();
        let number = || std::str::from_utf8(value).ok()?.trim().parse().ok();
        match name {
            b"__REALTIME_TIMESTAMP" => self.line.realtime_us = number(),
            b"__MONOTONIC_TIMESTAMP" => self.line.monotonic_us = number(),
            b"_BOOT_ID" => self.line.boot_id = Some(text()),
            b"_SYSTEMD_UNIT" => self.line.unit = Some(text()),
            // What systemd says of a unit.
            b"UNIT" => self.manager_unit = Some(text()),
            b"SYSLOG_IDENTIFIER" => self.line.component = Some(text()),
            b"_COMM" => self.comm = Some(text()),
            b"_PID" => self.line.pid = number(),
            b"PRIORITY" => self.line.level = number(),
            b"MESSAGE" => self.message = text(),
            _ => {}
        }
    }

    fn line(self) -> Option<Line> {
        if self.is_empty {
            return None;
        }
        let mut line = self.line;
        line.unit = line.unit.or(self.manager_unit);
        line.component = line.component.or(self.comm);
        let said = log::component(&self.message).unwrap_or_default();
        line.say(said, self.message);
        let component = line.component.as_deref();
        if component.is_some_and(|component| OF_PODS.contains(&component)) {
            line.about = Rc::new(log::about(&line.message));
        }
        Some(line)
    }
}

/// Reads an export; what is behind a broken field is damage.
pub(super) fn read(input: &Input<'_>, lines: &mut Vec<Line>, damages: &mut Damages) {
    let mut rest = input.bytes;
    let mut number = 1;
    let mut entry = Entry::new(number);
    while let Some(end) = rest.iter().position(|b| *b == b'\n') {
        let (field, tail) = rest.split_at(end);
        rest = tail.get(1..).unwrap_or_default();
        if field.is_empty() {
            let whole = std::mem::replace(&mut entry, Entry::new(number + 1));
            lines.extend(whole.line());
        } else if let Some(place) = field.iter().position(|b| *b == b'=') {
            let (name, value) = field.split_at(place);
            entry.field(name, value.get(1..).unwrap_or_default());
        } else {
            let Some((value, tail)) = binary(rest) else {
                damages.add(
                    input,
                    Some(number),
                    "a binary field is longer than the entry",
                );
                return;
            };
            number += value.iter().filter(|b| **b == b'\n').count() as i64 + 1;
            entry.field(field, value);
            rest = tail;
        }
        number += 1;
    }
    lines.extend(entry.line());
}

/// A binary value and what comes behind its closing line end.
fn binary(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let value = rest.get(..length)?;
    Some((value, rest.get(length..)?.strip_prefix(b"\n")?))
}
