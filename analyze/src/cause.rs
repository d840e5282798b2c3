//! Root causes: chains of findings that explain one another, ranked by how much of them is proven.
//!
//! A chain is one Markdown file in `root-causes/`. It names findings in the order of cause and effect.
//! Nothing is guessed: how sure a cause is follows from which of its links hold, and is told so.

use std::path::Path;

use include_dir::{Dir, include_dir};
use serde::Serialize;

use crate::document::ParseError;

pub mod diagnose;
pub mod output;
pub mod parse;

pub use diagnose::{Diagnosed, Proof, diagnose};

/// The chains that travel inside of the program.
static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/root-causes");

/// What a link does for its chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Without it the chain is not proven.
    Required,
    /// It makes the chain more certain.
    Supporting,
    /// It speaks against the chain.
    Contradicting,
}

/// One link: what must be seen.
#[derive(Clone, Debug, Serialize)]
pub struct Link {
    /// What it does for the chain.
    pub role: Role,
    /// Findings of which one must have fired.
    pub findings: Vec<String>,
    /// Expression over the columns of a row of evidence; the link holds if it is true of one row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// What it means within the chain.
    pub says: String,
}

/// A chain of findings that explain one another.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// Its file's name without `.md`.
    pub id: String,
    /// Its file, for errors.
    pub file: String,
    /// What went wrong, in a few words.
    pub title: String,
    /// How one leads to the other (Markdown).
    pub mechanism: String,
    /// What to do about the first of them (Markdown).
    pub remediation: String,
    /// Where the chain is known from (Markdown).
    pub references: String,
    /// The links, causes before effects.
    pub links: Vec<Link>,
    /// Its own tests.
    #[serde(skip)]
    pub cases: Vec<parse::Case>,
}

/// The chains that travel inside of the program, by id.
pub fn built_in() -> Vec<Result<Cause, ParseError>> {
    let mut files: Vec<_> = BUILT_IN.files().collect();
    files.sort_by_key(|file| file.path());
    let markdown = files
        .into_iter()
        .filter(|file| file.path().extension().is_some_and(|e| e == "md"));
    markdown
        .map(|file| {
            let path = format!("root-causes/{}", file.path().display());
            let id = stem(file.path());
            parse::parse(&path, id, file.contents_utf8().unwrap_or_default())
        })
        .collect()
}

/// Those of them that can be read: a test holds them to all.
pub fn library() -> Vec<Cause> {
    built_in().into_iter().flatten().collect()
}

fn stem(path: &Path) -> &str {
    path.file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_chain_is_sound() {
        let findings = crate::finding::built_in();
        let mut problems = Vec::new();
        for cause in built_in() {
            match cause {
                Ok(cause) => problems.extend(parse::check(&cause, &findings)),
                Err(error) => problems.push(error.to_string()),
            }
        }
        assert!(problems.is_empty(), "{}", problems.join("\n"));
    }
}
