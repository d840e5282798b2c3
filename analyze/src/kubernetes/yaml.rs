//! Settings out of YAML as programs write it: maps and lists by indentation, plain and quoted values.
//! What is written in braces or over several lines is kept as it stands, or left out.

/// A part of the way to a setting.
struct Level {
    indent: usize,
    name: String,
    /// The next element, where it is a list.
    next: usize,
}

/// Line, dotted name and value of the settings, at most `limit` of them.
pub fn settings(text: &str, limit: usize) -> Vec<(i64, String, String)> {
    /// Deeper is no configuration.
    const DEPTH: usize = 32;
    let mut levels: Vec<Level> = Vec::new();
    let mut found = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let mut body = line.trim_start();
        let mut indent = line.len() - body.len();
        if body.is_empty() || body.starts_with(['#', '%']) || body.starts_with("---") {
            continue;
        }
        if found.len() >= limit {
            break;
        }
        // An element of a list: its name is its place. A list may stand as far left as its key.
        while let Some(rest) = body
            .strip_prefix('-')
            .filter(|r| r.is_empty() || r.starts_with(' '))
        {
            let is_deeper = |level: &Level| {
                level.indent > indent || level.indent == indent && is_place(&level.name)
            };
            while levels.last().is_some_and(is_deeper) {
                levels.pop();
            }
            let place = levels.last_mut().map_or(0, |level| {
                level.next += 1;
                level.next - 1
            });
            levels.push(Level {
                indent,
                name: place.to_string(),
                next: 0,
            });
            body = rest.trim_start();
            indent += rest.len() - body.len() + 1;
        }
        let is_element = line.trim_start().starts_with("- ");
        let pair = body
            .split_once(": ")
            .or_else(|| body.strip_suffix(':').map(|key| (key, "")));
        let (key, text) = match pair {
            Some((key, text)) if !body.starts_with(['"', '\'', '{', '[']) || is_quoted_key(key) => {
                while levels.last().is_some_and(|level| level.indent >= indent) {
                    levels.pop();
                }
                (Some(unquoted(key.trim())), text)
            }
            _ if is_element => (None, body),
            _ => continue,
        };
        let text = value(text);
        if let Some(key) = key {
            if levels.len() >= DEPTH {
                continue;
            }
            levels.push(Level {
                indent,
                name: key.to_owned(),
                next: 0,
            });
        }
        if !text.is_empty() {
            let name: Vec<&str> = levels.iter().map(|level| level.name.as_str()).collect();
            found.push((number, name.join("."), text.to_owned()));
        }
    }
    found
}

fn is_place(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_digit())
}

fn is_quoted_key(key: &str) -> bool {
    key.starts_with(['"', '\'']) && unquoted(key).len() + 2 == key.len()
}

fn unquoted(text: &str) -> &str {
    for quote in ['"', '\''] {
        let inner = text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
        if let Some(inner) = inner {
            return inner;
        }
    }
    text
}

/// A value without its quotes, or without the comment behind it.
fn value(text: &str) -> &str {
    let text = text.trim();
    if text.starts_with(['"', '\'']) {
        return unquoted(text);
    }
    text.split(" #").next().unwrap_or(text).trim_end()
}

#[cfg(test)]
mod tests {
    use super::settings;

    fn told(text: &str) -> Vec<String> {
        let settings = settings(text, 100);
        let line = |(line, name, value): (i64, String, String)| format!("{line} {name}={value}");
        settings.into_iter().map(line).collect()
    }

    #[test]
    fn maps_lists_and_lists_of_maps() {
        let text = "a:\n  b: 1\n  'c.d': \"x: y\" \ne:\n- p\n- q\nf:\n  - name: n\n    v: 2\n  - name: m\ng: {h: 1}\n# end\ni: http://x:1/\n";
        assert_eq!(
            told(text),
            [
                "2 a.b=1",
                "3 a.c.d=x: y",
                "5 e.0=p",
                "6 e.1=q",
                "8 f.0.name=n",
                "9 f.0.v=2",
                "10 f.1.name=m",
                "11 g={h: 1}",
                "13 i=http://x:1/"
            ]
        );
    }

    #[test]
    fn nonsense_is_nothing() {
        assert_eq!(
            told("\u{0}\n:::\n- - - -\nwords and words\n\t\n"),
            Vec::<String>::new()
        );
        let deep: String = (0..200).map(|n| format!("{}a:\n", " ".repeat(n))).collect();
        assert_eq!(told(&deep), Vec::<String>::new());
    }
}
