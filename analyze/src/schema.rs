//! The tables as a list: for `analyze tables`, for docs/tables.md and for checking findings.

use serde::Serialize;

use crate::derived::DERIVED;
use crate::table::{Column, ORIGIN, Type};
use crate::tables::TABLES;

/// One table.
#[derive(Clone, Debug, Serialize)]
pub struct TableSchema {
    /// Name in SQL.
    pub name: &'static str,
    /// What one row is.
    pub about: &'static str,
    /// The columns, those of the origin last.
    pub columns: Vec<ColumnSchema>,
}

/// One column.
#[derive(Clone, Debug, Serialize)]
pub struct ColumnSchema {
    /// Name in SQL.
    pub name: &'static str,
    /// `text`, `int`, `float` or `bool`.
    pub kind: &'static str,
    /// What it means.
    pub about: &'static str,
}

/// All tables by name.
pub fn tables() -> Vec<TableSchema> {
    let plain = TABLES.iter().map(|t| (t.name, t.about, t.columns));
    let derived = DERIVED.iter().map(|t| (t.name, t.about, t.columns));
    let mut tables: Vec<TableSchema> = plain
        .chain(derived)
        .map(|(name, about, columns)| TableSchema {
            name,
            about,
            columns: columns.iter().chain(&ORIGIN).map(column).collect(),
        })
        .collect();
    tables.sort_by_key(|table| table.name);
    tables
}

fn column(column: &Column) -> ColumnSchema {
    let kind = match column.kind {
        Type::Text => "text",
        Type::Int => "int",
        Type::Float => "float",
        Type::Bool => "bool",
    };
    ColumnSchema {
        name: column.name,
        kind,
        about: column.about,
    }
}

/// docs/tables.md.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Tables\n\nGenerated from `analyze tables --format markdown`. Every table has the columns `entry` and `line` besides \
         its own: the bundle entry that a row was read from. What was not captured is null, never zero.\n",
    );
    for table in tables() {
        text += &format!(
            "\n## {}\n\n{}\n\n| column | type | meaning |\n| --- | --- | --- |\n",
            table.name, table.about
        );
        for column in table
            .columns
            .iter()
            .filter(|c| !ORIGIN.iter().any(|o| o.name == c.name))
        {
            let about = column.about.replace('|', "\\|");
            text += &format!("| `{}` | {} | {about} |\n", column.name, column.kind);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_file_is_a_table() {
        let count = |folder: &str| {
            let path = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("src")
                .join(folder);
            let names = std::fs::read_dir(path).unwrap().map(|f| f.unwrap().path());
            // A folder holds parts of a table.
            names
                .filter(|p| p.extension().is_some_and(|e| e == "rs"))
                .count()
        };
        assert_eq!(TABLES.len(), count("tables"));
        assert_eq!(DERIVED.len(), count("derived"));
    }

    #[test]
    fn names_are_unique_and_say_their_unit() {
        let mut names = HashSet::new();
        for table in tables() {
            assert!(names.insert(table.name), "two tables `{}`", table.name);
            let mut columns = HashSet::new();
            for column in &table.columns {
                assert!(
                    columns.insert(column.name),
                    "two columns `{}.{}`",
                    table.name,
                    column.name
                );
                let snake = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(
                    column.name.chars().all(snake),
                    "`{}.{}`",
                    table.name,
                    column.name
                );
            }
        }
    }

    #[test]
    fn the_document_is_up_to_date() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/tables.md");
        if std::env::var_os("FREEZEFRAME_BLESS").is_some() {
            std::fs::write(&path, markdown()).unwrap();
        }
        let document = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            document == markdown(),
            "docs/tables.md differs; FREEZEFRAME_BLESS=1 accepts"
        );
    }
}
