//! Secrets of many kinds in their real surroundings: none is left.

use std::collections::BTreeSet;

use super::super::{Level, Redactor, Shape};
use super::{holds, plant};

fn shape(planted: plant::Shape) -> Shape {
    match planted {
        plant::Shape::Text => Shape::Text,
        plant::Shape::CommandLine => Shape::CommandLine,
        plant::Shape::Environment => Shape::Environment,
        plant::Shape::JournalExport => Shape::JournalExport,
    }
}

#[test]
fn no_planted_secret_is_left() {
    let redactor = Redactor::new(Level::Default, [7; 32]).unwrap();
    let (mut secrets, mut kinds, mut left) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for planted in plant::all() {
        kinds.insert(planted.kind);
        let redacted = redactor.redact(shape(planted.shape), &planted.text);
        let bytes = redacted.map_or_else(|| planted.text.clone(), |r| r.bytes);
        let shown = String::from_utf8_lossy(&bytes).into_owned();
        for secret in &planted.secrets {
            secrets.insert(secret.clone());
            if holds(&bytes, secret.as_bytes())
                || holds(&bytes, &secret.as_bytes()[secret.len() / 2..])
            {
                left.push(format!(
                    "{}: {}\n   -> {shown}",
                    planted.kind,
                    String::from_utf8_lossy(&planted.text)
                ));
            }
        }
        if serde_json::from_slice::<serde_json::Value>(&planted.text).is_ok() {
            assert!(
                serde_json::from_slice::<serde_json::Value>(&bytes).is_ok(),
                "no JSON any more: {shown}"
            );
        }
        if let Some(again) = redactor.redact(shape(planted.shape), &bytes) {
            left.push(format!(
                "not idempotent: {shown}\n   -> {}",
                String::from_utf8_lossy(&again.bytes)
            ));
        }
    }
    println!("{} secrets of {} kinds", secrets.len(), kinds.len());
    assert!(secrets.len() > 300 && kinds.len() > 30);
    assert!(left.is_empty(), "{} left:\n{}", left.len(), left.join("\n"));
}
