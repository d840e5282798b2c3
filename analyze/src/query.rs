//! SQL over the tables: one SELECT at a time, looked at before it runs.
//!
//! polars refuses some SQL with a page of debug output and answers some of it wrongly without a
//! word. Both kinds are refused here, with a hint.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use polars::prelude::{AnyValue, DataFrame, IntoLazy, LazyFrame};
use polars::sql::SQLContext;
use serde::Serialize;
use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, ObjectName, Query,
    Statement, Value, Visit, Visitor,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;

use crate::document::nearest;
use crate::table::{Cell, Tables, Type};

/// The answer of a query.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Grid {
    /// Column names.
    pub columns: Vec<String>,
    /// Rows, as long as `columns` each.
    pub rows: Vec<Vec<Cell>>,
}

impl Grid {
    /// Place of a column.
    pub fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|name| name == column)
    }
}

/// A query that is refused or cannot be answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QueryError(pub String);

/// Longest error text of polars that is passed on.
const ERROR_CHARS: usize = 300;

/// Answers one SELECT over the tables and over `extra` tables, in a context of its own: names of
/// one query are never seen by another.
pub fn select(tables: &Tables, extra: &[(&str, DataFrame)], sql: &str) -> Result<Grid, QueryError> {
    run(tables, extra, sql).map(|frame| grid(&frame))
}

/// As [`select`], with the columns' types.
pub(crate) fn run(
    tables: &Tables,
    extra: &[(&str, DataFrame)],
    sql: &str,
) -> Result<DataFrame, QueryError> {
    check(sql)?;
    let named = tables_named(sql);
    let mut context = SQLContext::new();
    for table in tables.values().filter(|table| named.contains(table.name)) {
        context.register(table.name, table.frame.clone().lazy());
    }
    for (name, frame) in extra {
        context.register(name, frame.clone().lazy());
    }
    let defined = tables_defined(sql);
    let unknown = named.iter().find(|name| {
        let is_extra = extra.iter().any(|(extra, _)| extra == name);
        !(is_extra || defined.contains(*name) || tables.contains_key(name.as_str()))
    });
    if let Some(name) = unknown {
        let all: Vec<&str> = tables.keys().copied().collect();
        let near = nearest(name, &all);
        return Err(QueryError(format!(
            "there is no table `{name}`: did you mean `{near}`? `analyze tables` lists all"
        )));
    }
    let result = context.execute(sql).and_then(LazyFrame::collect);
    result.map_err(|error| QueryError(shorten(&error.to_string())))
}

/// Refuses what is not one reading statement, and what polars would answer wrongly.
pub fn check(sql: &str) -> Result<(), QueryError> {
    let statement = parse(sql)?;
    if !matches!(statement, Statement::Query(_)) {
        return Err(QueryError(
            "only SELECT and WITH are allowed: a bundle is only read".to_owned(),
        ));
    }
    match statement.visit(&mut Lint) {
        ControlFlow::Break(reason) => Err(QueryError(reason)),
        ControlFlow::Continue(()) => Ok(()),
    }
}

/// Names in FROM and JOIN, tables of WITH included.
pub fn tables_named(sql: &str) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
            self.0.insert(relation.to_string());
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    if let Ok(statement) = parse(sql) {
        let _ = statement.visit(&mut names);
    }
    names.0
}

/// Names that WITH defines.
fn tables_defined(sql: &str) -> BTreeSet<String> {
    struct Names(BTreeSet<String>);
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            let defined = query.with.iter().flat_map(|with| &with.cte_tables);
            self.0.extend(defined.map(|cte| cte.alias.name.to_string()));
            ControlFlow::Continue(())
        }
    }
    let mut names = Names(BTreeSet::new());
    if let Ok(statement) = parse(sql) {
        let _ = statement.visit(&mut names);
    }
    names.0
}

/// Comparisons of a text column with a number, which polars plans without a word. `kind` tells the
/// type of a column, where it is known and the same in all tables of the query.
pub fn text_compared_with_number(sql: &str, kind: &dyn Fn(&str) -> Option<Type>) -> Option<String> {
    struct Compare<'a>(&'a dyn Fn(&str) -> Option<Type>);
    impl Visitor for Compare<'_> {
        type Break = String;
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            let Expr::BinaryOp { left, op, right } = expr else {
                return ControlFlow::Continue(());
            };
            if !is_comparison(op) {
                return ControlFlow::Continue(());
            }
            for (column, other) in [(left, right), (right, left)] {
                let Some(name) = column_name(column) else {
                    continue;
                };
                if is_number(other) && (self.0)(&name) == Some(Type::Text) {
                    return ControlFlow::Break(format!(
                        "column `{name}` is text and is compared with a number"
                    ));
                }
            }
            ControlFlow::Continue(())
        }
    }
    match parse(sql).ok()?.visit(&mut Compare(kind)) {
        ControlFlow::Break(reason) => Some(reason),
        ControlFlow::Continue(()) => None,
    }
}

