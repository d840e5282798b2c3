//! The report: a model that says everything, and a page that only renders it.

use serde::Serialize;

use crate::evaluate::Evaluated;
use crate::table::Loaded;

/// Everything that the page shows; written as `report.json` too.
#[derive(Clone, Debug, Serialize)]
pub struct Model {}

/// Builds the model.
pub fn model(loaded: &Loaded, evaluated: &[Evaluated]) -> anyhow::Result<Model> {
    let _ = (loaded, evaluated);
    Ok(Model {})
}

/// Renders the page: one HTML file that needs nothing else.
pub fn html(model: &Model) -> anyhow::Result<String> {
    let _ = model;
    Ok(String::new())
}
