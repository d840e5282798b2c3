//! From protocol buffers to their JSON mapping, by a table of fields.
//!
//! Nothing is built in between, so a hostile message costs no more memory than its JSON, and that has
//! a limit. Fields that the table does not know are passed over: newer versions only add some. Fields
//! that are not set have their default value, and messages that are not set are left out, as `crictl` does.

use super::wire::{Fields, Value, varint};

/// A field of a message.
pub(crate) struct Field {
    number: u32,
    /// Its name in JSON.
    pub(crate) name: &'static str,
    kind: Kind,
    is_list: bool,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    Bool,
    /// A number in JSON.
    Int32,
    Uint32,
    /// Text in JSON, where numbers are not exact.
    Int64,
    Uint64,
    Double,
    /// The names of the numbers from 0 on.
    Enum(&'static [&'static str]),
    Message(&'static [Field]),
    /// Texts by name.
    Map,
    /// What a runtime tells besides (`info`), JSON by name: fields of the message itself, as in `crictl`.
    Info,
}

#[cfg(test)]
impl Field {
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn is_list(&self) -> bool {
        self.is_list
    }
}

/// A field that is there once.
pub(crate) const fn one(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        is_list: false,
    }
}

/// A field that is there any number of times.
pub(crate) const fn many(number: u32, name: &'static str, kind: Kind) -> Field {
    Field {
        number,
        name,
        kind,
        is_list: true,
    }
}

/// A message in JSON.
#[derive(Debug, Default)]
pub(crate) struct Json {
    /// Always whole JSON.
    pub(crate) bytes: Vec<u8>,
    /// Whether the limit left something out.
    pub(crate) is_cut: bool,
    /// Whether the message ended where it should not.
    pub(crate) is_damaged: bool,
    limit: usize,
}

/// Writes a message as JSON of at most about `limit` bytes: elements of its lists that do not fit are
/// left out, and said to be.
pub(crate) fn to_json(fields: &'static [Field], message: &[u8], limit: usize) -> Json {
    let mut json = Json {
        limit,
        ..Json::default()
    };
    let mut all = Fields::of(message);
    all.by_ref().for_each(drop);
    json.is_damaged = all.is_damaged;
    json.bytes.push(b'{');
    for field in fields {
        let before = json.bytes.len();
        if field.is_list {
            json.name(field.name);
            json.bytes.push(b'[');
            json.whole_elements(field, message);
            json.bytes.push(b']');
        } else if let Kind::Info = field.kind {
            json.info(field, message, fields);
        } else {
            json.field(field, message);
            json.undo_beyond(before);
        }
    }
    json.bytes.push(b'}');
    json
}

impl Json {
    fn is_full(&self) -> bool {
        self.bytes.len() > self.limit
    }

    /// Takes back what has become too long; whether it has.
    fn undo_beyond(&mut self, before: usize) -> bool {
        let is_full = self.is_full();
        if is_full {
            self.bytes.truncate(before);
            self.is_cut = true;
        }
        is_full
    }

    fn name(&mut self, name: &str) {
        self.comma();
        self.text(name.as_bytes());
        self.bytes.push(b':');
    }

    fn comma(&mut self) {
        if !matches!(self.bytes.last(), Some(b'{' | b'[')) {
            self.bytes.push(b',');
        }
    }

    fn text(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        // Writing to memory does not fail.
        let _ = serde_json::to_writer(&mut self.bytes, &text);
    }

    fn message(&mut self, fields: &'static [Field], message: &[u8]) {
        let mut all = Fields::of(message);
        all.by_ref().for_each(drop);
        self.is_damaged |= all.is_damaged;
        self.bytes.push(b'{');
        for field in fields {
            if self.is_full() {
                return;
            }
            self.field(field, message);
        }
        self.bytes.push(b'}');
    }

    fn field(&mut self, field: &Field, message: &[u8]) {
        let values = Fields::of(message).filter(|(number, _)| *number == field.number);
        let values = values.map(|(_, value)| value);
        if field.is_list {
            self.name(field.name);
            self.bytes.push(b'[');
            for value in values {
                self.elements(field.kind, value);
            }
            self.bytes.push(b']');
        } else if let Kind::Map | Kind::Info = field.kind {
            self.name(field.name);
            self.bytes.push(b'{');
            for value in values {
                let (name, value) = pair(value);
                self.comma();
                self.text(name);
                self.bytes.push(b':');
                self.text(value);
            }
            self.bytes.push(b'}');
        } else {
            let last = values.last();
            if last.is_none() && matches!(field.kind, Kind::Message(_)) {
                return;
            }
            self.name(field.name);
            self.value(field.kind, last);
        }
    }

