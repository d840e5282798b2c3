//! The format of speedscope: <https://www.speedscope.app/file-format-schema.json>.
//!
//! One profile per process, or per thread, the heaviest first; frames are shared by all. Samples keep
//! their order, so that its view "Time Order" shows what came after what.

use serde::Serialize;

use super::{Source, process_name, thread_name};
use crate::profile::{Unit, fold};

/// The address of the schema, which each file names.
const SCHEMA: &str = "https://www.speedscope.app/file-format-schema.json";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(rename = "$schema")]
    schema: &'static str,
    shared: Shared,
    profiles: Vec<Sampled>,
    name: String,
    active_profile_index: u32,
    exporter: &'static str,
}

#[derive(Serialize)]
struct Shared {
    frames: Vec<Frame>,
}

#[derive(Serialize)]
struct Frame {
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    file: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Sampled {
    r#type: &'static str,
    name: String,
    unit: &'static str,
    start_value: u64,
    end_value: u64,
    samples: Vec<Vec<u32>>,
    weights: Vec<u64>,
}

/// The file.
pub fn export(source: Source<'_>) -> serde_json::Result<Vec<u8>> {
    let profile = source.profile;
    let frames = profile.symbols.all().iter().map(|frame| Frame {
        name: fold::function(frame),
        file: frame.module.clone(),
    });
    let file = File {
        schema: SCHEMA,
        shared: Shared {
            frames: frames.collect(),
        },
        profiles: profiles(source),
        name: fold::clean(&profile.name),
        active_profile_index: 0,
        exporter: concat!("freezeframe ", env!("CARGO_PKG_VERSION")),
    };
    serde_json::to_vec(&file)
}

fn profiles(source: Source<'_>) -> Vec<Sampled> {
    // A sample of a CPU stands for the time until the next one.
    let (unit, factor) = match (source.period_ns(), source.profile.unit) {
        (Some(period), _) => ("nanoseconds", period),
        (None, Unit::Nanoseconds) => ("nanoseconds", 1),
        (None, Unit::Bytes) => ("bytes", 1),
        (None, Unit::Count) => ("none", 1),
    };
    let owners = source.owners().into_iter();
    let profiles = owners.map(|owner| {
        let thread = source.threads.then(|| thread_name(&owner.task));
        let name = [Some(process_name(&owner.task)), thread];
        let samples = owner.samples.iter();
        Sampled {
            r#type: "sampled",
            name: name.into_iter().flatten().collect::<Vec<_>>().join(", "),
            unit,
            start_value: 0,
            end_value: owner.weight.saturating_mul(factor),
            samples: samples
                .clone()
                .map(|sample| source.frames(sample.stack).map(|(id, _)| id).collect())
                .collect(),
            weights: samples
                .map(|sample| sample.weight.saturating_mul(factor))
                .collect(),
        }
    });
    profiles.collect()
}
