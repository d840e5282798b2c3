//! Files that tell what the program knows: TOML between `+++` lines, then Markdown with fixed headings.

use serde::de::DeserializeOwned;

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct ParseError {
    /// The file as it was named.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

/// A file taken apart.
pub(crate) struct Document<Front> {
    pub(crate) front: Front,
    /// Line on which the Markdown begins.
    pub(crate) first_line: usize,
    /// What stands before the first heading.
    pub(crate) preface: String,
    pub(crate) sections: Vec<Section>,
}

/// What stands below a heading of the second level.
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) line: usize,
    pub(crate) body: String,
}

/// A code block.
pub(crate) struct Block {
    /// Language and words behind it.
    pub(crate) info: String,
    /// Line of its first line.
    pub(crate) line: usize,
    pub(crate) content: String,
}

/// Takes a file apart. `what` it is stands in errors: "a finding".
pub(crate) fn read<Front: DeserializeOwned>(
    file: &str,
    what: &str,
    text: &str,
) -> Result<Document<Front>, ParseError> {
    let fail = |line: usize, reason: String| ParseError {
        file: file.to_owned(),
        line,
        reason,
    };
    let rest = text
        .strip_prefix("+++\n")
        .ok_or_else(|| fail(1, format!("{what} begins with a line `+++` and TOML")))?;
    let (toml, markdown) = rest
        .split_once("\n+++\n")
        .ok_or_else(|| fail(1, "the front matter has no closing line `+++`".to_owned()))?;
    let front = toml::from_str(toml).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        let line = 2 + toml.get(..offset).unwrap_or_default().matches('\n').count();
        fail(line, error.message().to_owned())
    })?;
    let first_line = 4 + toml.matches('\n').count();
    let (preface, sections) = sections(markdown, first_line);
    Ok(Document {
        front,
        first_line,
        preface: preface.trim().to_owned(),
        sections,
    })
}

impl<Front> Document<Front> {
    /// The body of each of these sections, which must stand there once and not be empty.
    pub(crate) fn bodies<const N: usize>(
        &self,
        headings: [&str; N],
    ) -> Result<[String; N], (usize, String)> {
        let mut bodies = [const { String::new() }; N];
        for (body, heading) in bodies.iter_mut().zip(headings) {
            let mut found = self.sections.iter().filter(|s| s.heading == heading);
            let wrong = match (found.next(), found.next()) {
                (Some(section), None) if !section.body.trim().is_empty() => {
                    section.body.trim().clone_into(body);
                    continue;
                }
                (Some(_), None) => "is empty",
                (None, _) => "is missing",
                (Some(_), Some(_)) => "stands twice",
            };
            return Err((
                self.first_line,
                format!("the section `## {heading}` {wrong}"),
            ));
        }
        Ok(bodies)
    }

    /// Refuses a heading that is neither one of these nor a test.
    pub(crate) fn only(&self, headings: &[&str]) -> Result<(), (usize, String)> {
        for section in &self.sections {
            let heading = section.heading.as_str();
            if !heading.starts_with("Test: ") && !headings.contains(&heading) {
                let near = nearest(heading, headings);
                let reason = format!("unknown heading `{heading}`: did you mean `{near}`?");
                return Err((section.line, reason));
            }
        }
        Ok(())
    }
}

impl Section {
    /// What the heading of a test says.
    pub(crate) fn test(&self) -> Option<&str> {
        self.heading.strip_prefix("Test: ")
    }

    /// The code blocks.
    pub(crate) fn blocks(&self) -> Vec<Block> {
        let mut blocks = Vec::new();
        let mut open: Option<Block> = None;
        for (number, line) in self.body.lines().enumerate() {
            match (line.strip_prefix("```"), open.take()) {
                (Some(info), None) => {
                    open = Some(Block {
                        info: info.trim().to_owned(),
                        line: self.line + number + 2,
                        content: String::new(),
                    });
                }
                (Some(_), Some(block)) => blocks.push(block),
                (None, Some(mut block)) => {
                    block.content.push_str(line);
                    block.content.push('\n');
                    open = Some(block);
                }
                (None, None) => {}
            }
        }
        blocks
    }

    /// The lines outside of code blocks, without a full stop at the end.
    pub(crate) fn prose(&self) -> impl Iterator<Item = &str> {
        let mut in_code = false;
        self.body.lines().filter_map(move |line| {
            if line.starts_with("```") {
                in_code = !in_code;
                return None;
            }
            (!in_code).then(|| line.trim().trim_end_matches('.'))
        })
    }
}

/// Splits Markdown at its second-level headings, those inside of code blocks left alone.
fn sections(markdown: &str, first_line: usize) -> (String, Vec<Section>) {
    let mut preface = String::new();
    let mut sections: Vec<Section> = Vec::new();
    let mut in_code = false;
    for (number, line) in markdown.lines().enumerate() {
        if line.starts_with("```") {
            in_code = !in_code;
        }
        if let Some(heading) = line.strip_prefix("## ").filter(|_| !in_code) {
            sections.push(Section {
                heading: heading.trim().to_owned(),
                line: first_line + number,
                body: String::new(),
            });
        } else {
            let body = sections
                .last_mut()
                .map_or(&mut preface, |section| &mut section.body);
            body.push_str(line);
            body.push('\n');
        }
    }
    (preface, sections)
}

/// The word most like `word`.
pub(crate) fn nearest<'a>(word: &str, words: &[&'a str]) -> &'a str {
    words
        .iter()
        .copied()
        .min_by_key(|candidate| distance(word, candidate))
        .unwrap_or_default()
}

/// Levenshtein's distance.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(&b) {
            let cost = diagonal + usize::from(x != *y);
            diagonal = *cell;
            left = cost.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(nearest("Querry", &["Message", "Query"]), "Query");
    }
}
