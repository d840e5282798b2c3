//! Lines of logs as Kubernetes' components and runtimes write them: klog in text and structured,
//! logfmt, JSON, and what most programs do. All come to the same: what was said, then its fields.
//!
//! ```text
//! E1121 04:45:00.123456  777 kubelet.go:2477] "Skipping pod synchronization" err="container runtime is down"
//! time="2026-11-20T21:55:31.9Z" level=error msg="StopContainer for \"256a\" failed" error="context deadline exceeded"
//! {"ts":1700000000.1,"caller":"pleg/generic.go:256","msg":"GenericPLEG: Unable to retrieve pods","err":"..."}
//! ```

use serde_json::Value;

use super::moment::Moment;
use super::paths::is_id;

/// Levels of syslog.
const FATAL: i64 = 2;
const ERROR: i64 = 3;
const WARNING: i64 = 4;
const NOTICE: i64 = 5;
const INFO: i64 = 6;
const DEBUG: i64 = 7;

/// Longest line that is taken apart; a longer one is kept as it is.
const PARSED_BYTES: usize = 64 << 10;

/// What a line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// Level of syslog: 0 emergency to 7 debug.
    pub level: Option<i64>,
    /// When, where the line tells it with its date.
    pub time: Option<Moment>,
    /// File and line of the source: `kubelet.go:2477`.
    pub caller: Option<String>,
    /// What was said, then its fields: `Skipping pod synchronization err="container runtime is down"`.
    pub message: Option<String>,
}

/// Takes a line apart whose shape is one of those that components write; nothing otherwise.
pub fn component(line: &str) -> Option<Said> {
    if line.len() > PARSED_BYTES {
        return None;
    }
    klog(line).or_else(|| json(line)).or_else(|| logfmt(line))
}

/// Takes any line apart: shapes of components, else a level among its first words.
pub fn any(line: &str) -> Said {
    component(line).unwrap_or_else(|| Said {
        level: level_among_words(line),
        ..Said::default()
    })
}

/// `E1121 04:45:00.123456  777 kubelet.go:2477] ...` (k8s.io/klog). Some builds put a mark before it.
fn klog(line: &str) -> Option<Said> {
    let line = line.strip_prefix("??? ").unwrap_or(line);
    let bytes = line.as_bytes();
    let level = match bytes.first()? {
        b'I' => INFO,
        b'W' => WARNING,
        b'E' => ERROR,
        b'F' => FATAL,
        _ => return None,
    };
    let is_date = bytes.get(1..5)?.iter().all(u8::is_ascii_digit);
    let is_time = bytes.get(5) == Some(&b' ') && bytes.get(8) == Some(&b':');
    if !is_date || !is_time {
        return None;
    }
    let (header, rest) = line.split_once("] ")?;
    // Date, time, thread, place.
    let caller = header.split_ascii_whitespace().nth(3)?;
    caller.contains(':').then_some(())?;
    Some(Said {
        level: Some(level),
        time: None,
        caller: Some(caller.to_owned()),
        message: Some(structured(rest).unwrap_or_else(|| rest.to_owned())),
    })
}

/// `"Probe failed" probeType="Readiness"`: the message without its quotes, the fields as they are.
fn structured(text: &str) -> Option<String> {
    let inner = text.strip_prefix('"')?;
    let (message, rest) = quoted(inner)?;
    Some(match rest.trim() {
        "" => message,
        fields => format!("{message} {fields}"),
    })
}

/// The text up to the quote that ends it, its escapes undone, and what follows.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((place, c)) = chars.next() {
        match c {
            '"' => return Some((out, text.get(place + 1..)?)),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    None
}

