//! Tokens that are known by how they begin: `ghp_...`, `AKIA...`, `eyJ...`.

use super::scan::{Scan, slice};

/// How a token is known.
pub(super) struct Token {
    pub prefix: &'static str,
    pub kind: &'static str,
    /// What may follow the prefix.
    body: Body,
    /// Fewest and most bytes after the prefix.
    least: usize,
    most: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Body {
    /// Letters and digits.
    Alphanumeric,
    /// Capital letters and digits.
    Upper,
    /// Lower-case hex digits.
    Hex,
    /// Letters, digits, `-`, `_`.
    Word,
    /// Letters, digits, `-`, `_`, `.`.
    Dotted,
    /// Base64: letters, digits, `+`, `/`, `=`.
    Base64,
    /// Letters and digits, with a digit, a capital and a small letter: prefixes that words have too.
    Mixed,
    /// As `Mixed`, with `-` and `_`.
    MixedWord,
}

/// Longest token of any kind.
const LONGEST: usize = 16 << 10;

const fn token(
    prefix: &'static str,
    kind: &'static str,
    body: Body,
    least: usize,
    most: usize,
) -> Token {
    Token {
        prefix,
        kind,
        body,
        least,
        most,
    }
}

/// Sources: the services' own documents on the form of their tokens.
#[rustfmt::skip]
pub(super) const TOKENS: &[Token] = &[
    token("AKIA", "aws-key-id", Body::Upper, 16, 16),
    token("ASIA", "aws-key-id", Body::Upper, 16, 16),
    token("ABIA", "aws-key-id", Body::Upper, 16, 16),
    token("ACCA", "aws-key-id", Body::Upper, 16, 16),
    token("k8s-aws-v1.", "eks-token", Body::Word, 20, LONGEST),
    token("AIza", "google-api-key", Body::Word, 35, 35),
    token("ya29.", "google-oauth", Body::Dotted, 20, 2048),
    token("GOCSPX-", "google-oauth", Body::Word, 20, 64),
    token("ghp_", "github", Body::Alphanumeric, 30, 255),
    token("gho_", "github", Body::Alphanumeric, 30, 255),
    token("ghu_", "github", Body::Alphanumeric, 30, 255),
    token("ghs_", "github", Body::Alphanumeric, 30, 255),
    token("ghr_", "github", Body::Alphanumeric, 30, 255),
    token("github_pat_", "github", Body::Word, 22, 255),
    token("glpat-", "gitlab", Body::Dotted, 20, 255),
    token("gldt-", "gitlab", Body::Word, 20, 255),
    token("glrt-", "gitlab", Body::Dotted, 20, 255),
    token("glcbt-", "gitlab", Body::Word, 20, 255),
    token("glptt-", "gitlab", Body::Word, 20, 255),
    token("glsoat-", "gitlab", Body::Word, 20, 255),
    token("glagent-", "gitlab", Body::Word, 20, 255),
    token("GR1348941", "gitlab", Body::Word, 20, 64),
    token("xoxa-", "slack", Body::Word, 10, 255),
    token("xoxb-", "slack", Body::Word, 10, 255),
    token("xoxc-", "slack", Body::Word, 10, 255),
    token("xoxd-", "slack", Body::Word, 10, 255),
    token("xoxe-", "slack", Body::Dotted, 10, 255),
    token("xoxe.", "slack", Body::Dotted, 10, 255),
    token("xoxo-", "slack", Body::Word, 10, 255),
    token("xoxp-", "slack", Body::Word, 10, 255),
    token("xoxr-", "slack", Body::Word, 10, 255),
    token("xoxs-", "slack", Body::Word, 10, 255),
    token("xapp-", "slack", Body::Word, 20, 255),
    token("hooks.slack.com/services/", "webhook", Body::Base64, 20, 128),
    token("hooks.slack.com/workflows/", "webhook", Body::Base64, 20, 128),
    token("discord.com/api/webhooks/", "webhook", Body::Base64, 20, 200),
    token("sk_live_", "stripe", Body::Alphanumeric, 10, 255),
    token("rk_live_", "stripe", Body::Alphanumeric, 10, 255),
    token("sk_test_", "stripe", Body::Alphanumeric, 10, 255),
    token("rk_test_", "stripe", Body::Alphanumeric, 10, 255),
    token("whsec_", "stripe", Body::Base64, 20, 255),
    token("npm_", "npm", Body::Alphanumeric, 36, 64),
    token("pypi-AgEI", "pypi", Body::Word, 30, 512),
    token("rubygems_", "rubygems", Body::Hex, 32, 64),
    token("dckr_pat_", "docker", Body::Word, 20, 64),
    token("dckr_oat_", "docker", Body::Word, 20, 64),
    token("SG.", "sendgrid", Body::Dotted, 40, 96),
    token("xkeysib-", "sendinblue", Body::Word, 40, 128),
    token("key-", "mailgun", Body::Hex, 32, 32),
    token("SK", "twilio", Body::Hex, 32, 32),
    token("hf_", "huggingface", Body::Alphanumeric, 30, 64),
    token("sk-proj-", "openai", Body::Word, 20, 255),
    token("sk-svcacct-", "openai", Body::Word, 20, 255),
    token("sk-admin-", "openai", Body::Word, 20, 255),
    token("sk-ant-", "anthropic", Body::Word, 20, 255),
    token("sk-or-v1-", "openrouter", Body::Hex, 32, 64),
    token("sk-", "openai", Body::MixedWord, 20, 255),
    token("dop_v1_", "digitalocean", Body::Hex, 40, 64),
    token("doo_v1_", "digitalocean", Body::Hex, 40, 64),
    token("dor_v1_", "digitalocean", Body::Hex, 40, 64),
    token("hvs.", "vault", Body::Word, 20, 512),
    token("hvb.", "vault", Body::Word, 20, 2048),
    token("hvr.", "vault", Body::Word, 20, 512),
    token("s.", "vault", Body::Mixed, 24, 24),
    token("b.AAAA", "vault", Body::Base64, 60, 2048),
    token("AGE-SECRET-KEY-1", "age", Body::Upper, 50, 64),
    token("tskey-", "tailscale", Body::Word, 20, 128),
    token("shpat_", "shopify", Body::Hex, 32, 32),
    token("shpss_", "shopify", Body::Hex, 32, 32),
    token("shpca_", "shopify", Body::Hex, 32, 32),
    token("shppa_", "shopify", Body::Hex, 32, 32),
    token("ATATT3", "atlassian", Body::Base64, 50, 512),
    token("ATCTT3", "atlassian", Body::Base64, 50, 512),
    token("NRAK-", "newrelic", Body::Upper, 27, 27),
    token("NRII-", "newrelic", Body::Word, 32, 32),
    token("dapi", "databricks", Body::Hex, 32, 34),
    token("glc_", "grafana", Body::Base64, 32, 512),
    token("glsa_", "grafana", Body::Word, 32, 64),
    token("PMAK-", "postman", Body::Word, 50, 64),
    token("lin_api_", "linear", Body::Alphanumeric, 32, 64),
    token("dp.pt.", "doppler", Body::Alphanumeric, 40, 48),
    token("dp.st.", "doppler", Body::Dotted, 40, 96),
    token("pul-", "pulumi", Body::Hex, 40, 40),
    token("sntrys_", "sentry", Body::Base64, 40, 512),
    token("sbp_", "supabase", Body::Hex, 40, 40),
    token("sq0atp-", "square", Body::Word, 22, 64),
    token("sq0csp-", "square", Body::Word, 40, 64),
    token("PAT-", "fastly", Body::Mixed, 32, 64),
    token("nvapi-", "nvidia", Body::Word, 40, 128),
    token("CCIPAT_", "circleci", Body::Word, 30, 128),
    token("eyJ", "jwt", Body::Dotted, 20, LONGEST),
    // Private keys as base64 without the lines around them (PKCS#1, PKCS#8, SEC 1, OpenSSH).
    token("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC", "private-key", Body::Base64, 100, LONGEST),
    token("MIIEvgIBADANBgkqhkiG9w0BAQEFAASC", "private-key", Body::Base64, 100, LONGEST),
    token("MIIEvAIBADANBgkqhkiG9w0BAQEFAASC", "private-key", Body::Base64, 100, LONGEST),
    token("MIIEowIBAAKCAQEA", "private-key", Body::Base64, 100, LONGEST),
    token("MIIEpAIBAAKCAQEA", "private-key", Body::Base64, 100, LONGEST),
    token("MIIEpQIBAAKCAQEA", "private-key", Body::Base64, 100, LONGEST),
    token("MIIJKAIBAAKCAgEA", "private-key", Body::Base64, 100, LONGEST),
    token("MIIJKQIBAAKCAgEA", "private-key", Body::Base64, 100, LONGEST),
    token("MIIJKgIBAAKCAgEA", "private-key", Body::Base64, 100, LONGEST),
    token("MC4CAQAwBQYDK2Vw", "private-key", Body::Base64, 40, LONGEST),
    token("MHcCAQEEI", "private-key", Body::Base64, 100, LONGEST),
    token("MIGHAgEAMBMGByqGSM49", "private-key", Body::Base64, 100, LONGEST),
    token("b3BlbnNzaC1rZXktdjE", "private-key", Body::Base64, 100, LONGEST),
];

/// Prefixes too short for the search: they are found with what stands before them.
pub(super) const AFTER: &[u8] = b" \"'=:\t\0,(\n";

/// A trigger of a token's prefix was seen at `start`.
pub(super) fn search(scan: &mut Scan, token: &Token, start: usize) {
    let before = scan.before(start);
    // `dapi` in `kubedapi`, `sk-` in `disk-`: a token begins where a word begins. JSON writes `\n`.
    let begins = !(before.is_ascii_alphanumeric() || matches!(before, b'_' | b'-'))
        || (matches!(before, b'n' | b't' | b'r') && start >= 2 && scan.at(start - 2) == b'\\')
        || (scan.slice(start.saturating_sub(3), start).starts_with(b"%"))
        || token.kind == "webhook";
    if !begins {
        return;
    }
    let rest = scan.slice(start, start.saturating_add(LONGEST));
    if let Some(length) = length(token, rest) {
        let public = if token.kind == "webhook" {
            token.prefix.len()
        } else {
            0
        };
        scan.found(start + public, start + length, token.kind);
    }
}

/// A token of any kind may begin at `start`.
pub(super) fn search_any(scan: &mut Scan, start: usize) {
    let rest = scan.slice(start, start.saturating_add(64));
    for token in TOKENS
        .iter()
        .filter(|token| rest.starts_with(token.prefix.as_bytes()))
    {
        search(scan, token, start);
    }
}

/// The kind of token that the whole of `value` is.
pub(super) fn kind_of(value: &[u8]) -> Option<&'static str> {
    TOKENS
        .iter()
        .find(|token| length(token, value) == Some(value.len()))
        .map(|token| token.kind)
}

