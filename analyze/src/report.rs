//! The report: a model that says everything, and a page that only renders it.
//!
//! `model.rs` is the shape, `sections/` fills it from the tables, `page.rs` renders it with the
//! templates of `report-templates/`.

pub mod chart;
pub mod flames;
pub mod map;
pub mod model;
pub mod page;
pub mod sections;
pub mod view;

pub use model::Model;
pub use page::html;

use crate::cause;
use crate::evaluate::Evaluated;
use crate::table::Loaded;

/// Builds the model.
pub fn model(loaded: &Loaded, evaluated: &[Evaluated]) -> anyhow::Result<Model> {
    Ok(Model {
        schema_version: model::SCHEMA_VERSION,
        program_version: env!("CARGO_PKG_VERSION"),
        header: sections::header::header(loaded),
        quality: sections::header::quality(loaded),
        counts: sections::findings::counts(evaluated),
        causes: cause::diagnose(evaluated, &cause::library()),
        findings: sections::findings::cards(evaluated),
        not_assessed: sections::findings::not_assessed(evaluated),
        broken: sections::findings::broken(evaluated),
        clear: sections::findings::clear(evaluated),
        sections: sections::all(loaded),
    })
}
