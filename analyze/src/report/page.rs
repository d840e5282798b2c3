//! Renders the model with the templates. Names of templates end with `.html`, so that minijinja
//! escapes every value; the only markup that is passed in is our own SVG and JSON.

use anyhow::Context;
use base64::Engine;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::flames::Flames;
use super::model::{Block, Model};
use crate::profile::flamegraph;

const TEMPLATES: [(&str, &str); 6] = [
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
        "flames.html",
        include_str!("../../../report-templates/flames.html"),
    ),
    (
        "macros.html",
        include_str!("../../../report-templates/macros.html"),
    ),
];
const CSS: &str = include_str!("../../../report-templates/report.css");
const SCRIPT: &str = include_str!("../../../report-templates/report.js");

/// The viewer of profiles, on pages that have one. Its parts share a scope of their own.
const FLAME_SCRIPT: &str = concat!(
    "\"use strict\";\n{\n",
    include_str!("../../../report-templates/flames/profile.js"),
    include_str!("../../../report-templates/flames/flame.js"),
    include_str!("../../../report-templates/flames/map.js"),
    include_str!("../../../report-templates/flames/panel.js"),
    include_str!("../../../report-templates/flames/page.js"),
    "}\n"
);

/// Renders the page: one HTML file that needs nothing else. Same model, same bytes.
pub fn html(model: &Model) -> anyhow::Result<String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    for (name, source) in TEMPLATES {
        environment
            .add_template(name, source)
            .with_context(|| format!("template `{name}`"))?;
    }
    let mut charts: Vec<Vec<Value>> = Vec::new();
    for section in &model.sections {
        charts.push(section.blocks.iter().map(shown).collect::<Result<_, _>>()?);
    }
    let mut blocks = model.sections.iter().flat_map(|section| &section.blocks);
    let has_flames = blocks.any(|block| matches!(block, Block::Flames(_)));
    let (flame_script, picture_script) = if has_flames {
        (FLAME_SCRIPT, picture_script()?)
    } else {
        ("", String::new())
    };
    // Scripts of the pictures are held to the page's policy too.
    let digests: Vec<String> = [SCRIPT, flame_script, &picture_script]
        .into_iter()
        .filter(|script| !script.is_empty())
        .map(|script| base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script)))
        .collect();
    let model = without_pictures(model);
    let context = minijinja::context! {
        model => Value::from(Serde(model.clone())),
        charts => charts,
        css => Value::from_safe_string(CSS.to_owned()),
        script => Value::from_safe_string(SCRIPT.to_owned()),
        flame_script => Value::from_safe_string(flame_script.to_owned()),
        picture_script => Value::from_safe_string(picture_script),
        digests => digests,
        json => Value::from_safe_string(json(&model)?),
    };
    let template = environment.get_template("report.html")?;
    template.render(context).context("cannot render the page")
}

/// What of a block is drawn on this side.
fn shown(block: &Block) -> anyhow::Result<Value> {
    Ok(match block {
        Block::Chart(chart) => {
            let last: Vec<String> = chart.lines.iter().map(|line| chart.last(line)).collect();
            minijinja::context! { svg => Value::from_safe_string(chart.svg()), last => last }
        }
        Block::Flames(flames) => self::flames(flames)?,
        _ => Value::from(()),
    })
}

/// Maps and pictures of a profile, and the samples for its viewer.
fn flames(flames: &Flames) -> anyhow::Result<Value> {
    let maps = flames
        .maps
        .iter()
        .map(|map| Value::from_safe_string(map.svg()));
    let documents = flames.pictures.iter();
    let documents = documents.map(|picture| Value::from_safe_string(document(&picture.svg)));
    let data = flames.excerpt.as_ref().map(json).transpose()?;
    Ok(minijinja::context! {
        maps => maps.collect::<Vec<_>>(),
        documents => documents.collect::<Vec<_>>(),
        data => data.map(Value::from_safe_string),
    })
}

/// A picture as a document of its own, inside of single quotes. Its own size would not follow the
/// page's, so the style says it.
fn document(svg: &str) -> String {
    const STYLE: &str = "<meta name=\"color-scheme\" content=\"light dark\">\
         <style>body{margin:0}body>svg{width:100%;display:block}body>svg[viewBox]{height:auto}</style>";
    format!("{STYLE}{svg}")
        .replace('&', "&amp;")
        .replace('\'', "&#39;")
}

/// What makes a picture live inside of the page: the address of a frame cannot be rewritten, as
/// inferno's script tries with each click, and an attribute that runs `init` is against the policy.
/// A flame's root is at its foot: that is seen first.
fn picture_script() -> anyhow::Result<String> {
    let script = flamegraph::script().context("inferno draws no flamegraph")?;
    Ok(format!(
        "history.replaceState=function(){{}};{script}init();setTimeout(()=>scrollTo(0,1e6));"
    ))
}

/// The model without what stands elsewhere on the page.
fn without_pictures(model: &Model) -> Model {
    let mut model = model.clone();
    for block in model.sections.iter_mut().flat_map(|s| &mut s.blocks) {
        if let Block::Flames(flames) = block {
            flames.strip();
        }
    }
    model
}

/// Data inside of a script element: no `<` may end it.
fn json(data: &impl Serialize) -> anyhow::Result<String> {
    let json = serde_json::to_string(data)?;
    Ok(json
        .replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026"))
}
