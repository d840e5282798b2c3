//! Messages of findings: one line of minijinja per row of evidence.
//!
//! The result is plain text; whoever shows it escapes it.

use std::collections::BTreeMap;

use minijinja::{Environment, UndefinedBehavior, Value};

use crate::query::Grid;
use crate::table::Cell;
use crate::text::visible;
use crate::units;

/// Renders the message of each row. Columns are variables, thresholds are `params.<name>`.
pub fn render(
    template: &str,
    evidence: &Grid,
    params: &BTreeMap<String, f64>,
) -> Result<Vec<String>, String> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(100_000));
    environment.add_filter("bytes", |value: Value| number(&value, units::bytes));
    environment.add_filter("percent", |value: Value| number(&value, units::percent));
    environment.add_filter("duration_us", |value: Value| {
        number(&value, units::duration_us)
    });
    environment.add_filter("count", |value: Value| number(&value, units::count));
    let failed = |error: minijinja::Error| format!("in `## Message`: {error}");
    environment
        .add_template("message", template)
        .map_err(failed)?;
    let template = environment.get_template("message").map_err(failed)?;
    evidence
        .rows
        .iter()
        .map(|row| {
            let cells = row.iter().map(value);
            let mut values: BTreeMap<&str, Value> = evidence
                .columns
                .iter()
                .map(String::as_str)
                .zip(cells)
                .collect();
            values.insert("params", Value::from(params.clone()));
            let text = template.render(values).map_err(failed)?;
            Ok(visible(
                &text.split_whitespace().collect::<Vec<_>>().join(" "),
            ))
        })
        .collect()
}

/// A cell as templates see it.
pub(crate) fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::from(()),
        Cell::Text(value) => Value::from(value.as_str()),
        Cell::Int(value) => Value::from(*value),
        Cell::Float(value) => Value::from(*value),
        Cell::Bool(value) => Value::from(*value),
    }
}

/// A number in its unit, or `unknown`.
fn number(value: &Value, show: fn(f64) -> String) -> String {
    f64::try_from(value.clone()).map_or_else(|_| "unknown".to_owned(), show)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_lines() {
        let evidence = Grid {
            columns: vec!["path".into(), "size".into(), "gone".into()],
            rows: vec![vec![
                Cell::Text("/a\n<b>".into()),
                Cell::Int(3 << 20),
                Cell::Null,
            ]],
        };
        let params = BTreeMap::from([("limit".to_owned(), 0.25)]);
        let lines = render(
            "{{ path }} has {{ size | bytes }}, {{ gone | percent }} of {{ params.limit | percent }}",
            &evidence,
            &params,
        );
        assert_eq!(
            lines,
            Ok(vec!["/a <b> has 3.0 MiB, unknown of 25 %".to_owned()])
        );
        assert!(
            render("{{ nothing }}", &evidence, &params)
                .unwrap_err()
                .contains("## Message")
        );
    }
}