/// `time="..." level=error msg="..." error="..."`.
fn logfmt(line: &str) -> Option<Said> {
    // Words of other logs hold equals signs too: the first must be a pair, and one the level or message.
    let begin = line.find(['=', ' '])?;
    (line.as_bytes().get(begin) == Some(&b'=') && line.contains("msg=")).then_some(())?;
    let mut said = Said::default();
    let (mut message, mut fields) = (None, String::new());
    let mut rest = line.trim();
    while !rest.is_empty() {
        let end = rest.find(['=', ' ']).unwrap_or(rest.len());
        let (key, tail) = rest.split_at(end);
        let Some(tail) = tail.strip_prefix('=') else {
            rest = tail.trim_start();
            continue;
        };
        let (value, tail) = if let Some(inner) = tail.strip_prefix('"') {
            quoted(inner)?
        } else {
            let end = tail.find(' ').unwrap_or(tail.len());
            let (value, tail) = tail.split_at(end);
            (value.to_owned(), tail)
        };
        rest = tail.trim_start();
        match key {
            "time" | "ts" | "t" => said.time = Moment::parse(&value),
            "level" | "lvl" => said.level = level(&value),
            "msg" => message = Some(value),
            "caller" => said.caller = Some(value),
            _ => fields += &format!(" {key}={value:?}"),
        }
    }
    said.message = Some(message? + &fields);
    Some(said)
}

/// `{"level":"warn","ts":"...","msg":"...","took":"4.9s"}` of zap, klog, logrus, pino.
fn json(line: &str) -> Option<Said> {
    let line = line.trim();
    (line.starts_with('{') && line.ends_with('}')).then_some(())?;
    let Value::Object(object) = serde_json::from_str(line).ok()? else {
        return None;
    };
    let mut said = Said::default();
    let (mut message, mut fields) = (None, String::new());
    let mut verbosity = None;
    for (key, value) in &object {
        let text = value.as_str();
        match key.as_str() {
            "level" | "lvl" | "severity" | "loglevel" | "log.level" => {
                said.level = text.and_then(level).or_else(|| number_level(value));
            }
            "msg" | "message" => message = text.map(str::to_owned),
            "ts" | "time" | "timestamp" | "@timestamp" => said.time = time(value),
            "caller" => said.caller = text.map(str::to_owned),
            "v" => verbosity = value.as_i64(),
            _ => match text {
                Some(text) => fields += &format!(" {key}={text:?}"),
                None => fields += &format!(" {key}={value}"),
            },
        }
    }
    // klog's JSON has no level: information has a verbosity, errors have none.
    if said.level.is_none() && said.caller.is_some() && said.time.is_some() {
        said.level = Some(if verbosity.is_some() { INFO } else { ERROR });
    }
    said.message = Some(message? + &fields);
    Some(said)
}

/// RFC 3339, or a number of seconds or milliseconds since 1970.
fn time(value: &Value) -> Option<Moment> {
    if let Some(text) = value.as_str() {
        return Moment::parse(text);
    }
    let number = value.as_f64().filter(|number| *number > 1e9)?;
    // Seconds have ten digits, milliseconds thirteen.
    let factor = if number > 1e12 { 1e3 } else { 1e6 };
    Some(Moment {
        realtime_us: (number * factor) as i64,
    })
}

fn level(word: &str) -> Option<i64> {
    let level = match word.to_ascii_lowercase().as_str() {
        "trace" | "debug" | "dbug" | "debg" => DEBUG,
        "info" | "information" => INFO,
        "notice" => NOTICE,
        "warn" | "warning" => WARNING,
        "error" | "err" | "eror" => ERROR,
        "fatal" | "critical" | "crit" | "panic" | "dpanic" => FATAL,
        "alert" => 1,
        "emergency" | "emerg" => 0,
        _ => return None,
    };
    Some(level)
}

/// Numbers of bunyan and pino.
fn number_level(value: &Value) -> Option<i64> {
    match value.as_i64()? {
        10 | 20 => Some(DEBUG),
        30 => Some(INFO),
        40 => Some(WARNING),
        50 => Some(ERROR),
        60 => Some(FATAL),
        _ => None,
    }
}

