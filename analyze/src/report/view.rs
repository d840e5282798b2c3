//! Tables as the page shows them: declared by a query and by how each column is shown.

use serde::Serialize;

use super::model::Block;
use crate::query::{self, Grid};
use crate::table::{Cell, Tables};
use crate::text::visible;
use crate::units;

/// Longest text in a cell; the rest is in its title.
const CELL_CHARS: usize = 160;
/// Longest text kept at all.
const TITLE_CHARS: usize = 2000;
/// Longest stack that is shown; the kernel prints at most 64 frames.
const STACK_LINES: usize = 64;

/// How a value is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// As it is.
    Text,
    /// With thousands apart.
    Count,
    /// In binary units.
    Bytes,
    /// In binary units per second.
    BytesPerSecond,
    /// A ratio in percent.
    Percent,
    /// A ratio in percent, with a bar.
    Bar,
    /// Microseconds as a duration.
    Duration,
    /// A fraction.
    Number,
    /// Functions joined by `;`, innermost first: the innermost, the rest to be opened.
    Stack,
}

/// A column of a query and how it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Shown {
    column: &'static str,
    title: &'static str,
    show: Show,
}

/// Shows a column under a title.
pub const fn shown(column: &'static str, title: &'static str, show: Show) -> Shown {
    Shown {
        column,
        title,
        show,
    }
}

/// A table of the page.
#[derive(Clone, Debug, Serialize)]
pub struct Table {
    /// Heading.
    pub title: String,
    /// Column headings.
    pub columns: Vec<Heading>,
    /// The rows that are shown.
    pub rows: Vec<Row>,
    /// How many there are.
    pub rows_count: usize,
}

/// A column's heading.
#[derive(Clone, Debug, Serialize)]
pub struct Heading {
    /// Its text.
    pub title: String,
    /// Numbers stand at the right.
    pub is_number: bool,
}

/// A row.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Anchor of the row, if others link to it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its cells.
    pub cells: Vec<View>,
}

/// A cell.
#[derive(Clone, Debug, Default, Serialize)]
pub struct View {
    /// For people.
    pub text: String,
    /// The raw value, where it says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<String>,
    /// Length of the bar in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bar_percent: Option<f64>,
    /// Value to sort by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sort: Option<f64>,
    /// The lines to be opened below the text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub folded: Vec<String>,
}

/// A table of the page out of a query.
pub struct Spec {
    /// Heading.
    pub title: &'static str,
    /// Tables that the query reads: the first that is missing is the reason.
    pub needs: &'static [&'static str],
    /// The query.
    pub sql: &'static str,
    /// How its columns are shown; others are left out.
    pub columns: &'static [Shown],
    /// Rows that are shown.
    pub limit: usize,
    /// Prefix of the rows' anchors and the column behind it.
    pub anchor: Option<(&'static str, &'static str)>,
}

impl Spec {
    /// Runs the query; what cannot be shown says why.
    pub fn block(&self, tables: &Tables) -> Block {
        let missing = |reason: String| Block::Missing {
            title: self.title,
            reason,
        };
        for need in self.needs {
            match tables.get(need) {
                None => return missing(format!("there is no table `{need}`")),
                Some(table) => {
                    if let Some(why) = &table.missing {
                        return missing(why.clone());
                    }
                }
            }
        }
        match query::select(tables, &[], self.sql) {
            Err(error) => missing(error.to_string()),
            Ok(grid) if grid.rows.is_empty() => missing("nothing of it on this node".to_owned()),
            Ok(grid) => Block::Table(self.table(&grid)),
        }
    }

    fn table(&self, grid: &Grid) -> Table {
        let places: Vec<Option<usize>> =
            self.columns.iter().map(|c| grid.place(c.column)).collect();
        let anchor = self
            .anchor
            .and_then(|(prefix, column)| Some((prefix, grid.place(column)?)));
        let row = |cells: &Vec<Cell>| {
            let at = |place: Option<usize>| {
                place
                    .and_then(|place| cells.get(place))
                    .unwrap_or(&Cell::Null)
            };
            let id = anchor
                .map(|(prefix, place)| format!("{prefix}-{}", identifier(&plain(at(Some(place))))));
            let views = places
                .iter()
                .zip(self.columns)
                .map(|(place, column)| view(at(*place), column.show));
            Row {
                id,
                cells: views.collect(),
            }
        };
        let mut rows: Vec<Row> = grid.rows.iter().take(self.limit).map(row).collect();
        unique(&mut rows);
        Table {
            title: self.title.to_owned(),
            columns: self
                .columns
                .iter()
                .map(|c| Heading {
                    title: c.title.to_owned(),
                    is_number: c.show != Show::Text,
                })
                .collect(),
            rows,
            rows_count: grid.rows.len(),
        }
    }
}

/// Anchors that were taken already are dropped: an id stands once on a page.
fn unique(rows: &mut [Row]) {
    let mut seen = std::collections::HashSet::new();
    for row in rows {
        if row.id.as_ref().is_some_and(|id| !seen.insert(id.clone())) {
            row.id = None;
        }
    }
}

