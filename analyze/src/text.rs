//! Text from a node, made harmless to look at.

/// Replaces control characters and those that turn the direction of writing: a name of a process
/// must neither steer a terminal nor disguise itself.
pub fn visible(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_tricky(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// Whether a character acts instead of showing.
pub fn is_tricky(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    #[test]
    fn tricks_are_replaced() {
        assert_eq!(
            super::visible("a\u{1b}[31m\u{202E}b\n"),
            "a\u{FFFD}[31m\u{FFFD}b\u{FFFD}"
        );
    }
}
