//! One entry of the journal.

/// Fields that are exported: what was said, by whom, how urgent.
const FIELDS: [&str; 13] = [
    "MESSAGE",
    "PRIORITY",
    "_SYSTEMD_UNIT",
    "UNIT",
    "SYSLOG_IDENTIFIER",
    "_COMM",
    "_PID",
    "_TRANSPORT",
    "_SOURCE_REALTIME_TIMESTAMP",
    "_SOURCE_MONOTONIC_TIMESTAMP",
    "JOB_RESULT",
    "EXIT_CODE",
    "EXIT_STATUS",
];

/// An entry with the fields that are exported.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    pub(super) realtime_us: u64,
    pub(super) monotonic_us: u64,
    pub(super) boot_id: [u8; 16],
    pub(super) fields: Vec<(&'static str, Vec<u8>)>,
}

impl Entry {
    /// Adds `NAME=value`, if it is a field that is exported.
    pub(super) fn add(&mut self, field: &[u8]) {
        let Some(place) = field.iter().position(|b| *b == b'=') else {
            return;
        };
        let (name, value) = field.split_at(place);
        if let Some(known) = FIELDS.iter().find(|known| known.as_bytes() == name) {
            self.fields
                .push((known, value.get(1..).unwrap_or_default().to_vec()));
        }
    }

    /// The value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.as_slice())
    }

    /// The value of a field, if it is UTF-8.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.field(name)?).ok()
    }

    /// The entry in journal export format (systemd.io, `JOURNAL_EXPORT_FORMATS`).
    pub(super) fn export(&self) -> Vec<u8> {
        let mut out = format!(
            "__REALTIME_TIMESTAMP={}\n__MONOTONIC_TIMESTAMP={}\n_BOOT_ID={:032x}\n",
            self.realtime_us,
            self.monotonic_us,
            u128::from_be_bytes(self.boot_id),
        )
        .into_bytes();
        for (name, value) in &self.fields {
            out.extend_from_slice(name.as_bytes());
            if value.contains(&b'\n') || std::str::from_utf8(value).is_err() {
                out.push(b'\n');
                out.extend_from_slice(&(value.len() as u64).to_le_bytes());
            } else {
                out.push(b'=');
            }
            out.extend_from_slice(value);
            out.push(b'\n');
        }
        out.push(b'\n');
        out
    }
}
