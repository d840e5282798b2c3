//! `analyze query`.

use std::process::ExitCode;

use crate::cli::{GridFormat, QueryArgs};
use crate::query::{self, Grid};
use crate::table::Cell;

/// Answers one SELECT.
pub(super) fn run(args: &QueryArgs) -> anyhow::Result<ExitCode> {
    query::check(&args.sql)?;
    let loaded = super::load(&args.input)?;
    let grid = query::select(&loaded.tables, &[], &args.sql)?;
    for name in query::tables_named(&args.sql) {
        let missing = loaded
            .tables
            .get(name.as_str())
            .and_then(|table| table.missing.as_ref());
        if let Some(why) = missing {
            super::say(&format!("table `{name}` has no rows: {why}"));
        }
    }
    let text = match args.format {
        GridFormat::Table => table(&grid),
        GridFormat::Csv => csv(&grid)?,
        GridFormat::Json => json(&grid)?,
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(value) => value.clone(),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
    }
}

/// Aligned columns; numbers to the right, long text cut.
pub(super) fn table(grid: &Grid) -> String {
    const WIDEST: usize = 60;
    let shown = |cell: &Cell| {
        let text = match cell {
            Cell::Null => "-".to_owned(),
            Cell::Float(value) => format!("{value:.4}"),
            other => text(other),
        };
        let line = text.replace(['\n', '\r', '\t'], " ");
        if line.chars().count() > WIDEST {
            line.chars().take(WIDEST - 1).chain(['…']).collect()
        } else {
            line
        }
    };
    let rows: Vec<Vec<String>> = grid
        .rows
        .iter()
        .map(|row| row.iter().map(shown).collect())
        .collect();
    let widths: Vec<usize> = (0..grid.columns.len())
        .map(|place| {
            let cells = rows.iter().filter_map(|row| row.get(place));
            let names = grid.columns.get(place).into_iter();
            cells
                .chain(names)
                .map(|text| text.chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let is_number = |row: usize, place: usize| {
        let cell = grid.rows.get(row).and_then(|row| row.get(place));
        matches!(cell, Some(Cell::Int(_) | Cell::Float(_)))
    };
    let mut out = String::new();
    let mut push = |cells: &[String], right: &dyn Fn(usize) -> bool| {
        let mut line = String::new();
        for (place, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            let padded = if right(place) {
                format!("{gap}{cell}")
            } else {
                format!("{cell}{gap}")
            };
            line += &padded;
            line += "  ";
        }
        out += line.trim_end();
        out.push('\n');
    };
    push(&grid.columns, &|_| false);
    for (number, row) in rows.iter().enumerate() {
        push(row, &|place| is_number(number, place));
    }
    out
}

/// Comma-separated values (RFC 4180), null as nothing.
pub(super) fn csv(grid: &Grid) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(&grid.columns)?;
    for row in &grid.rows {
        writer.write_record(row.iter().map(text))?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// An array of objects.
pub(super) fn json(grid: &Grid) -> anyhow::Result<String> {
    let rows: Vec<serde_json::Map<String, serde_json::Value>> = grid
        .rows
        .iter()
        .map(|row| {
            let values = row
                .iter()
                .map(|cell| serde_json::to_value(cell).unwrap_or_default());
            grid.columns.iter().cloned().zip(values).collect()
        })
        .collect();
    Ok(format!("{}\n", serde_json::to_string_pretty(&rows)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid {
            columns: vec!["name".into(), "n".into()],
            rows: vec![
                vec![Cell::Text("a,\"b\"".into()), Cell::Int(7)],
                vec![Cell::Null, Cell::Float(0.5)],
            ],
        }
    }

    #[test]
    fn formats() {
        assert_eq!(table(&grid()), "name   n\na,\"b\"       7\n-      0.5000\n");
        assert_eq!(csv(&grid()).unwrap(), "name,n\n\"a,\"\"b\"\"\",7\n,0.5\n");
        assert!(json(&grid()).unwrap().contains("\"n\": 0.5"));
    }
}
