//! Rows of a table before they become a frame.

use super::{Column, ORIGIN, Type};

/// One value.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
#[serde(untagged)]
pub enum Cell {
    /// Not known.
    Null,
    /// Text.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
}

impl From<&str> for Cell {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Cell {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<std::borrow::Cow<'_, str>> for Cell {
    fn from(value: std::borrow::Cow<'_, str>) -> Self {
        Self::Text(value.into_owned())
    }
}

impl From<i64> for Cell {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<i32> for Cell {
    fn from(value: i32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u32> for Cell {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}

impl From<u64> for Cell {
    /// Beyond `i64` the kernel means "no limit"; the largest number keeps that sense.
    fn from(value: u64) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Cell {
    /// Not a number is not known.
    fn from(value: f64) -> Self {
        if value.is_finite() {
            Self::Float(value)
        } else {
            Self::Null
        }
    }
}

impl From<bool> for Cell {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// The values of one column.
#[derive(Clone, Debug)]
pub enum Values {
    /// Text.
    Text(Vec<Option<String>>),
    /// Whole numbers.
    Int(Vec<Option<i64>>),
    /// Numbers with a fraction.
    Float(Vec<Option<f64>>),
    /// Truth values.
    Bool(Vec<Option<bool>>),
}

impl Values {
    fn new(kind: Type) -> Self {
        match kind {
            Type::Text => Self::Text(Vec::new()),
            Type::Int => Self::Int(Vec::new()),
            Type::Float => Self::Float(Vec::new()),
            Type::Bool => Self::Bool(Vec::new()),
        }
    }

    fn push_null(&mut self) {
        match self {
            Self::Text(values) => values.push(None),
            Self::Int(values) => values.push(None),
            Self::Float(values) => values.push(None),
            Self::Bool(values) => values.push(None),
        }
    }

    /// Sets the last value; false where the cell is of another type.
    fn set_last(&mut self, cell: Cell) -> bool {
        match (self, cell) {
            (_, Cell::Null) => return true,
            (Self::Text(values), Cell::Text(value)) => set_last(values, value),
            (Self::Int(values), Cell::Int(value)) => set_last(values, value),
            (Self::Float(values), Cell::Float(value)) => set_last(values, value),
            (Self::Float(values), Cell::Int(value)) => set_last(values, value as f64),
            (Self::Bool(values), Cell::Bool(value)) => set_last(values, value),
            _ => return false,
        }
        true
    }

    fn fill(&mut self, row: usize, cell: Cell) {
        match (self, cell) {
            (Self::Text(values), Cell::Text(value)) => fill(values, row, value),
            (Self::Int(values), Cell::Int(value)) => fill(values, row, value),
            (Self::Float(values), Cell::Float(value)) => fill(values, row, value),
            (Self::Float(values), Cell::Int(value)) => fill(values, row, value as f64),
            (Self::Bool(values), Cell::Bool(value)) => fill(values, row, value),
            _ => {}
        }
    }

    fn get(&self, row: usize) -> Cell {
        match self {
            Self::Text(values) => values.get(row).cloned().flatten().into(),
            Self::Int(values) => values.get(row).copied().flatten().into(),
            Self::Float(values) => values.get(row).copied().flatten().into(),
            Self::Bool(values) => values.get(row).copied().flatten().into(),
        }
    }
}

fn set_last<T>(values: &mut [Option<T>], value: T) {
    if let Some(last) = values.last_mut() {
        *last = Some(value);
    }
}

fn fill<T>(values: &mut [Option<T>], row: usize, value: T) {
    if let Some(slot) = values.get_mut(row) {
        slot.get_or_insert(value);
    }
}

/// Most bytes of text in one table: a hostile line may be told of again by every line behind it.
pub const TEXT_BYTES: usize = 512 << 20;

/// The rows of one table.
#[derive(Clone, Debug)]
pub struct Rows {
    columns: Vec<Column>,
    values: Vec<Values>,
    count: usize,
    /// Bytes of text that may be added.
    text_left: usize,
    left_out: u64,
}

impl Rows {
    /// No rows of a table with these columns and those of [`ORIGIN`].
    pub fn new(columns: &[Column]) -> Self {
        let columns: Vec<Column> = columns.iter().chain(&ORIGIN).copied().collect();
        Self {
            values: columns.iter().map(|c| Values::new(c.kind)).collect(),
            columns,
            count: 0,
            text_left: TEXT_BYTES,
            left_out: 0,
        }
    }

    /// Adds a row read from `entry`; what is not set stays null. Behind [`TEXT_BYTES`] rows are
    /// left out and counted.
    pub fn add(&mut self, entry: &str, line: Option<i64>) -> Row<'_> {
        if self.text_left == 0 {
            self.left_out += 1;
            return Row {
                rows: None,
                expected: 0,
            };
        }
        for values in &mut self.values {
            values.push_null();
        }
        self.count += 1;
        let mut row = Row {
            rows: Some(self),
            expected: 0,
        };
        row.set("entry", entry).set("line", line);
        row
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Rows that were left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The columns, those of [`ORIGIN`] last.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The value of a column in a row; null where there is no such column or row.
    pub fn get(&self, row: usize, column: &str) -> Cell {
        self.place(column)
            .and_then(|place| self.values.get(place))
            .map_or(Cell::Null, |values| values.get(row))
    }

    /// The text in a column of a row.
    pub fn text(&self, row: usize, column: &str) -> Option<&str> {
        match self.values.get(self.place(column)?)? {
            Values::Text(values) => values.get(row)?.as_deref(),
            _ => None,
        }
    }

    /// The whole number in a column of a row.
    pub fn int(&self, row: usize, column: &str) -> Option<i64> {
        match self.get(row, column) {
            Cell::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The number in a column of a row.
    pub fn float(&self, row: usize, column: &str) -> Option<f64> {
        match self.get(row, column) {
            Cell::Int(value) => Some(value as f64),
            Cell::Float(value) => Some(value),
            _ => None,
        }
    }

    /// Sets a column of a row where it is null; a column that is not there, or of another type, stays.
    pub fn fill(&mut self, row: usize, column: &str, cell: Cell) {
        let Some(place) = self.place(column) else {
            return;
        };
        if let Cell::Text(text) = &cell {
            self.text_left = self.text_left.saturating_sub(text.len());
        }
        if let Some(values) = self.values.get_mut(place) {
            values.fill(row, cell);
        }
    }

    /// Takes the columns apart.
    pub fn into_columns(self) -> impl Iterator<Item = (Column, Values)> {
        self.columns.into_iter().zip(self.values)
    }

    fn set_last(&mut self, place: Option<usize>, cell: Cell) -> bool {
        if let Cell::Text(text) = &cell {
            self.text_left = self.text_left.saturating_sub(text.len());
        }
        place
            .and_then(|place| self.values.get_mut(place))
            .is_some_and(|values| values.set_last(cell))
    }

    fn place(&self, column: &str) -> Option<usize> {
        self.columns.iter().position(|c| c.name == column)
    }
}

/// A row that is being filled in.
pub struct Row<'a> {
    /// Nothing for a row that is left out.
    rows: Option<&'a mut Rows>,
    /// Where the next column is if they are set in the order of their declaration.
    expected: usize,
}

impl Row<'_> {
    /// Sets a column. A column that the table does not declare, or of another type, is a mistake
    /// in the table's own file: tests stop at it, a release leaves it null.
    pub fn set(&mut self, column: &str, value: impl Into<Cell>) -> &mut Self {
        if let Some(rows) = &mut self.rows {
            let is_next = rows.columns.get(self.expected).map(|c| c.name) == Some(column);
            let place = if is_next {
                Some(self.expected)
            } else {
                rows.place(column)
            };
            self.expected = place.map_or(0, |place| place + 1);
            let fits = rows.set_last(place, value.into());
            debug_assert!(fits, "column `{column}` is not declared or of another type");
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::Rows;
    use crate::table::text;

    #[test]
    fn rows_behind_the_limit_of_text_are_counted() {
        let mut rows = Rows::new(&[text("name", "")]);
        rows.text_left = 25;
        for n in 0..10 {
            rows.add("e", Some(n)).set("name", "012345678");
        }
        assert_eq!((rows.len(), rows.left_out()), (3, 7));
        assert_eq!(rows.text(2, "name"), Some("012345678"));
    }
}
