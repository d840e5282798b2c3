//! Rows become a polars frame. This and `query.rs` are all that the tables know of polars.

use polars::prelude::{Column as Series, DataFrame, PlSmallStr, PolarsResult};

use super::rows::{Rows, Values};

/// Turns rows into a frame of the same columns and types.
pub fn frame(rows: Rows) -> PolarsResult<DataFrame> {
    let columns = rows
        .into_columns()
        .map(|(column, values)| {
            let name = PlSmallStr::from_static(column.name);
            match values {
                Values::Text(values) => Series::new(name, values),
                Values::Int(values) => Series::new(name, values),
                Values::Float(values) => Series::new(name, values),
                Values::Bool(values) => Series::new(name, values),
            }
        })
        .collect();
    DataFrame::new_infer_height(columns)
}
