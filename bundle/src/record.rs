//! One line of `index/<n>.jsonl`: what became of one read.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What became of an entry or of a whole source. Absent is not zero, and not read is not absent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", content = "why", rename_all = "snake_case")]
pub enum Outcome {
    /// Read to its end.
    Complete,
    /// Some of it is there; the reason says what is not.
    Partial(String),
    /// It does not exist on this node, which is expected; the reason says why.
    Absent(String),
    /// The kernel or a service refused; the reason names what is missing.
    Denied(String),
    /// Given up after so many microseconds.
    TimedOut(u64),
    /// An error that is not expected.
    Failed(String),
    /// Not tried: by the user's choice or for lack of budget.
    Skipped(String),
}

impl Outcome {
    /// The outcome's name as it stands in the index.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Partial(_) => "partial",
            Self::Absent(_) => "absent",
            Self::Denied(_) => "denied",
            Self::TimedOut(_) => "timed_out",
            Self::Failed(_) => "failed",
            Self::Skipped(_) => "skipped",
        }
    }

    /// The reason, where the outcome has one.
    pub fn reason(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Complete => None,
            Self::TimedOut(after_us) => Some(format!("gave up after {after_us} us").into()),
            Self::Partial(why)
            | Self::Absent(why)
            | Self::Denied(why)
            | Self::Failed(why)
            | Self::Skipped(why) => Some(why.as_str().into()),
        }
    }

    /// Whether something that should be there is missing.
    pub fn is_degraded(&self) -> bool {
        matches!(
            self,
            Self::Partial(_) | Self::Denied(_) | Self::TimedOut(_) | Self::Failed(_)
        )
    }
}

/// Which end of a cut entry was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kept {
    /// The beginning.
    Head,
    /// The end.
    Tail,
}

/// How an entry was shortened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// Which end is in the bundle.
    pub kept: Kept,
    /// The whole length, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of_bytes: Option<u64>,
}

/// What the bytes of an entry are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The content of a file, as read.
    #[default]
    File,
    /// The target of a symbolic link.
    Link,
    /// The names in a folder, one a line; a link is `name<TAB>target`.
    Listing,
    /// The answer of a system call or a service, in a format of its own.
    Answer,
}

impl Kind {
    fn is_file(kind: &Self) -> bool {
        *kind == Self::File
    }
}

/// What became of one read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryRecord {
    /// Member path below the top folder. A read without bytes has a record and no member.
    pub path: String,
    /// Id of the source that read it.
    pub source: Cow<'static, str>,
    /// What became of it.
    pub outcome: Outcome,
    /// When the read began, in microseconds of `CLOCK_BOOTTIME`.
    pub started_us: u64,
    /// How long the read took, in microseconds.
    pub took_us: u64,
    /// Bytes stored.
    pub bytes: u64,
    /// SHA-256 of the stored bytes in hexadecimal; the writer fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// What the bytes are.
    #[serde(default, skip_serializing_if = "Kind::is_file")]
    pub kind: Kind,
    /// How it was shortened, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cut: Option<Cut>,
    /// Secrets replaced before the bytes were stored, by kind.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub redactions: BTreeMap<String, u64>,
}