    /// The elements of a list that fit.
    fn whole_elements(&mut self, field: &Field, message: &[u8]) {
        for (number, value) in Fields::of(message) {
            if number == field.number {
                let before = self.bytes.len();
                self.elements(field.kind, value);
                if self.undo_beyond(before) {
                    return;
                }
            }
        }
    }

    /// One element, or several numbers that are packed.
    fn elements(&mut self, kind: Kind, value: Value<'_>) {
        let is_number = matches!(
            kind,
            Kind::Bool | Kind::Int32 | Kind::Uint32 | Kind::Int64 | Kind::Uint64 | Kind::Enum(_)
        );
        match value {
            Value::Bytes(mut packed) if is_number => {
                while let Some(number) = varint(&mut packed).filter(|_| !self.is_full()) {
                    self.comma();
                    self.value(kind, Some(Value::Number(number)));
                }
            }
            value if !self.is_full() => {
                self.comma();
                self.value(kind, Some(value));
            }
            _ => {}
        }
    }

    fn value(&mut self, kind: Kind, value: Option<Value<'_>>) {
        let number = match value {
            Some(Value::Number(number) | Value::Fixed64(number)) => number,
            Some(Value::Fixed32(number)) => number.into(),
            _ => 0,
        };
        let bytes = match value {
            Some(Value::Bytes(bytes)) => bytes,
            _ => &[],
        };
        let written = match kind {
            Kind::Text | Kind::Map | Kind::Info => return self.text(bytes),
            Kind::Message(fields) => return self.message(fields, bytes),
            Kind::Bool => (number != 0).to_string(),
            Kind::Int32 => (number as i32).to_string(),
            Kind::Uint32 => (number as u32).to_string(),
            Kind::Int64 => format!("\"{}\"", number as i64),
            Kind::Uint64 => format!("\"{number}\""),
            Kind::Double => match f64::from_bits(number) {
                double if double.is_finite() => double.to_string(),
                double => format!("\"{double}\""),
            },
            Kind::Enum(names) => match usize::try_from(number).ok().and_then(|n| names.get(n)) {
                Some(name) => format!("\"{name}\""),
                None => (number as i32).to_string(),
            },
        };
        self.bytes.extend_from_slice(written.as_bytes());
    }

    /// What a runtime tells besides, each as a field beside the others. Some of it is JSON in a text.
    fn info(&mut self, field: &Field, message: &[u8], fields: &[Field]) {
        for (number, value) in Fields::of(message) {
            let (name, value) = pair(value);
            let mut others = fields.iter().filter(|other| other.number != field.number);
            let is_taken = others.any(|other| other.name.as_bytes() == name);
            if number != field.number || is_taken {
                continue;
            }
            let before = self.bytes.len();
            self.comma();
            self.text(name);
            self.bytes.push(b':');
            let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(value).is_ok();
            if is_json {
                self.bytes.extend_from_slice(value);
            } else {
                self.text(value);
            }
            self.undo_beyond(before);
        }
    }
}

