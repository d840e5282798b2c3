//! pprof: `go tool pprof`, Pyroscope, Parca and many others read it.
//!
//! Each stack of a thread is one sample; labels say whose it is. CPU samples have two values, their
//! number and the time that they stand for.

use std::collections::HashMap;
use std::io::{self, Write};

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;

use super::{Source, merged};
use crate::profile::pprof::proto;
use crate::profile::{Frame, FrameId, FrameKind, Profile, Task};

/// The file, packed by gzip.
pub fn export(source: Source<'_>) -> io::Result<Vec<u8>> {
    let mut writer = GzEncoder::new(Vec::new(), Compression::default());
    writer.write_all(&message(source).encode_to_vec())?;
    writer.finish()
}

fn message(source: Source<'_>) -> proto::Profile {
    let mut file = Builder::new();
    let profile = source.profile;
    let period = source.period_ns();
    let types = match (period, profile.unit) {
        (Some(_), _) => vec![("samples", "count"), ("cpu", "nanoseconds")],
        (None, unit) => vec![(profile.event.as_str(), unit.name())],
    };
    for (name, unit) in &types {
        let value_type = file.value_type(name, unit);
        file.message.sample_type.push(value_type);
    }
    if let Some(period) = period {
        file.message.period_type = Some(file.value_type("cpu", "nanoseconds"));
        file.message.period = signed(period);
    }
    file.message.time_nanos = source.started_unix_ns().map_or(0, signed);
    file.message.duration_nanos = source.duration_ns().map_or(0, signed);
    for note in &profile.notes {
        let note = file.text(note);
        file.message.comment.push(note);
    }
    for ((task, stack), weight) in merged(source.samples()) {
        let mut locations: Vec<u64> = source
            .frames(stack)
            .map(|(id, frame)| file.location(profile, id, frame))
            .collect();
        locations.reverse();
        let time = period.map(|period| signed(weight.saturating_mul(period)));
        let value = [Some(signed(weight)), time].into_iter().flatten().collect();
        let task = profile.tasks.get(task as usize);
        let label = task.map(|task| file.labels(task)).unwrap_or_default();
        file.message.sample.push(proto::Sample {
            location_id: locations,
            value,
            label,
        });
    }
    file.message
}

fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A file that grows; everything in it is stored once.
struct Builder {
    message: proto::Profile,
    texts: HashMap<String, i64>,
    functions: HashMap<String, u64>,
    mappings: HashMap<String, u64>,
    locations: HashMap<FrameId, u64>,
}

impl Builder {
    fn new() -> Self {
        Self {
            message: proto::Profile {
                // The first text is the empty one.
                string_table: vec![String::new()],
                ..proto::Profile::default()
            },
            texts: HashMap::from([(String::new(), 0)]),
            functions: HashMap::new(),
            mappings: HashMap::new(),
            locations: HashMap::new(),
        }
    }

    fn text(&mut self, text: &str) -> i64 {
        if let Some(number) = self.texts.get(text) {
            return *number;
        }
        let number = self.message.string_table.len() as i64;
        self.message.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), number);
        number
    }

    fn value_type(&mut self, name: &str, unit: &str) -> proto::ValueType {
        proto::ValueType {
            r#type: self.text(name),
            unit: self.text(unit),
        }
    }

    fn location(&mut self, profile: &Profile, id: FrameId, frame: &Frame) -> u64 {
        if let Some(number) = self.locations.get(&id) {
            return *number;
        }
        let mapping_id = self.mapping(profile, frame);
        // A frame without a name has its place in the binary: with the binary at hand,
        // `go tool pprof` finds the name.
        let place = offset(frame).filter(|_| mapping_id > 0);
        let line = match place {
            Some(_) => Vec::new(),
            None => vec![proto::Line {
                function_id: self.function(&frame.function),
                line: 0,
            }],
        };
        let number = self.message.location.len() as u64 + 1;
        self.message.location.push(proto::Location {
            id: number,
            mapping_id,
            address: place.unwrap_or(0),
            line,
        });
        self.locations.insert(id, number);
        number
    }

    fn function(&mut self, name: &str) -> u64 {
        if let Some(number) = self.functions.get(name) {
            return *number;
        }
        let text = self.text(name);
        let number = self.message.function.len() as u64 + 1;
        self.message.function.push(proto::Function {
            id: number,
            name: text,
            // With its name here again, `go tool pprof` would take it for mangled and shorten it.
            system_name: 0,
            filename: 0,
        });
        self.functions.insert(name.to_owned(), number);
        number
    }

    /// The frame's binary; 0 where it has none.
    fn mapping(&mut self, profile: &Profile, frame: &Frame) -> u64 {
        let Some(file) = mapping_name(frame) else {
            return 0;
        };
        if let Some(number) = self.mappings.get(&file) {
            return *number;
        }
        let number = self.message.mapping.len() as u64 + 1;
        let build_id = profile.build_ids.get(&frame.module);
        let mapping = proto::Mapping {
            id: number,
            memory_limit: u64::MAX,
            filename: self.text(&file),
            build_id: build_id.map_or(0, |id| self.text(id)),
            has_functions: true,
            ..proto::Mapping::default()
        };
        self.message.mapping.push(mapping);
        self.mappings.insert(file, number);
        number
    }

    /// Who ran. Their names are those that are read back.
    fn labels(&mut self, task: &Task) -> Vec<proto::Label> {
        let texts = [
            ("process", Some(&task.process)),
            ("comm", Some(&task.thread)),
            ("cgroup", task.cgroup.as_ref()),
            ("container_id", task.container_id.as_ref()),
            ("container", task.container.as_ref()),
            ("pod_uid", task.pod_uid.as_ref()),
            ("pod", task.pod.as_ref()),
            ("unit", task.unit.as_ref()),
        ];
        let numbers = [("pid", task.pid), ("tid", task.tid)];
        let mut labels = Vec::new();
        for (key, number) in numbers {
            let Some(number) = number else { continue };
            labels.push(proto::Label {
                key: self.text(key),
                num: number.into(),
                ..proto::Label::default()
            });
        }
        for (key, text) in texts {
            let Some(text) = text.filter(|text| !text.is_empty()) else {
                continue;
            };
            labels.push(proto::Label {
                key: self.text(key),
                str: self.text(text),
                ..proto::Label::default()
            });
        }
        labels
    }
}

/// Offset of a frame without a name in its binary: `[libc.so.6]+0x2a1f0`.
fn offset(frame: &Frame) -> Option<u64> {
    if frame.is_named {
        return None;
    }
    let (_, offset) = frame.function.rsplit_once("+0x")?;
    u64::from_str_radix(offset, 16).ok()
}

/// The binary as pprof has it: the kernel and its modules in brackets.
fn mapping_name(frame: &Frame) -> Option<String> {
    let module = frame.module.as_str();
    let in_brackets = module.starts_with('[');
    match frame.kind {
        FrameKind::Mark => None,
        FrameKind::Kernel if module.is_empty() => Some("[kernel.kallsyms]".to_owned()),
        FrameKind::Kernel if !in_brackets => Some(format!("[{module}]")),
        FrameKind::Generated if !module.contains("/perf-") => Some("[JIT]".to_owned()),
        _ => Some(module.to_owned()).filter(|module| !module.is_empty()),
    }
}