/// A table of all columns of a grid, shown by what their names say; at most `limit` rows.
pub fn evidence(grid: &Grid, limit: usize) -> Table {
    let shows: Vec<Show> = grid.columns.iter().map(|name| show_by_name(name)).collect();
    let is_number = |place: usize| {
        let mut cells = grid.rows.iter().filter_map(|row| row.get(place));
        cells.any(|cell| matches!(cell, Cell::Int(_) | Cell::Float(_)))
    };
    Table {
        title: "Evidence".to_owned(),
        columns: grid
            .columns
            .iter()
            .enumerate()
            .map(|(place, name)| Heading {
                title: name.clone(),
                is_number: is_number(place),
            })
            .collect(),
        rows: grid
            .rows
            .iter()
            .take(limit)
            .map(|row| Row {
                id: None,
                cells: row
                    .iter()
                    .zip(&shows)
                    .map(|(cell, show)| view(cell, *show))
                    .collect(),
            })
            .collect(),
        rows_count: grid.rows.len(),
    }
}

/// Units stand at the end of column names.
fn show_by_name(name: &str) -> Show {
    let name = name.strip_suffix("_delta").unwrap_or(name);
    if name.ends_with("_bytes") {
        Show::Bytes
    } else if name.ends_with("bytes_per_second") {
        Show::BytesPerSecond
    } else if name.ends_with("_ratio") {
        Show::Percent
    } else if name.ends_with("_us") {
        Show::Duration
    } else if name.ends_with("_count") {
        Show::Count
    } else {
        Show::Text
    }
}

/// A value as it is shown.
pub fn view(cell: &Cell, show: Show) -> View {
    let number = match cell {
        Cell::Int(value) => Some(*value as f64),
        Cell::Float(value) => Some(*value),
        _ => None,
    };
    let raw = plain(cell);
    if show == Show::Stack {
        return stack(&raw);
    }
    let Some(value) = number.filter(|_| show != Show::Text) else {
        let is_long = raw.chars().count() > CELL_CHARS;
        let text = if is_long {
            cut(&raw, CELL_CHARS)
        } else {
            raw.clone()
        };
        return View {
            text,
            raw: is_long.then(|| cut(&raw, TITLE_CHARS)),
            sort: number,
            ..View::default()
        };
    };
    let text = match show {
        Show::Text | Show::Stack | Show::Count => units::count(value),
        Show::Bytes => units::bytes(value),
        Show::BytesPerSecond => format!("{}/s", units::bytes(value)),
        Show::Percent | Show::Bar => units::percent(value),
        Show::Duration => units::duration_us(value),
        Show::Number => format!("{value:.2}"),
    };
    View {
        raw: (text != raw).then_some(raw),
        text,
        bar_percent: (show == Show::Bar).then(|| (value.clamp(0.0, 1.0) * 1000.0).round() / 10.0),
        sort: number,
        folded: Vec::new(),
    }
}

fn stack(functions: &str) -> View {
    let folded: Vec<String> = functions
        .split(';')
        .take(STACK_LINES)
        .map(|function| cut(function, CELL_CHARS))
        .collect();
    View {
        text: folded.first().cloned().unwrap_or_default(),
        folded: if folded.len() > 1 { folded } else { Vec::new() },
        ..View::default()
    }
}

/// A value as text; null is nothing.
pub fn plain(cell: &Cell) -> String {
    match cell {
        Cell::Null => String::new(),
        Cell::Text(value) => visible(value),
        Cell::Int(value) => value.to_string(),
        Cell::Float(value) => value.to_string(),
        Cell::Bool(value) => value.to_string(),
    }
}

fn cut(text: &str, chars: usize) -> String {
    let mut out: String = text.chars().take(chars).collect();
    if text.chars().nth(chars).is_some() {
        out.push('…');
    }
    out
}

/// Text as part of an anchor.
pub fn identifier(text: &str) -> String {
    let id: String = text
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    id.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_by_unit() {
        assert_eq!(view(&Cell::Int(2048), Show::Bytes).text, "2.0 KiB");
        assert_eq!(view(&Cell::Float(0.5), Show::Bar).bar_percent, Some(50.0));
        assert_eq!(view(&Cell::Null, Show::Bytes).text, "");
        let long = view(&Cell::Text("x".repeat(100_000)), Show::Text);
        assert_eq!(long.text.chars().count(), CELL_CHARS + 1);
        assert_eq!(
            long.raw.map(|raw| raw.chars().count()),
            Some(TITLE_CHARS + 1)
        );
        let stack = view(&Cell::Text("a;b;c".into()), Show::Stack);
        assert_eq!((stack.text.as_str(), stack.folded.len()), ("a", 3));
        let long = view(&Cell::Text("x;".repeat(100_000)), Show::Stack);
        assert_eq!(long.folded.len(), STACK_LINES);
        assert!(view(&Cell::Text("a".into()), Show::Stack).folded.is_empty());
        assert_eq!(show_by_name("throttled_us_delta"), Show::Duration);
    }
}
