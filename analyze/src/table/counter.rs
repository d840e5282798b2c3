//! Counters between two readings. A counter that went backwards was reset: it has no difference.

use super::Input;

/// A row of counters of one object, as first and last read.
#[derive(Clone, Debug)]
pub struct Counters {
    /// Entry of the first reading.
    pub entry: String,
    /// Line in it.
    pub line: Option<i64>,
    first: Vec<u64>,
    first_us: Option<u64>,
    last: Option<(Vec<u64>, Option<u64>)>,
}

impl Counters {
    /// The first reading.
    pub fn new(input: &Input<'_>, line: Option<i64>, values: Vec<u64>) -> Self {
        Self {
            entry: input.entry.to_owned(),
            line,
            first: values,
            first_us: input.started_us(),
            last: None,
        }
    }

    /// A later reading; the last one counts.
    pub fn update(&mut self, input: &Input<'_>, values: Vec<u64>) {
        self.last = Some((values, input.started_us()));
    }

    /// A value of the first reading.
    pub fn first(&self, place: usize) -> Option<u64> {
        self.first.get(place).copied()
    }

    /// A value of the last reading, which is the first if there is no other.
    pub fn last(&self, place: usize) -> Option<u64> {
        self.last
            .as_ref()
            .map_or(&self.first, |(values, _)| values)
            .get(place)
            .copied()
    }

    /// What a counter gained between the first and the last reading.
    pub fn delta(&self, place: usize) -> Option<u64> {
        let (last, _) = self.last.as_ref()?;
        last.get(place)?.checked_sub(*self.first.get(place)?)
    }

    /// Time between the first and the last reading, in microseconds.
    pub fn window_us(&self) -> Option<u64> {
        let (_, last_us) = self.last.as_ref()?;
        (*last_us)?.checked_sub(self.first_us?).filter(|us| *us > 0)
    }

    /// Gain per second.
    pub fn per_second(&self, place: usize) -> Option<f64> {
        Some(self.delta(place)? as f64 * 1e6 / self.window_us()? as f64)
    }
}

/// Counters of one object, reading by reading.
#[derive(Clone, Debug, Default)]
pub struct Series {
    previous: Option<(Vec<u64>, Option<u64>)>,
}

/// What happened between one reading and the one before.
#[derive(Clone, Debug)]
pub struct Interval {
    /// Gains, or nothing where a counter was reset.
    pub deltas: Vec<Option<u64>>,
    /// Microseconds since boot at the end of the interval.
    pub end_us: u64,
    /// Length in microseconds.
    pub interval_us: u64,
}

impl Series {
    /// Adds a reading; gives what happened since the one before.
    pub fn push(&mut self, input: &Input<'_>, values: Vec<u64>) -> Option<Interval> {
        let now = input.started_us();
        let previous = self.previous.replace((values, now));
        let (before, before_us) = previous?;
        let (values, _) = self.previous.as_ref()?;
        let interval_us = now?.checked_sub(before_us?).filter(|us| *us > 0)?;
        let deltas = values
            .iter()
            .zip(&before)
            .map(|(now, then)| now.checked_sub(*then))
            .collect();
        Some(Interval {
            deltas,
            end_us: now?,
            interval_us,
        })
    }
}

impl Interval {
    /// A gain.
    pub fn delta(&self, place: usize) -> Option<u64> {
        self.deltas.get(place).copied().flatten()
    }

    /// A gain per second.
    pub fn per_second(&self, place: usize) -> Option<f64> {
        Some(self.delta(place)? as f64 * 1e6 / self.interval_us as f64)
    }
}

/// The sum of values that are all known; nothing if one is missing, or if they are too large to be
/// counters.
pub fn sum(values: impl IntoIterator<Item = Option<u64>>) -> Option<u64> {
    values
        .into_iter()
        .try_fold(0_u64, |sum, value| sum.checked_add(value?))
}

/// `part / whole`, or nothing where the whole is 0.
pub fn ratio(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    let whole = whole.filter(|w| *w > 0)?;
    Some(part? as f64 / whole as f64)
}
