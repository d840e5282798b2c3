//! The YAML that people write for kubelet: blocks of keys and lists, scalars in quotes or without,
//! literals. Anchors, tags and flows over several lines are not read: what is not understood is
//! text, never an error.

use serde_json::{Map, Value};

/// Deepest nesting; a kubeconfig has five levels.
const DEEPEST: usize = 32;

/// Reads the first document, which may also be JSON.
pub(crate) fn read(text: &str) -> Value {
    if let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.starts_with("---") && lines.is_empty() || line.starts_with('%') {
            continue;
        }
        if line.starts_with("---") || line.starts_with("...") {
            break;
        }
        let content = line.trim_start_matches(' ');
        lines.push(Line {
            indent: line.len() - content.len(),
            content: content.trim_end(),
        });
    }
    Reader { lines, place: 0 }.block(0, 0)
}

#[derive(Clone, Copy)]
struct Line<'a> {
    indent: usize,
    content: &'a str,
}

struct Reader<'a> {
    lines: Vec<Line<'a>>,
    place: usize,
}

impl<'a> Reader<'a> {
    /// The next line that says something.
    fn peek(&mut self) -> Option<Line<'a>> {
        while let Some(line) = self.lines.get(self.place) {
            if !line.content.is_empty() && !line.content.starts_with('#') {
                return Some(*line);
            }
            self.place += 1;
        }
        None
    }

    /// Whatever is indented by at least so much.
    fn block(&mut self, least: usize, depth: usize) -> Value {
        match self.peek() {
            Some(line) if line.indent >= least && depth < DEEPEST => {
                if item(line.content).is_some() {
                    self.list(line.indent, depth)
                } else if key(line.content).is_some() {
                    self.map(line.indent, depth)
                } else {
                    self.place += 1;
                    scalar(line.content)
                }
            }
            _ => Value::Null,
        }
    }

    fn list(&mut self, indent: usize, depth: usize) -> Value {
        let mut items = Vec::new();
        while let Some(line) = self.peek().filter(|line| line.indent == indent) {
            let Some(rest) = item(line.content) else {
                break;
            };
            // What stands behind the dash is a block that begins there.
            let inner = rest.trim_start_matches(' ');
            let column = indent + line.content.len() - inner.len();
            if inner.is_empty() {
                self.place += 1;
                items.push(self.block(indent + 1, depth + 1));
            } else {
                if let Some(line) = self.lines.get_mut(self.place) {
                    *line = Line {
                        indent: column,
                        content: inner,
                    };
                }
                items.push(self.block(column, depth + 1));
            }
        }
        Value::Array(items)
    }

    fn map(&mut self, indent: usize, depth: usize) -> Value {
        let mut map = Map::new();
        while let Some(line) = self.peek() {
            if line.indent < indent {
                break;
            }
            let pair = key(line.content).filter(|_| line.indent == indent);
            self.place += 1;
            // A line that belongs to nothing is passed over.
            let Some((name, rest)) = pair else { continue };
            let value = match rest {
                "" => {
                    // A list may stand as far left as its key.
                    let is_list = self
                        .peek()
                        .is_some_and(|next| next.indent == indent && item(next.content).is_some());
                    self.block(indent + usize::from(!is_list), depth + 1)
                }
                _ if rest.starts_with(['|', '>']) => self.literal(indent),
                _ => self.continued(rest, indent),
            };
            map.insert(name, value);
        }
        Value::Object(map)
    }

    /// The deeper lines below `key: |`.
    fn literal(&mut self, indent: usize) -> Value {
        let mut text = String::new();
        while let Some(line) = self.lines.get(self.place) {
            if !line.content.is_empty() && line.indent <= indent {
                break;
            }
            text.push_str(line.content);
            text.push('\n');
            self.place += 1;
        }
        Value::String(text)
    }

    /// A scalar with the deeper lines below it: long base64 is sometimes folded.
    fn continued(&mut self, first: &str, indent: usize) -> Value {
        let mut text = first.to_owned();
        while let Some(line) = self.peek().filter(|line| line.indent > indent) {
            text.push(' ');
            text.push_str(line.content);
            self.place += 1;
        }
        scalar(&text)
    }
}

/// What stands behind the dash of a list.
fn item(content: &str) -> Option<&str> {
    let rest = content.strip_prefix('-')?;
    (rest.is_empty() || rest.starts_with(' ')).then_some(rest)
}

