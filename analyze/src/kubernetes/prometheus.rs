//! Metrics in the text format of Prometheus (prometheus.io, "Exposition formats"), and the columns of
//! tables that hold them.

use std::borrow::Cow;
use std::collections::HashMap;

use crate::table::{Column, Damages, Input, Rows, float, text};

/// Series of one table. kubelet with 250 pods has 130,000 of them, most of cAdvisor; an API server
/// of a large cluster 200,000.
const SERIES: usize = 500_000;

/// The columns.
pub const COLUMNS: [Column; 10] = [
    text("component", "who tells it"),
    text("path", "where: metrics, metrics/cadvisor ..."),
    text("name", "with `_bucket`, `_sum`, `_count` of a histogram"),
    text("kind", "counter, gauge, histogram, summary or untyped"),
    text("labels", "as told, without `le`: `a=\"b\",c=\"d\"`"),
    text("namespace", "label namespace"),
    text("pod", "label pod, before Kubernetes 1.16 pod_name"),
    text(
        "container",
        "label container, before Kubernetes 1.16 container_name",
    ),
    text("le", "upper bound of a bucket; `+Inf`: none"),
    float("value", "null: not a number"),
];

/// A line.
#[derive(Debug, PartialEq)]
pub struct Sample<'a> {
    /// The metric's name.
    pub name: &'a str,
    /// Names and values of its labels.
    pub labels: Vec<(&'a str, Cow<'a, str>)>,
    /// Its value.
    pub value: f64,
}

/// Reads a line; nothing where it is none.
pub fn sample(line: &str) -> Option<Sample<'_>> {
    let end = line.find(['{', ' ', '\t'])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            rest = rest.trim_start_matches([',', ' ']);
            if let Some(tail) = rest.strip_prefix('}') {
                rest = tail;
                break;
            }
            let (label, tail) = rest.split_once("=\"")?;
            let (value, tail) = quoted(tail)?;
            labels.push((label.trim(), value));
            rest = tail;
        }
    }
    let value = match rest.split_ascii_whitespace().next()? {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().ok()?,
    };
    let is_name = name
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"_:".contains(&b));
    (is_name && !name.is_empty()).then_some(Sample {
        name,
        labels,
        value,
    })
}

/// The text up to the quote that ends it, and what follows that.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let mut escaped = false;
    let mut has_escapes = false;
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => (escaped, has_escapes) = (true, true),
            b'"' => {
                let (value, tail) = (text.get(..place)?, text.get(place + 1..)?);
                let value = if has_escapes {
                    Cow::Owned(plain(value))
                } else {
                    Cow::Borrowed(value)
                };
                return Some((value, tail));
            }
            _ => {}
        }
    }
    None
}

fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, c == '\\') {
            (_, true) => match chars.next() {
                Some('n') => out.push('\n'),
                Some(other) => out.push(other),
                None => {}
            },
            (c, false) => out.push(c),
        }
    }
    out
}

/// Adds the series of an answer.
pub fn add(input: &Input<'_>, component: &str, path: &str, rows: &mut Rows, damages: &mut Damages) {
    if input.bytes.contains(&0) {
        damages.add(
            input,
            None,
            "not text: metrics in protocol buffers are not read",
        );
        return;
    }
    let mut kinds: HashMap<String, String> = HashMap::new();
    for (number, line) in input.lines() {
        if let Some(comment) = line.strip_prefix('#') {
            if let Some((name, kind)) = comment
                .trim_start()
                .strip_prefix("TYPE ")
                .and_then(|rest| rest.split_once(' '))
            {
                kinds.insert(name.to_owned(), kind.trim().to_owned());
            }
            continue;
        }
        if line.trim().is_empty() {
            continue;
        }
        if rows.len() >= SERIES {
            let why = format!("more than {SERIES} series: the rest was not read");
            damages.add(input, Some(number), why);
            return;
        }
        let Some(sample) = sample(&line) else {
            damages.add(input, Some(number), format!("not a metric: `{line}`"));
            continue;
        };
        let label = |names: &[&str]| {
            let known = sample.labels.iter();
            let mut known = known.filter(|(name, value)| names.contains(name) && !value.is_empty());
            known.next().map(|(_, value)| value.clone())
        };
        let shown: Vec<String> = sample
            .labels
            .iter()
            .filter(|(name, _)| *name != "le")
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        let kind = kinds.get(sample.name).or_else(|| {
            let base = ["_bucket", "_sum", "_count"]
                .iter()
                .find_map(|end| sample.name.strip_suffix(end))?;
            kinds.get(base)
        });
        rows.add(input.entry, Some(number))
            .set("component", component)
            .set("path", path)
            .set("name", sample.name)
            .set("kind", kind.map(String::as_str))
            .set("labels", (!shown.is_empty()).then(|| shown.join(",")))
            .set("namespace", label(&["namespace"]))
            .set("pod", label(&["pod", "pod_name"]))
            .set("container", label(&["container", "container_name"]))
            .set("le", label(&["le"]))
            .set("value", sample.value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_escapes_and_odd_numbers() {
        let line = r#"a_total{x="1,}",y="say \"hi\"\\\n",} 1.5e+06 1700000000000"#;
        let found = sample(line).unwrap();
        assert_eq!(found.name, "a_total");
        assert_eq!(found.labels[0], ("x", Cow::Borrowed("1,}")));
        assert_eq!(found.labels[1].1, "say \"hi\"\\\n");
        assert!((found.value - 1.5e6).abs() < 1.0);
        assert!(sample("a NaN").unwrap().value.is_nan());
        assert!(sample("a +Inf").unwrap().value.is_infinite());
        for nonsense in [
            "",
            "a",
            "a{",
            "a{x=\"1} 2",
            "a{x} 1",
            "Unauthorized, sorry",
            "a x",
        ] {
            assert_eq!(sample(nonsense), None, "{nonsense}");
        }
    }
}