/// A level in capitals among the first words, where programs put it, or what ends a program of Go,
/// Python or Java.
fn level_among_words(line: &str) -> Option<i64> {
    const WORDS: usize = 6;
    /// Beginnings that mean one thing alone.
    const ENDS: [(&str, i64); 5] = [
        ("panic: ", FATAL),
        ("fatal error: ", FATAL),
        ("Traceback (most recent call last)", ERROR),
        ("Exception in thread ", ERROR),
        ("Segmentation fault", FATAL),
    ];
    if let Some((_, level)) = ENDS.iter().find(|(text, _)| line.starts_with(text)) {
        return Some(*level);
    }
    let words = line.split([' ', '\t', '|']).filter(|word| !word.is_empty());
    words.take(WORDS).find_map(|word| {
        let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        let is_capitals = word.len() >= 3 && word.bytes().all(|b| b.is_ascii_uppercase());
        level(word).filter(|_| is_capitals)
    })
}

/// Whom a line of kubelet or of the runtime is about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// Namespace of the pod.
    pub namespace: Option<String>,
    /// Its name.
    pub pod: Option<String>,
    /// Its UID.
    pub uid: Option<String>,
    /// Name of the container.
    pub container: Option<String>,
    /// Id of the container or sandbox.
    pub container_id: Option<String>,
}

/// Reads whom a message is about: `pod="default/web-0"`, `pod=web-0_default(uid)`,
/// `&PodSandboxMetadata{Name:web-0,Uid:uid,Namespace:default,Attempt:0,}`, an id of 64 digits.
pub fn about(message: &str) -> About {
    let mut about = About::default();
    let after = |key: &str| {
        let at = message.find(key)? + key.len();
        message.get(at..)
    };
    let word = |text: &str| {
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"-._".contains(c));
        let word = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
        Some(word.to_owned()).filter(|word| !word.is_empty())
    };
    let within = |text: &str| Some(text.split_once('"')?.0.to_owned());
    if let Some((namespace, rest)) = after("pod=\"").and_then(|text| text.split_once('/')) {
        about.namespace = word(namespace);
        about.pod = word(rest);
    } else if let Some(text) = after("pod={\"name\":\"") {
        // An object in JSON.
        about.pod = word(text);
        about.namespace = after("\"namespace\":\"").and_then(word);
    } else if let Some(text) = after("pod=").or_else(|| after("pod \"")) {
        // web-0_default(28fcb1a0-...)
        if let Some((name, rest)) = text.split_once('(')
            && let Some((pod, namespace)) = name.trim_start_matches('"').split_once('_')
        {
            about.pod = word(pod).filter(|word| word == pod);
            about.namespace = word(namespace).filter(|word| word == namespace);
            about.uid = rest.split(')').next().map(str::to_owned);
        }
    } else if let Some(text) = after("PodSandboxMetadata{") {
        let inner = text.split('}').next().unwrap_or_default();
        let field = |name: &str| {
            let (_, value) = inner.split_once(name)?;
            word(value)
        };
        about.pod = field("Name:");
        about.uid = field("Uid:");
        about.namespace = field("Namespace:");
    }
    if let Some(uid) = after("podUID=") {
        about.uid = word(uid.trim_start_matches('"'));
    }
    about.container = after("containerName=\"")
        .and_then(within)
        .or_else(|| word(after("ContainerMetadata{Name:")?));
    about.container_id = id(message);
    about
}

