//! The one pass over a text: where something stands that can lead to a secret.

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, MatchKind};

use super::scan::Scan;
use super::{arguments, assignment, environment, header, manifest, mark, pem, token, url, yaml};

/// What a trigger leads to.
#[derive(Clone, Copy)]
enum Lead {
    Mark,
    Word,
    /// Number of the token; how many bytes of the trigger stand before it.
    Token(usize, usize),
    Header,
    Scheme,
    Address,
    DataSource,
    PrivateKey,
    EncodedKey,
    Program,
    Unit,
    List,
    Data,
    Document,
    Value,
}

/// All triggers, ready to search.
pub(super) struct Triggers {
    automaton: AhoCorasick,
    leads: Vec<Lead>,
}

impl Triggers {
    pub(super) fn new() -> Result<Self, BuildError> {
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut leads = Vec::new();
        let mut add = |texts: &[&str], lead: Lead| {
            for text in texts {
                patterns.push(text.as_bytes().to_vec());
                leads.push(lead);
            }
        };
        add(&["<redacted:"], Lead::Mark);
        add(header::HEADERS, Lead::Header);
        add(header::SCHEMES, Lead::Scheme);
        add(assignment::WORDS, Lead::Word);
        add(&["://"], Lead::Address);
        add(url::DATA_SOURCES, Lead::DataSource);
        add(&["PRIVATE KEY"], Lead::PrivateKey);
        add(pem::ENCODED, Lead::EncodedKey);
        add(arguments::NAMES, Lead::Program);
        add(&[environment::UNIT], Lead::Unit);
        add(manifest::LISTS, Lead::List);
        add(manifest::DATA, Lead::Data);
        add(yaml::KINDS, Lead::Document);
        add(&[yaml::VALUE], Lead::Value);
        for (number, token) in token::TOKENS.iter().enumerate() {
            if token.prefix.len() >= 3 {
                patterns.push(token.prefix.as_bytes().to_vec());
                leads.push(Lead::Token(number, 0));
                continue;
            }
            for before in token::AFTER {
                patterns.push([std::slice::from_ref(before), token.prefix.as_bytes()].concat());
                leads.push(Lead::Token(number, 1));
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&patterns)?;
        Ok(Self { automaton, leads })
    }

    /// Follows every trigger of the text.
    pub(super) fn search(&self, scan: &mut Scan) {
        let text = scan.text;
        for hit in self.automaton.find_iter(text) {
            let (start, end) = (hit.start(), hit.end());
            if start < scan.resume {
                continue;
            }
            if let Some(&lead) = self.leads.get(hit.pattern().as_usize()) {
                follow(scan, lead, start, end);
            }
        }
    }
}

fn follow(scan: &mut Scan, lead: Lead, start: usize, end: usize) {
    match lead {
        Lead::Mark => {
            let rest = scan.slice(start, scan.text.len());
            scan.resume = start + mark::length(rest).unwrap_or(0);
        }
        Lead::Word => assignment::search(scan, start, end),
        Lead::Token(number, 0) => {
            if let Some(token) = token::TOKENS.get(number) {
                token::search(scan, token, start);
            }
        }
        // A short prefix hides the longer ones that begin with it.
        Lead::Token(_, before) => token::search_any(scan, start + before),
        Lead::Header => {
            let before = scan.resume;
            header::search(scan, start, end);
            if scan.resume == before {
                assignment::search(scan, start, end);
            }
        }
        Lead::Scheme => header::search_scheme(scan, start, end),
        Lead::Address => url::search(scan, end),
        Lead::DataSource => url::search_data_source(scan, start),
        Lead::PrivateKey => pem::search(scan, start, end),
        Lead::EncodedKey => pem::search_encoded(scan, start),
        Lead::Program => arguments::search(scan, start),
        Lead::Unit => environment::search_unit(scan, start, end),
        Lead::List => manifest::search_list(scan, start, end),
        Lead::Data => manifest::search_data(scan, start, end),
        Lead::Document => yaml::search_document(scan, start),
        Lead::Value => yaml::search_value(scan, start, end),
    }
}