/// An entry of a map.
fn pair(entry: Value<'_>) -> (&[u8], &[u8]) {
    let Value::Bytes(entry) = entry else {
        return (&[], &[]);
    };
    let mut found: (&[u8], &[u8]) = (&[], &[]);
    for field in Fields::of(entry) {
        match field {
            (1, Value::Bytes(name)) => found.0 = name,
            (2, Value::Bytes(value)) => found.1 = value,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::wire::{put_bytes, whole_fields};
    use super::*;

    const INNER: &[Field] = &[one(1, "name", Kind::Text), one(4, "attempt", Kind::Uint32)];
    const OUTER: &[Field] = &[
        one(1, "status", Kind::Message(INNER)),
        many(2, "items", Kind::Message(INNER)),
        one(3, "createdAt", Kind::Int64),
        one(4, "exitCode", Kind::Int32),
        one(5, "state", Kind::Enum(&["READY", "NOTREADY"])),
        one(6, "labels", Kind::Map),
        many(7, "groups", Kind::Int64),
        one(8, "avg10", Kind::Double),
        one(9, "info", Kind::Info),
    ];

    fn json(message: &[u8]) -> serde_json::Value {
        let json = to_json(OUTER, message, 1 << 20);
        assert!(!json.is_cut && !json.is_damaged);
        serde_json::from_slice(&json.bytes).unwrap()
    }

    fn entry(name: &str, value: &str) -> Vec<u8> {
        let mut entry = Vec::new();
        put_bytes(&mut entry, 1, name.as_bytes());
        put_bytes(&mut entry, 2, value.as_bytes());
        entry
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        assert_eq!(
            json(&[]),
            serde_json::json!({"items": [], "createdAt": "0", "exitCode": 0, "state": "READY",
                "labels": {}, "groups": [], "avg10": 0})
        );
    }

    #[test]
    fn every_kind_has_its_mapping() {
        let mut message = vec![];
        put_bytes(&mut message, 1, b"\x0a\x03web\x20\x07\xf8\x7f\x01");
        put_bytes(&mut message, 2, b"\x0a\x01a");
        put_bytes(&mut message, 2, b"");
        message.extend(b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x28\x01");
        put_bytes(&mut message, 6, &entry("a\"b", "c\nd\u{e9}"));
        put_bytes(&mut message, 7, b"\x01\x96\x01");
        message.extend(b"\x38\x05\x41");
        message.extend(0.25f64.to_le_bytes());
        put_bytes(&mut message, 9, &entry("info", "{\"pid\": 7}"));
        put_bytes(&mut message, 9, &entry("note", "OK"));
        put_bytes(&mut message, 9, &entry("status", "\"mine\""));
        assert_eq!(
            json(&message),
            serde_json::json!({
                "status": {"name": "web", "attempt": 7},
                "items": [{"name": "a", "attempt": 0}, {"name": "", "attempt": 0}],
                "createdAt": "9223372036854775807", "exitCode": -1, "state": "NOTREADY",
                "labels": {"a\"b": "c\nd\u{e9}"}, "groups": ["1", "150", "5"], "avg10": 0.25,
                "info": {"pid": 7}, "note": "OK",
            })
        );
    }

    #[test]
    fn names_that_nobody_knows_stay_numbers() {
        assert_eq!(json(b"\x28\x09")["state"], 9);
    }

    #[test]
    fn what_does_not_fit_is_left_out_and_said() {
        let mut message = Vec::new();
        for _ in 0..100 {
            put_bytes(&mut message, 2, b"\x0a\x05hello");
        }
        put_bytes(
            &mut message,
            9,
            &entry("info", &format!("\"{}\"", "x".repeat(900))),
        );
        let json = to_json(OUTER, &message, 1000);
        assert!(json.is_cut && json.bytes.len() < 1200);
        let value: serde_json::Value = serde_json::from_slice(&json.bytes).unwrap();
        assert!(value["items"].as_array().unwrap().len() > 10);
        // A field may be so long that nothing else has room.
        let mut message = Vec::new();
        put_bytes(&mut message, 1, &entry(&"y".repeat(5000), ""));
        let json = to_json(OUTER, &message, 100);
        assert!(json.is_cut);
        let value: serde_json::Value = serde_json::from_slice(&json.bytes).unwrap();
        assert_eq!(value.get("status"), None);
    }

    #[test]
    fn two_bytes_do_not_become_two_hundred_without_limit() {
        let message = b"\x12\x00".repeat(1 << 20);
        let json = to_json(OUTER, &message, 4 << 20);
        assert!(json.is_cut && json.bytes.len() <= (4 << 20) + 1000);
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&json.bytes).is_ok());
    }

    #[test]
    fn damage_is_said_and_what_was_before_it_stays() {
        let mut message = Vec::new();
        put_bytes(&mut message, 2, b"\x0a\x01a");
        let whole = message.len();
        message.extend(b"\x12\x7f\x0a");
        assert_eq!(whole_fields(&message).len(), whole);
        let json = to_json(OUTER, &message, 1000);
        assert!(json.is_damaged);
        assert!(
            json.bytes
                .starts_with(br#"{"items":[{"name":"a","attempt":0}]"#)
        );
        // Within a message, and with kinds of values that are no more.
        for inner in [
            &b"\x0a\x7f"[..],
            b"\x0b",
            b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x80",
        ] {
            let mut message = Vec::new();
            put_bytes(&mut message, 1, inner);
            assert!(to_json(OUTER, &message, 1000).is_damaged, "{inner:?}");
        }
    }
}