fn parse(sql: &str) -> Result<Statement, QueryError> {
    let mut statements = Parser::parse_sql(&GenericDialect {}, sql)
        .map_err(|error| QueryError(error.to_string()))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(statement), true) => Ok(statement),
        (None, _) => Err(QueryError("there is no statement".to_owned())),
        (Some(_), false) => Err(QueryError("one statement at a time".to_owned())),
    }
}

/// What polars 0.55 refuses unreadably or answers wrongly.
struct Lint;

impl Visitor for Lint {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            Expr::Subquery(_) => ControlFlow::Break(
                "a subquery as a value is not supported: put it into WITH and CROSS JOIN it"
                    .to_owned(),
            ),
            Expr::Value(value) if matches!(value.value, Value::Placeholder(_)) => {
                ControlFlow::Break(
                    "bind parameters are not supported: use the table `params`".to_owned(),
                )
            }
            Expr::Function(function)
                if function.over.is_some() && arguments(function).any(is_aggregate) =>
            {
                ControlFlow::Break(format!(
                    "`{expr}` is answered wrongly: aggregate in a sub-select first, then use OVER"
                ))
            }
            Expr::Function(function)
                if function
                    .name
                    .to_string()
                    .to_lowercase()
                    .starts_with("read_") =>
            {
                ControlFlow::Break("files cannot be read from a query".to_owned())
            }
            _ => ControlFlow::Continue(()),
        }
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<String> {
        if relation.to_string().to_lowercase().starts_with("read_") {
            return ControlFlow::Break("files cannot be read from a query".to_owned());
        }
        ControlFlow::Continue(())
    }
}

fn arguments(function: &sqlparser::ast::Function) -> impl Iterator<Item = &Expr> {
    let list = match &function.args {
        FunctionArguments::List(list) => list.args.as_slice(),
        _ => &[],
    };
    list.iter().filter_map(|argument| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    })
}

fn is_aggregate(expr: &Expr) -> bool {
    let Expr::Function(function) = expr else {
        return false;
    };
    let name = function.name.to_string().to_lowercase();
    function.over.is_none() && matches!(name.as_str(), "sum" | "count" | "avg" | "min" | "max")
}

fn is_comparison(op: &BinaryOperator) -> bool {
    use BinaryOperator as Op;
    matches!(
        op,
        Op::Eq | Op::NotEq | Op::Gt | Op::GtEq | Op::Lt | Op::LtEq
    )
}

fn column_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.clone()),
        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()),
        _ => None,
    }
}

fn is_number(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(value.value, Value::Number(..)),
        Expr::UnaryOp { expr, .. } => is_number(expr),
        // Thresholds are numbers, and a parameter is always named with its table.
        Expr::CompoundIdentifier(names) => names.first().is_some_and(|n| n.value == "params"),
        _ => false,
    }
}

fn shorten(error: &str) -> String {
    let line = error.lines().next().unwrap_or_default();
    if line.chars().count() <= ERROR_CHARS {
        return line.to_owned();
    }
    line.chars().take(ERROR_CHARS).chain("…".chars()).collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(sql: &str) -> String {
        check(sql).unwrap_err().to_string()
    }

    #[test]
    fn only_reading_is_allowed() {
        assert!(check("SELECT 1").is_ok());
        assert!(check("WITH a AS (SELECT 1 AS x) SELECT x FROM a").is_ok());
        for sql in [
            "DROP TABLE cpu",
            "CREATE TABLE x AS SELECT 1",
            "DELETE FROM cpu",
            "EXPLAIN SELECT 1",
        ] {
            assert!(refused(sql).contains("only SELECT"), "{sql}");
        }
        assert_eq!(refused("SELECT 1; SELECT 2"), "one statement at a time");
        assert_eq!(refused(""), "there is no statement");
        assert!(refused("SELEC 1").contains("SELEC"));
        assert!(refused("SELECT * FROM read_csv('/etc/passwd')").contains("files cannot be read"));
    }

    #[test]
    fn traps_of_polars_are_refused_with_a_hint() {
        assert!(refused("SELECT a FROM t WHERE a > (SELECT MAX(b) FROM u)").contains("CROSS JOIN"));
        assert!(refused("SELECT a FROM t WHERE a > $1").contains("`params`"));
        assert!(refused("SELECT g, SUM(SUM(x)) OVER () FROM t GROUP BY g").contains("wrongly"));
        assert!(check("SELECT SUM(x) OVER () FROM t").is_ok());
        assert!(check("SELECT a FROM t WHERE a IN (SELECT b FROM u)").is_ok());
    }

    #[test]
    fn text_against_numbers_is_found() {
        let kind = |name: &str| (name == "comm").then_some(Type::Text);
        let found =
            text_compared_with_number("SELECT pid FROM process WHERE process.comm > 3", &kind);
        assert!(found.unwrap().contains("`comm` is text"));
        assert!(
            text_compared_with_number("SELECT pid FROM process WHERE pid > 3", &kind).is_none()
        );
    }

    #[test]
    fn names_of_tables() {
        let names =
            tables_named("WITH a AS (SELECT * FROM cpu) SELECT * FROM a JOIN memory ON true");
        assert_eq!(
            names.into_iter().collect::<Vec<_>>(),
            ["a", "cpu", "memory"]
        );
    }
}
