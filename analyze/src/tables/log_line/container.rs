//! Logs of containers: `<time> <stream> <F|P> <text>` of CRI, where `P` is a part that the next line of
//! its stream goes on with, or docker's JSON, where a part has no line end.

use std::rc::Rc;

use freezeframe_bundle::Kept;

use super::Line;
use crate::kubernetes::json::Json;
use crate::kubernetes::log::{self, About};
use crate::kubernetes::moment::Moment;
use crate::kubernetes::paths::log_path;
use crate::table::{Damages, Input};

/// Parts of a line are joined up to this length; the rest of it is left out.
const JOINED_BYTES: usize = 64 << 10;

/// A line of a log file.
struct Part {
    time: Option<Moment>,
    stream: &'static str,
    is_last: bool,
    text: String,
}

/// Parts of a stream of which the last has not come yet.
struct Open {
    line: i64,
    first: Part,
}

/// Reads a log. Its end alone may be in the bundle: then its first line is a part of one.
pub(super) fn read(input: &Input<'_>, lines: &mut Vec<Line>, damages: &mut Damages) {
    let Some(log) = log_path(input.path) else {
        return;
    };
    let about = Rc::new(About {
        namespace: log.pod.namespace,
        pod: log.pod.name,
        uid: log.pod.uid,
        container: Some(log.container),
        container_id: None,
    });
    let cut = input.record.and_then(|record| record.cut.as_ref());
    let is_tail = cut.is_some_and(|cut| cut.kept == Kept::Tail);
    let mut finished = |open: Open| {
        let mut line = Line {
            line: open.line,
            realtime_us: open.first.time.map(|time| time.realtime_us),
            about: Rc::clone(&about),
            attempt: log.attempt,
            stream: Some(open.first.stream),
            ..Line::default()
        };
        let said = log::any(&open.first.text);
        line.say(said, open.first.text);
        lines.push(line);
    };
    let mut open: [Option<Open>; 2] = [None, None];
    for (number, text) in input.lines().filter(|(_, text)| !text.is_empty()) {
        let Some(part) = cri(&text).or_else(|| docker(&text)) else {
            if !(is_tail && number == 1) {
                damages.add(
                    input,
                    Some(number),
                    format!("not a line of a log: `{text}`"),
                );
            }
            continue;
        };
        let is_last = part.is_last;
        let Some(slot) = open.get_mut(usize::from(part.stream == "stderr")) else {
            continue;
        };
        match slot {
            Some(begun) => {
                let room = JOINED_BYTES.saturating_sub(begun.first.text.len());
                let end = part.text.floor_char_boundary(room.min(part.text.len()));
                begun
                    .first
                    .text
                    .push_str(part.text.get(..end).unwrap_or_default());
            }
            None => {
                *slot = Some(Open {
                    line: number,
                    first: part,
                });
            }
        }
        if is_last && let Some(whole) = slot.take() {
            finished(whole);
        }
    }
    // The container ended, or the log was cut, within a line.
    for begun in open.into_iter().flatten() {
        finished(begun);
    }
}

fn stream(name: &str) -> Option<&'static str> {
    match name {
        "stdout" => Some("stdout"),
        "stderr" => Some("stderr"),
        _ => None,
    }
}

/// `2026-11-20T22:26:22.380569713Z stdout F text`; tags stand apart by colons.
fn cri(line: &str) -> Option<Part> {
    let mut fields = line.splitn(4, ' ');
    let time = Moment::parse(fields.next()?)?;
    let stream = stream(fields.next()?)?;
    let tag = fields.next()?.split(':').next()?;
    Some(Part {
        time: Some(time),
        stream,
        is_last: match tag {
            "F" => true,
            "P" => false,
            _ => return None,
        },
        text: fields.next().unwrap_or_default().to_owned(),
    })
}

/// `{"log":"text\n","stream":"stdout","time":"2026-11-20T22:26:22.38Z"}`.
fn docker(line: &str) -> Option<Part> {
    let value = serde_json::from_str(line).ok()?;
    let told = Json::new(&value);
    let text = told.at("log").0?.as_str()?;
    Some(Part {
        time: told.at("time").moment(),
        stream: stream(told.at("stream").text()?)?,
        is_last: text.ends_with('\n'),
        text: text.trim_end_matches('\n').to_owned(),
    })
}
