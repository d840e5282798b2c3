//! Renders the model with the templates. Names of templates end with `.html`, so that minijinja
//! escapes every value; the only markup that is passed in is our own SVG and JSON.

use anyhow::Context;
use base64::Engine;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use sha2::{Digest, Sha256};

use super::model::{Block, Model};

const TEMPLATES: [(&str, &str); 5] = [
    (
        "causes.html",
        include_str!("../../../report-templates/causes.html"),
    ),
    (
        "report.html",
        include_str!("../../../report-templates/report.html"),
    ),
    (
        "findings.html",
        include_str!("../../../report-templates/findings.html"),
    ),
    (
        "section.html",
        include_str!("../../../report-templates/section.html"),
    ),
    (
        "macros.html",
        include_str!("../../../report-templates/macros.html"),
    ),
];
const CSS: &str = include_str!("../../../report-templates/report.css");
const SCRIPT: &str = include_str!("../../../report-templates/report.js");

/// Renders the page: one HTML file that needs nothing else. Same model, same bytes.
pub fn html(model: &Model) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    for (name, source) in TEMPLATES {
        environment
            .add_template(name, source)
            .with_context(|| format!("template `{name}`"))?;
    }
    let charts: Vec<Vec<Value>> = model
        .sections
        .iter()
        .map(|section| section.blocks.iter().map(chart).collect())
        .collect();
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(SCRIPT));
    let context = minijinja::context! {
        model => Value::from(Serde(model.clone())),
        charts => charts,
        css => Value::from_safe_string(CSS.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        script_digest => digest,
        json => Value::from_safe_string(json(model)?),
    };
    let template = environment.get_template("report.html")?;
    template.render(context).context("cannot render the page")
}

/// A chart's picture and the last value of each of its lines.
fn chart(block: &Block) -> Value {
    let Block::Chart(chart) = block else {
        return Value::from(());
    };
    let last: Vec<String> = chart.lines.iter().map(|line| chart.last(line)).collect();
    minijinja::context! { svg => Value::from_safe_string(chart.svg()), last => last }
}

/// The model inside of a script element: no `<` may end it.
fn json(model: &Model) -> anyhow::Result<String> {
    let json = serde_json::to_string(model)?;
    Ok(json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026"))
}