/// Length of the token that `text` begins with.
fn length(token: &Token, text: &[u8]) -> Option<usize> {
    let body = text.strip_prefix(token.prefix.as_bytes())?;
    if token.kind == "jwt" && !is_jwt(body) {
        return None;
    }
    let run = body
        .iter()
        .take(token.most + 1)
        .take_while(|&&b| token.body.has(b))
        .count();
    // A token ends a sentence too.
    let trimmed = slice(body, 0, run).trim_ascii_end();
    let run = trimmed.len() - trimmed.iter().rev().take_while(|&&b| b == b'.').count();
    let body_bytes = slice(body, 0, run);
    if run < token.least || run > token.most || !token.body.fits(body_bytes) {
        return None;
    }
    let next = body.get(run).copied().unwrap_or(b' ');
    // An exact form that goes on is something else.
    if token.least == token.most && (next.is_ascii_alphanumeric() || next == b'_') {
        return None;
    }
    Some(token.prefix.len() + run)
}

/// At least two parts that hold something. Looks no further than it must: this is asked often.
fn is_jwt(body: &[u8]) -> bool {
    let part = |from: usize| {
        let rest = slice(body, from, from.saturating_add(LONGEST));
        rest.iter().take_while(|&&b| Body::Word.has(b)).count()
    };
    let header = part(0);
    header >= 8 && body.get(header) == Some(&b'.') && part(header + 1) >= 8
}

impl Body {
    fn has(self, b: u8) -> bool {
        match self {
            Self::Alphanumeric | Self::Mixed => b.is_ascii_alphanumeric(),
            Self::Upper => b.is_ascii_uppercase() || b.is_ascii_digit(),
            Self::Hex => b.is_ascii_digit() || (b'a'..=b'f').contains(&b),
            Self::Word | Self::MixedWord => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'),
            Self::Dotted => b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'),
            Self::Base64 => {
                b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_')
            }
        }
    }

    fn fits(self, body: &[u8]) -> bool {
        let digit = body.iter().any(u8::is_ascii_digit);
        let upper = body.iter().any(u8::is_ascii_uppercase);
        let lower = body.iter().any(u8::is_ascii_lowercase);
        match self {
            Self::Mixed => digit && upper && lower,
            // Names of pods are in small letters and have dashes.
            Self::MixedWord => digit && lower && (upper || !body.contains(&b'-')),
            _ => true,
        }
    }
}