/// A key and what stands behind its colon.
fn key(content: &str) -> Option<(String, &str)> {
    let quote = content.chars().next().filter(|c| matches!(c, '"' | '\''));
    let (name, rest) = if let Some(quote) = quote {
        let (name, rest) = content.get(1..)?.split_once(quote)?;
        (name, rest.trim_start().strip_prefix(':')?)
    } else {
        let end = content.find(": ").or_else(|| {
            let last = content.len().checked_sub(1)?;
            content.ends_with(':').then_some(last)
        })?;
        let (name, rest) = content.split_at(end);
        (name, rest.get(1..)?)
    };
    if !(rest.is_empty() || rest.starts_with(' ')) || name.starts_with(['{', '[', '#']) {
        return None;
    }
    let rest = rest.trim();
    Some((
        name.to_owned(),
        if rest.starts_with('#') { "" } else { rest },
    ))
}

fn scalar(text: &str) -> Value {
    for quote in ['"', '\''] {
        if let Some((inner, _)) = text.strip_prefix(quote).and_then(|t| t.split_once(quote)) {
            return Value::String(inner.to_owned());
        }
    }
    let text = text.split(" #").next().unwrap_or_default().trim_end();
    match text {
        "" | "~" | "null" => return Value::Null,
        "true" => return Value::Bool(true),
        "false" => return Value::Bool(false),
        "{}" => return Value::Object(Map::new()),
        _ => {}
    }
    if let Ok(number) = text.parse::<i64>() {
        return number.into();
    }
    if let Some(inner) = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')) {
        let items = inner.split(',').map(str::trim).filter(|i| !i.is_empty());
        return items.map(scalar).collect();
    }
    Value::String(text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_kubelet_configuration_is_read() {
        let text = "\
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication:
  anonymous:
    enabled: false
  x509:
    clientCAFile: /etc/kubernetes/pki/ca.crt # the cluster's
clusterDNS:
- 10.96.0.10
- \"10.96.0.11\"
evictionHard: {}
featureGates: [a, 'b']
port: 10250
readOnlyPort: 0
address: \"0.0.0.0\"
staticPodPath: /etc/kubernetes/manifests
---
port: 1
";
        let value = read(text);
        assert_eq!(
            value["authentication"]["x509"]["clientCAFile"],
            "/etc/kubernetes/pki/ca.crt"
        );
        assert_eq!(value["authentication"]["anonymous"]["enabled"], false);
        assert_eq!(value["clusterDNS"], json!(["10.96.0.10", "10.96.0.11"]));
        assert_eq!(value["featureGates"], json!(["a", "b"]));
        assert_eq!(value["port"], 10250);
        assert_eq!(value["address"], "0.0.0.0");
        assert_eq!(value["staticPodPath"], "/etc/kubernetes/manifests");
    }

    #[test]
    fn a_kubeconfig_is_read() {
        let text = "\
apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0t
      LS0t
    server: https://10.0.0.1:6443
  name: kubernetes
contexts:
  - context: {cluster: kubernetes}
    name: x
users:
-
  name: 'system:node:node1'
  user:
    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem
    exec:
      args:
        - token
        - -i
    note: |
      a: b
        c

      d
    last: 1
";
        let value = read(text);
        let cluster = &value["clusters"][0];
        assert_eq!(cluster["name"], "kubernetes");
        assert_eq!(cluster["cluster"]["server"], "https://10.0.0.1:6443");
        assert_eq!(
            cluster["cluster"]["certificate-authority-data"],
            "LS0t LS0t"
        );
        assert_eq!(value["contexts"][0]["name"], "x");
        let user = &value["users"][0];
        assert_eq!(user["name"], "system:node:node1");
        assert_eq!(user["user"]["exec"]["args"], json!(["token", "-i"]));
        assert_eq!(user["user"]["note"], "a: b\nc\n\nd\n");
        assert_eq!(user["user"]["last"], 1);
    }

    #[test]
    fn json_is_yaml_and_nonsense_is_text() {
        assert_eq!(read("{\"port\": 1}")["port"], 1);
        assert_eq!(read("just words"), "just words");
        assert_eq!(read(""), Value::Null);
        assert_eq!(read("a:\n    b: 1\n  c: 2\nd: 3\n")["d"], 3);
        assert_eq!(read("- - - 1\n  - 2\n- 3"), json!([[[1], 2], 3]));
        let deep: String = (0..5000)
            .map(|n| format!("{}a:\n", " ".repeat(n)))
            .collect();
        read(&deep);
        read(&"- ".repeat(5000));
        read(&"[".repeat(5000));
    }
}
