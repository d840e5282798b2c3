//! `analyze top`.

use std::process::ExitCode;

use super::flamegraph::choose;
use crate::cli::{GridFormat, TopArgs};
use crate::profile::fold;
use crate::profile::scope::Scope;
use crate::profile::top::{Function, Order, top};
use crate::profile::{Profile, Unit};
use crate::query::Grid;
use crate::table::Cell;
use crate::units;

/// Lists the functions of a profile.
pub(super) fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let scope = args.scope.scope()?;
    let loaded = super::load_profiled(&args.input)?;
    let profile = choose(&loaded, args.profile.as_deref())?;
    for note in &profile.notes {
        super::say(note);
    }
    let order = if args.cumulative {
        Order::Cumulative
    } else {
        Order::Flat
    };
    let (functions, total) = top(profile, &scope, order);
    let shown = match args.limit {
        0 => functions.as_slice(),
        limit => functions.get(..limit).unwrap_or(&functions),
    };
    let text = match args.format {
        GridFormat::Table => {
            let text = head(profile, &scope, total) + &table(profile.unit, shown, total);
            text + &more(functions.len() - shown.len())
        }
        GridFormat::Csv => super::query::csv(&grid(shown, total))?,
        GridFormat::Json => super::query::json(&grid(shown, total))?,
    };
    super::print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// What is listed, in one line.
fn head(profile: &Profile, scope: &Scope, total: u64) -> String {
    let mut parts = vec![
        fold::clean(&profile.name),
        fold::clean(&scope.title(profile)),
        format!("total {}", amount(profile.unit, total)),
    ];
    if let Some(hz) = profile.frequency_hz {
        parts.push(format!("{} at {hz} Hz", fold::clean(&profile.event)));
    }
    if let Some((from, to)) = profile.span_ns.filter(|(from, to)| from < to) {
        let us = to.saturating_sub(from) as f64 / 1e3;
        parts.push(format!("within {}", units::duration_us(us)));
    }
    parts.join(", ") + "\n"
}

fn table(unit: Unit, functions: &[Function], total: u64) -> String {
    let mut text = format!(
        "{:>10} {:>7} {:>7} {:>10} {:>7}  function\n",
        "flat", "flat%", "sum%", "cum", "cum%"
    );
    let mut sum = 0_u64;
    let percent = |weight: u64| format!("{:.2}%", ratio(weight, total) * 100.0);
    for one in functions {
        sum = sum.saturating_add(one.flat);
        text += &format!(
            "{:>10} {:>7} {:>7} {:>10} {:>7}  {}\n",
            amount(unit, one.flat),
            percent(one.flat),
            percent(sum),
            amount(unit, one.cumulative),
            percent(one.cumulative),
            fold::clean(&one.name)
        );
    }
    text
}

fn more(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!("and {count} more functions: --limit 0 lists all\n"),
    }
}

fn amount(unit: Unit, weight: u64) -> String {
    match unit {
        Unit::Count => units::count(weight as f64),
        Unit::Nanoseconds => units::duration_us(weight as f64 / 1e3),
        Unit::Bytes => units::bytes(weight as f64),
    }
}

fn ratio(weight: u64, total: u64) -> f64 {
    weight as f64 / total.max(1) as f64
}

/// Numbers as they are, for programs.
fn grid(functions: &[Function], total: u64) -> Grid {
    let columns = [
        "flat",
        "flat_ratio",
        "sum_ratio",
        "cumulative",
        "cumulative_ratio",
        "kind",
        "function",
        "module",
    ];
    let mut sum = 0_u64;
    let rows = functions.iter().map(|one| {
        sum = sum.saturating_add(one.flat);
        vec![
            Cell::from(one.flat),
            Cell::from(ratio(one.flat, total)),
            Cell::from(ratio(sum, total)),
            Cell::from(one.cumulative),
            Cell::from(ratio(one.cumulative, total)),
            Cell::from(one.kind.name()),
            Cell::from(one.name.as_str()),
            Cell::from(one.module.as_str()),
        ]
    });
    Grid {
        rows: rows.collect(),
        columns: columns.map(str::to_owned).to_vec(),
    }
}
