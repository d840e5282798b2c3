//! Looks into answers in JSON whose shape changed over the years: what is not there, or is of
//! another type, is nothing.

use serde_json::Value;

use super::moment::Moment;
use crate::table::{Damages, Input};

/// The longest answer that is read: the pods of a node with 250 of them are 15 MB, and a value in
/// memory is many times as large as its text.
const LIMIT_BYTES: usize = 32 << 20;

/// Reads an answer; one that cannot be read is damage.
pub fn parse(input: &Input<'_>, damages: &mut Damages) -> Option<Value> {
    if input.bytes.len() > LIMIT_BYTES {
        damages.add(input, None, format!("longer than {LIMIT_BYTES} bytes"));
        return None;
    }
    // A refusal is told by the table `http_exchange`; here it is no JSON.
    match serde_json::from_slice(input.bytes) {
        Ok(value) => Some(value),
        Err(error) => {
            damages.add(input, None, error.to_string());
            None
        }
    }
}

/// A place in a JSON value, which may not exist.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub Option<&'a Value>);

impl<'a> Json<'a> {
    /// The whole of a value.
    pub fn new(value: &'a Value) -> Self {
        Self(Some(value))
    }

    /// A field.
    #[must_use]
    pub fn at(self, name: &str) -> Self {
        Self(self.0.and_then(|value| value.get(name)))
    }

    /// Whether there is anything but null.
    pub fn is_there(self) -> bool {
        self.0.is_some_and(|value| !value.is_null())
    }

    /// Text that is not empty.
    pub fn text(self) -> Option<&'a str> {
        self.0?.as_str().filter(|text| !text.is_empty())
    }

    /// A whole number: as such, as text (64-bit numbers of protobuf), or wrapped in `value`.
    pub fn int(self) -> Option<i64> {
        match self.0? {
            Value::Number(number) => number
                .as_i64()
                .or_else(|| number.as_u64().map(|_| i64::MAX))
                .or_else(|| number.as_f64().map(|float| float as i64)),
            Value::String(text) => text.parse().ok(),
            Value::Object(_) => self.at("value").plain_int(),
            _ => None,
        }
    }

    fn plain_int(self) -> Option<i64> {
        let value = self.0.filter(|value| !value.is_object());
        Self(value).int()
    }

    /// A truth value.
    pub fn bool(self) -> Option<bool> {
        self.0?.as_bool()
    }

    /// A point in time; the zero time of Go is nothing.
    pub fn moment(self) -> Option<Moment> {
        match self.0? {
            // The runtime counts nanoseconds.
            Value::Number(number) => Moment::from_nanoseconds(number.as_i64()?),
            Value::String(text) => match text.parse() {
                Ok(nanoseconds) => Moment::from_nanoseconds(nanoseconds),
                Err(_) => Moment::parse(text),
            },
            _ => None,
        }
    }

    /// The elements of a list.
    pub fn list(self) -> impl Iterator<Item = Json<'a>> {
        let list = self.0.and_then(Value::as_array);
        list.into_iter().flatten().map(Json::new)
    }

    /// The fields of an object.
    pub fn fields(self) -> impl Iterator<Item = (&'a str, Json<'a>)> {
        let object = self.0.and_then(Value::as_object);
        let fields = object.into_iter().flatten();
        fields.map(|(name, value)| (name.as_str(), Json::new(value)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_of_every_shape_and_nothing_else() {
        let value = json!({"a": 7, "b": "8", "c": {"value": "9"}, "d": 1.5, "e": "x", "f": u64::MAX, "g": ""});
        let json = Json::new(&value);
        let ints = ["a", "b", "c", "d", "e", "f", "h"].map(|name| json.at(name).int());
        assert_eq!(
            ints,
            [
                Some(7),
                Some(8),
                Some(9),
                Some(1),
                None,
                Some(i64::MAX),
                None
            ]
        );
        assert_eq!(json.at("g").text(), None);
        assert_eq!(json.at("x").at("y").list().count(), 0);
    }
}
