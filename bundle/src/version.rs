//! The format's version.

use serde::{Deserialize, Serialize};

/// Version of the bundle format.
///
/// A reader opens every bundle of its own major version and of older ones: a minor step only adds
/// files or fields, which an older reader passes over. A new outcome or kind is a major step: its
/// records would be unreadable.
///
/// - 1.0: the first format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct FormatVersion {
    /// Raised when an old reader would misread a new bundle.
    pub major: u32,
    /// Raised when something was added.
    pub minor: u32,
}

impl FormatVersion {
    /// The version this crate writes.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };

    /// Whether a reader of version [`FormatVersion::CURRENT`] understands this bundle.
    pub fn is_readable(self) -> bool {
        self.major <= Self::CURRENT.major
    }
}

impl Default for FormatVersion {
    fn default() -> Self {
        Self::CURRENT
    }
}

impl std::fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}
