//! `analyze tables`.

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;

use crate::cli::{BundleArgs, TablesArgs, TablesFormat};
use crate::schema::{self, TableSchema};

/// A table with what a bundle has of it.
#[derive(Serialize)]
struct Shown {
    #[serde(rename = "table")]
    schema: TableSchema,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<String>,
}

/// Prints the schema, and with a bundle the rows of each table.
pub(super) fn run(args: &TablesArgs) -> anyhow::Result<ExitCode> {
    let mut rows = BTreeMap::new();
    if let Some(bundle) = args.bundle.clone() {
        let input = BundleArgs {
            bundle,
            identities: args.identities.clone(),
            debug_dirs: args.debug_dirs.clone(),
        };
        for (name, table) in super::load(&input)?.tables {
            rows.insert(name, (table.frame.height(), table.missing));
        }
    }
    let shown: Vec<Shown> = schema::tables()
        .into_iter()
        .map(|schema| {
            let (rows, missing) = rows.remove(schema.name).unzip();
            Shown {
                schema,
                rows,
                missing: missing.flatten(),
            }
        })
        .collect();
    let text = match args.format {
        TablesFormat::Table => terminal(&shown),
        TablesFormat::Json => format!("{}\n", serde_json::to_string_pretty(&shown)?),
        TablesFormat::Markdown => schema::markdown(),
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn terminal(shown: &[Shown]) -> String {
    let mut text = String::new();
    for table in shown {
        text += table.schema.name;
        match (&table.rows, &table.missing) {
            (Some(0), Some(why)) => text += &format!("  (no rows: {why})"),
            (Some(rows), _) => text += &format!("  ({rows} rows)"),
            (None, _) => {}
        }
        text += &format!("\n    {}\n", table.schema.about);
        if table.rows.is_none() {
            for column in &table.schema.columns {
                text += &format!(
                    "      {:<28} {:<6} {}\n",
                    column.name, column.kind, column.about
                );
            }
        }
        text.push('\n');
    }
    text
}