/// The first id of a container in a text.
fn id(text: &str) -> Option<String> {
    if text.len() < 64 {
        return None;
    }
    text.split(|c: char| !c.is_ascii_alphanumeric())
        .find(|word| is_id(word))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> (Option<i64>, Option<String>, String) {
        let said = component(line).unwrap();
        (said.level, said.caller, said.message.unwrap())
    }

    #[test]
    fn klog_old_and_structured() {
        assert_eq!(
            said(r#"E1120 21:54:21.996589    2562 kubelet.go:2824] "Housekeeping took longer than expected" err="housekeeping took too long" expected="1s""#),
            (Some(3), Some("kubelet.go:2824".into()), r#"Housekeeping took longer than expected err="housekeeping took too long" expected="1s""#.into())
        );
        assert_eq!(
            said(
                "W1120 22:34:00.220259   13348 server.go:59] Error updating node status, will retry: x"
            ),
            (
                Some(4),
                Some("server.go:59".into()),
                "Error updating node status, will retry: x".into()
            )
        );
        assert_eq!(
            said(r#"??? I1120 21:52:23.835743    2562 a.go:391] "Say \"hi\"""#).2,
            "Say \"hi\""
        );
    }

    #[test]
    fn logfmt_of_containerd_and_go_kit() {
        let line = r#"time="2026-11-20T21:55:31.987891698Z" level=error msg="get state for \"dbada7\"" error="context deadline exceeded: unknown" id=7"#;
        let found = component(line).unwrap();
        assert_eq!(found.level, Some(3));
        assert_eq!(found.time.unwrap().text(), "2026-11-20T21:55:31.987Z");
        assert_eq!(
            found.message.unwrap(),
            r#"get state for "dbada7" error="context deadline exceeded: unknown" id="7""#
        );
        assert_eq!(
            said("ts=2024-01-01T00:00:00Z caller=main.go:1 level=warn msg=slow took=5s"),
            (Some(4), Some("main.go:1".into()), "slow took=\"5s\"".into())
        );
    }

    #[test]
    fn json_of_etcd_klog_and_pino() {
        assert_eq!(
            said(
                r#"{"level":"warn","ts":"2024-01-31T16:54:41.675186+0800","caller":"txn/util.go:93","msg":"apply request took too long","took":"4.99s"}"#
            ),
            (
                Some(4),
                Some("txn/util.go:93".into()),
                "apply request took too long took=\"4.99s\"".into()
            )
        );
        let klog = r#"{"ts":1700000000123.5,"caller":"pleg/generic.go:256","msg":"GenericPLEG: Unable to retrieve pods","err":"x"}"#;
        let found = component(klog).unwrap();
        assert_eq!(found.level, Some(3));
        assert_eq!(found.time.unwrap().realtime_us, 1_700_000_000_123_500);
        let quiet = klog.replace("\"err\":\"x\"", "\"v\":2");
        assert_eq!(said(&quiet).0, Some(6));
        assert_eq!(said(r#"{"level":50,"msg":"a"}"#).0, Some(3));
    }

    #[test]
    fn what_is_none_of_these() {
        for line in [
            "",
            "E",
            "Error: x",
            "I am a poem] x",
            "a=b c=d",
            "{\"a\":1}",
            "{",
            "x level=error msg=\"open",
            "E1120 21:54] x",
        ] {
            assert_eq!(component(line), None, "{line}");
        }
        assert_eq!(
            any("2024-01-01 12:00:00,123 - root - ERROR - no").level,
            Some(3)
        );
        assert_eq!(any("[WARN] x").level, Some(4));
        assert_eq!(any("panic: runtime error").level, Some(2));
        assert_eq!(any("GET /error 200 INFO").level, Some(6));
        assert_eq!(any("an Error occurred").level, None);
    }

    #[test]
    fn whom_it_is_about() {
        let id = "a".repeat(64);
        let found = about(&format!(
            r#"Probe failed probeType="Readiness" pod="default/web-0" podUID="28fc-1" containerName="c" containerID="containerd://{id}""#
        ));
        assert_eq!(
            found,
            About {
                namespace: Some("default".into()),
                pod: Some("web-0".into()),
                uid: Some("28fc-1".into()),
                container: Some("c".into()),
                container_id: Some(id.clone()),
            }
        );
        let found =
            about("back-off 5m0s restarting failed container=app pod=web-0_default(28fc-1)");
        assert_eq!(
            (
                found.pod.as_deref(),
                found.namespace.as_deref(),
                found.uid.as_deref()
            ),
            (Some("web-0"), Some("default"), Some("28fc-1"))
        );
        let found = about(
            "RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:28fc-1,Namespace:default,Attempt:0,} failed",
        );
        assert_eq!(
            (
                found.pod.as_deref(),
                found.namespace.as_deref(),
                found.uid.as_deref()
            ),
            (Some("web-0"), Some("default"), Some("28fc-1"))
        );
        assert_eq!(
            about(&format!("StopContainer for \"{id}\" failed")).container_id,
            Some(id)
        );
        assert_eq!(
            about("pod=\"é/"),
            About {
                namespace: None,
                ..About::default()
            }
        );
    }
}
