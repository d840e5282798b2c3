//! When it was busy: samples by second and by the offset in it (as Netflix' `FlameScope` shows
//! them), and samples by CPU over time.

use serde::Serialize;

use super::Profile;
use super::scope::begin_ns;

/// Most columns of the map by offset; a longer window has columns of more than a second.
const COLUMNS: u64 = 120;
/// Columns of the map by CPU.
const CPU_COLUMNS: u64 = 160;
/// Most rows of the map by CPU; on larger machines a row is more than one CPU.
const CPU_ROWS: u32 = 64;

/// Samples in a grid of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Heat {
    /// How long a column lasts, in milliseconds.
    pub column_ms: u64,
    /// How long a row lasts, in milliseconds; by CPU nothing.
    pub row_ms: u64,
    /// CPUs in a row of the map by CPU.
    pub row_cpus: u32,
    /// Samples by column, then by row.
    pub cells: Vec<Vec<u64>>,
    /// The largest of them.
    pub most: u64,
}

impl Heat {
    fn new(columns: u64, rows: u64) -> Self {
        Self {
            column_ms: 0,
            row_ms: 0,
            row_cpus: 0,
            cells: vec![vec![0; rows as usize]; columns as usize],
            most: 0,
        }
    }

    fn add(&mut self, column: u64, row: u64) {
        let column = self.cells.get_mut(column as usize);
        if let Some(cell) = column.and_then(|column| column.get_mut(row as usize)) {
            *cell += 1;
            self.most = self.most.max(*cell);
        }
    }
}

/// How long the profile lasts, in milliseconds; nothing where its samples have no time.
fn span_ms(profile: &Profile) -> Option<u64> {
    let begin = begin_ns(profile);
    let last = profile.samples.iter().filter_map(|s| s.time_ns).max()?;
    let end = profile.span_ns.map_or(last, |(_, to)| to.max(last));
    Some((end.saturating_sub(begin) / 1_000_000).max(1))
}

/// Milliseconds since the profile's begin, and CPU, of each sample that has a time.
fn moments(profile: &Profile) -> impl Iterator<Item = (u64, Option<u32>)> + '_ {
    let begin = begin_ns(profile);
    profile.samples.iter().filter_map(move |sample| {
        let since = sample.time_ns?.checked_sub(begin)?;
        Some((since / 1_000_000, sample.cpu))
    })
}

/// Samples by second and offset; nothing where samples have no time.
pub fn by_offset(profile: &Profile) -> Option<Heat> {
    let span = span_ms(profile)?;
    let column_ms = 1000 * span.div_ceil(COLUMNS * 1000);
    // A busy cell shall hold some samples, or the map is but noise.
    let hz = profile.frequency_hz.unwrap_or(99);
    let rate = hz.saturating_mul(u64::from(profile.cpus.unwrap_or(1)));
    let rows = if rate >= 400 { 50 } else { 20 };
    let mut heat = Heat::new(span.div_ceil(column_ms), rows);
    heat.column_ms = column_ms;
    heat.row_ms = column_ms / rows;
    for (at, _) in moments(profile) {
        heat.add(at / column_ms, at % column_ms / heat.row_ms);
    }
    Some(heat)
}

/// Samples by time and CPU; nothing where samples have no time or no CPU.
pub fn by_cpu(profile: &Profile) -> Option<Heat> {
    let span = span_ms(profile)?;
    let last_cpu = profile.samples.iter().filter_map(|s| s.cpu).max()?;
    let cpus = profile.cpus.unwrap_or(0).max(last_cpu.saturating_add(1));
    // A claim of a billion CPUs makes rows of many, not many rows.
    let row_cpus = cpus.div_ceil(CPU_ROWS);
    // Not less than some samples per cell: a CPU gives one in ten milliseconds.
    let column_ms = span.div_ceil(CPU_COLUMNS).max(50);
    let mut heat = Heat::new(span.div_ceil(column_ms), u64::from(cpus.div_ceil(row_cpus)));
    heat.column_ms = column_ms;
    heat.row_cpus = row_cpus;
    for (at, cpu) in moments(profile) {
        if let Some(cpu) = cpu {
            heat.add(at / column_ms, u64::from(cpu / row_cpus));
        }
    }
    Some(heat)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::profile;

    #[test]
    fn samples_by_offset() {
        let mut profile = profile();
        profile.samples[1].time_ns = Some(6_270_000_000);
        let heat = by_offset(&profile).unwrap();
        assert_eq!((heat.column_ms, heat.row_ms, heat.most), (1000, 50, 1));
        assert_eq!((heat.cells.len(), heat.cells[0].len()), (6, 20));
        assert_eq!(
            (heat.cells[0][0], heat.cells[1][5], heat.cells[1][0]),
            (1, 1, 0)
        );
        profile.cpus = Some(16);
        assert_eq!(by_offset(&profile).unwrap().row_ms, 20);
        profile.span_ns = Some((5_000_000_000, 3_605_000_000_000));
        let hour = by_offset(&profile).unwrap();
        assert_eq!((hour.cells.len(), hour.column_ms), (120, 30_000));
    }

    #[test]
    fn samples_by_cpu() {
        let mut profile = profile();
        let heat = by_cpu(&profile).unwrap();
        assert_eq!((heat.cells.len(), heat.cells[0].len()), (120, 2));
        assert_eq!(heat.cells.iter().map(|column| column[0]).sum::<u64>(), 4);
        profile.samples[0].cpu = Some(u32::MAX - 1);
        let claimed = by_cpu(&profile).unwrap();
        assert!(claimed.cells[0].len() <= 64);
        for sample in &mut profile.samples {
            sample.cpu = None;
        }
        assert!(by_cpu(&profile).is_none());
        profile.samples.clear();
        assert!(by_offset(&profile).is_none());
    }
}
