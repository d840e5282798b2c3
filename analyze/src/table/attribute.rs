//! Files of one value each, as sysfs has them, put together by the object they tell of.

use std::collections::{BTreeMap, HashMap};

use super::{Damages, Input};

/// Objects (devices, nodes, sizes) by name, in order.
#[derive(Debug, Default)]
pub struct Objects(BTreeMap<String, Object>);

/// What the files of one object say.
#[derive(Debug, Default)]
pub struct Object {
    /// The entry that rows name: the first that was read of the object.
    pub entry: String,
    texts: HashMap<String, String>,
    numbers: HashMap<String, u64>,
}

impl Objects {
    /// Keeps a text. An empty file says nothing; of several readings the first one counts.
    pub fn text(&mut self, object: &str, name: &str, input: &Input<'_>) {
        let text = input.text().trim().to_owned();
        let object = self.object(object, input);
        if !text.is_empty() {
            object.texts.entry(name.to_owned()).or_insert(text);
        }
    }

    /// Keeps a number, decimal or (`0x1f`) hexadecimal; anything else is damage.
    pub fn number(&mut self, object: &str, name: &str, input: &Input<'_>, damages: &mut Damages) {
        let text = input.text();
        let object = self.object(object, input);
        match number(text.trim()) {
            Some(number) => {
                object.numbers.entry(name.to_owned()).or_insert(number);
            }
            None if text.trim().is_empty() => {}
            None => damages.add(input, None, format!("not a number: `{}`", shown(&text))),
        }
    }

    fn object(&mut self, name: &str, input: &Input<'_>) -> &mut Object {
        let object = self.0.entry(name.to_owned()).or_default();
        if object.entry.is_empty() {
            input.entry.clone_into(&mut object.entry);
        }
        object
    }
}

impl IntoIterator for Objects {
    type Item = (String, Object);
    type IntoIter = std::collections::btree_map::IntoIter<String, Object>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl Object {
    /// A text that was kept.
    pub fn get_text(&self, name: &str) -> Option<&str> {
        self.texts.get(name).map(String::as_str)
    }

    /// A number that was kept.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.numbers.get(name).copied()
    }

    /// A number that was kept, in a smaller unit.
    pub fn get_times(&self, name: &str, factor: u64) -> Option<u64> {
        self.get(name)?.checked_mul(factor)
    }
}

/// The choice in `none [mq-deadline] kyber`; the whole text where nothing is chosen.
pub fn choice(text: &str) -> &str {
    let inside = text
        .split_once('[')
        .and_then(|(_, rest)| rest.split_once(']'));
    inside.map_or(text, |(choice, _)| choice)
}

/// A number as sysfs prints it.
pub fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// As much of a text as a message may hold.
pub fn shown(text: &str) -> String {
    text.trim().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::{choice, number};

    #[test]
    fn choices_and_numbers() {
        assert_eq!(choice("none [mq-deadline] kyber"), "mq-deadline");
        assert_eq!(choice("none"), "none");
        assert_eq!(number("0x1f"), Some(31));
        assert_eq!(number("31"), Some(31));
        assert_eq!(number("-1"), None);
        assert_eq!(number(""), None);
    }
}
