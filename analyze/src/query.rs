//! SQL over the tables.

use polars::prelude::{AnyValue, DataFrame, IntoLazy};
use polars::sql::SQLContext;
use serde::Serialize;

use crate::table::{Cell, Loaded};

/// The answer of a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grid {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows, as long as `columns` each.
    pub rows: Vec<Vec<Cell>>,
}

/// A query that could not be answered.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct QueryError(pub String);

/// Answers one SELECT over the tables and over `extra` tables, in a context of its own.
pub fn select(loaded: &Loaded, extra: &[(&str, DataFrame)], sql: &str) -> Result<Grid, QueryError> {
    let mut context = SQLContext::new();
    for table in loaded.tables.values() {
        context.register(table.name, table.frame.clone().lazy());
    }
    for (name, frame) in extra {
        context.register(name, frame.clone().lazy());
    }
    let frame = context
        .execute(sql)
        .and_then(polars::prelude::LazyFrame::collect)
        .map_err(|error| QueryError(error.to_string()))?;
    Ok(grid(&frame))
}

/// Takes a frame apart.
pub fn grid(frame: &DataFrame) -> Grid {
    let columns = frame
        .get_column_names()
        .iter()
        .map(ToString::to_string)
        .collect();
    let rows = (0..frame.height())
        .map(|row| {
            let cells = frame.columns().iter();
            cells
                .map(|c| c.get(row).map_or(Cell::Null, |v| cell(&v)))
                .collect()
        })
        .collect();
    Grid { columns, rows }
}

fn cell(value: &AnyValue<'_>) -> Cell {
    match value {
        AnyValue::Null => Cell::Null,
        AnyValue::Boolean(value) => Cell::Bool(*value),
        AnyValue::String(value) => Cell::Text((*value).to_owned()),
        AnyValue::StringOwned(value) => Cell::Text(value.to_string()),
        AnyValue::Float32(_) | AnyValue::Float64(_) => {
            value.extract::<f64>().map_or(Cell::Null, Cell::from)
        }
        other => match other.extract::<i64>() {
            Some(value) => Cell::Int(value),
            None => Cell::Text(other.to_string()),
        },
    }
}
