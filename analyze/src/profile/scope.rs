//! Which samples of a profile are meant: whose, in the kernel only, on which CPU, from when until
//! when.
//!
//! A scope is chosen by flags of the command line or by a link of the report. Both forms say the
//! same: `--pod shop/cart-0 --from 2 --until 3.5` is `#flame=pod:shop/cart-0&from=2&to=3.5`.

use std::fmt;

use anyhow::{Context, bail};

use super::{Frame, FrameKind, Profile, Sample, Task, fold};

/// Longest part of a link or flag that is taken: a path of the kernel has at most 4096 bytes.
const TEXT_BYTES: usize = 4096;
/// A container's id may be cut, as `crictl ps` does (13 digits), but not to less than this.
const ID_DIGITS: usize = 6;
/// The part of a link in front of a scope.
pub const LINK: &str = "flame=";

/// Whose samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Who {
    /// Everyone's.
    #[default]
    Node,
    /// A pod's: `namespace/name`, or its UID where no name is known.
    Pod(String),
    /// A container's, by the beginning of its id.
    Container(String),
    /// A process's, by pid: all its threads.
    Process(u32),
    /// A thread's, by tid.
    Thread(u32),
    /// Those of a control group and of all groups below.
    Cgroup(String),
}

/// From when until when, in nanoseconds since the profile's first moment; the end is outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    /// The first nanosecond inside.
    pub from_ns: u64,
    /// The first nanosecond behind it.
    pub to_ns: u64,
}

/// Which samples.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope {
    /// Whose.
    pub who: Who,
    /// Only those that ran in the kernel, and of these only the kernel's frames.
    pub kernel_only: bool,
    /// Only those on this CPU.
    pub cpu: Option<u32>,
    /// When; nothing for the whole time.
    pub range: Option<Range>,
}

impl Who {
    /// Whether a task belongs to it.
    pub fn has(&self, task: &Task) -> bool {
        let is = |field: &Option<String>, wanted: &str| field.as_deref() == Some(wanted);
        match self {
            Self::Node => true,
            Self::Pod(pod) => is(&task.pod, pod) || is(&task.pod_uid, pod),
            Self::Container(id) => {
                let known = task.container_id.as_deref().unwrap_or_default();
                known == id || (id.len() >= ID_DIGITS && known.starts_with(id.as_str()))
            }
            Self::Process(pid) => task.pid == Some(*pid),
            Self::Thread(tid) => task.tid == Some(*tid),
            Self::Cgroup(path) => {
                let known = task.cgroup.as_deref();
                known.is_some_and(|known| is_below(known, path))
            }
        }
    }

    /// A word and a value as flags and links have them: `pod`, `shop/cart-0`.
    pub fn parse(word: &str, value: &str) -> anyhow::Result<Self> {
        if value.len() > TEXT_BYTES {
            bail!("the name of a {word} has at most {TEXT_BYTES} bytes");
        }
        if value.is_empty() && word != "node" {
            bail!("which {word}? `{word}:` takes a value");
        }
        let number = || {
            let number = value.parse::<u32>();
            number.with_context(|| format!("`{value}` is no {word} id"))
        };
        Ok(match word {
            "node" => Self::Node,
            "pod" => Self::Pod(value.to_owned()),
            // `kubectl` and the kubelet put the runtime in front: `containerd://7f3a...`.
            "container" => {
                let id = value.split_once("://").map_or(value, |(_, id)| id);
                Self::Container(id.to_owned())
            }
            "process" => Self::Process(number()?),
            "thread" => Self::Thread(number()?),
            "cgroup" => Self::Cgroup(value.to_owned()),
            _ => bail!(
                "`{word}` is no scope: node, kernel, pod, container, process, thread or cgroup"
            ),
        })
    }
}

/// The form of links: a word and a value.
impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node => f.write_str("node"),
            Self::Pod(pod) => write!(f, "pod:{pod}"),
            Self::Container(id) => write!(f, "container:{id}"),
            Self::Process(pid) => write!(f, "process:{pid}"),
            Self::Thread(tid) => write!(f, "thread:{tid}"),
            Self::Cgroup(path) => write!(f, "cgroup:{path}"),
        }
    }
}

/// Whether `path` is the group `top` or below it; slashes at the ends do not count.
fn is_below(path: &str, top: &str) -> bool {
    let (path, top) = (path.trim_matches('/'), top.trim_matches('/'));
    let Some(rest) = path.strip_prefix(top) else {
        return false;
    };
    top.is_empty() || rest.is_empty() || rest.starts_with('/')
}

impl Range {
    /// Out of seconds since the profile's first moment; what is not told is open.
    pub fn from_seconds(from: Option<f64>, to: Option<f64>) -> anyhow::Result<Option<Self>> {
        if from.is_none() && to.is_none() {
            return Ok(None);
        }
        let from_ns = from.map_or(Ok(0), nanoseconds)?;
        let to_ns = to.map_or(Ok(u64::MAX), nanoseconds)?;
        if from_ns >= to_ns {
            bail!("the time range is empty: it ends before it begins");
        }
        Ok(Some(Self { from_ns, to_ns }))
    }

    /// Whether a moment, in nanoseconds since the profile's first, is inside.
    pub fn has(self, since_ns: u64) -> bool {
        (self.from_ns..self.to_ns).contains(&since_ns)
    }
}

fn nanoseconds(seconds: f64) -> anyhow::Result<u64> {
    if !seconds.is_finite() || seconds < 0.0 {
        bail!("a time range is in seconds since the window's begin, from 0");
    }
    Ok((seconds * 1e9).round() as u64)
}

impl Scope {
    /// Everyone, everywhere, all the time.
    pub fn node() -> Self {
        Self::default()
    }

    /// Someone, everywhere, all the time.
    pub fn of(who: Who) -> Self {
        Self {
            who,
            ..Self::default()
        }
    }

    /// The kernel, whoever is in it.
    pub fn kernel() -> Self {
        Self {
            kernel_only: true,
            ..Self::default()
        }
    }

    /// The samples that are meant, in their order. Where a range is asked for, a sample without a
    /// time is outside.
    pub fn samples<'a>(&'a self, profile: &'a Profile) -> impl Iterator<Item = &'a Sample> {
        let tasks: Vec<bool> = profile.tasks.iter().map(|t| self.who.has(t)).collect();
        let unknown = self.who.has(&Task::default());
        let begin = begin_ns(profile);
        profile.samples.iter().filter(move |sample| {
            *tasks.get(sample.task as usize).unwrap_or(&unknown)
                && self.is_in_range(sample, begin)
                && (self.cpu.is_none() || self.cpu == sample.cpu)
                && (!self.kernel_only || is_in_kernel(profile, sample))
        })
    }

    fn is_in_range(&self, sample: &Sample, begin_ns: u64) -> bool {
        let Some(range) = self.range else {
            return true;
        };
        let since = sample.time_ns.and_then(|at| at.checked_sub(begin_ns));
        since.is_some_and(|since| range.has(since))
    }

    /// Whether a frame is drawn.
    pub fn has_frame(&self, frame: &Frame) -> bool {
        !self.kernel_only || frame.kind == FrameKind::Kernel
    }

    /// What a picture of it is called.
    pub fn title(&self, profile: &Profile) -> String {
        let name_of = |has: &dyn Fn(&Task) -> bool, name: fn(&Task) -> &str| {
            let named = profile.tasks.iter().find(|task| has(task));
            let name = named.map(name).filter(|name| !name.is_empty());
            name.map(|name| format!(" ({name})")).unwrap_or_default()
        };
        let who = match &self.who {
            Who::Node if self.kernel_only => "kernel only".to_owned(),
            // A program's profile of itself does not say who it is.
            Who::Node if profile.tasks.iter().all(|task| task.pid.is_none()) => {
                "whole program".to_owned()
            }
            Who::Node => "whole node".to_owned(),
            Who::Pod(pod) => format!("pod {pod}"),
            Who::Container(id) => {
                let has = |task: &Task| self.who.has(task);
                let name = name_of(&has, |task| task.container.as_deref().unwrap_or_default());
                format!("container {id}{name}")
            }
            Who::Process(pid) => {
                let name = name_of(&|task| task.pid == Some(*pid), |task| &task.process);
                format!("process {pid}{name}")
            }
            Who::Thread(tid) => {
                let name = name_of(&|task| task.tid == Some(*tid), |task| &task.thread);
                format!("thread {tid}{name}")
            }
            Who::Cgroup(path) => format!("control group {path}"),
        };
        let mut title = fold::clean(&who);
        if self.kernel_only && self.who != Who::Node {
            title += ", kernel only";
        }
        if let Some(cpu) = self.cpu {
            title += &format!(", CPU {cpu}");
        }
        if let Some(Range { from_ns, to_ns }) = self.range {
            let seconds = |ns: u64| format!("{:.2} s", ns as f64 / 1e9);
            title += &match to_ns {
                u64::MAX => format!(", from {}", seconds(from_ns)),
                _ => format!(", {} to {}", seconds(from_ns), seconds(to_ns)),
            };
        }
        title
    }

    /// The scope in a link, with or without [`LINK`] in front; other parts of the link are left to
    /// others.
    pub fn from_link(link: &str) -> anyhow::Result<Self> {
        let link = link.trim_start_matches('#');
        let link = link.strip_prefix(LINK).unwrap_or(link);
        let mut parts = link.split('&').map(decode);
        let who = parts.next().unwrap_or_default();
        let mut scope = match who.as_str() {
            "" | "node" => Self::node(),
            "kernel" => Self::kernel(),
            _ => {
                let (word, value) = who.split_once(':').unwrap_or((&who, ""));
                Self::of(Who::parse(word, value)?)
            }
        };
        let (mut from, mut to) = (None, None);
        for part in parts {
            let seconds = |text: &str| {
                let seconds = text.parse::<f64>();
                seconds.with_context(|| format!("`{text}` is no number of seconds"))
            };
            match part.split_once('=').unwrap_or((&part, "")) {
                ("kernel", _) => scope.kernel_only = true,
                ("cpu", number) => {
                    let number = number.parse::<u32>();
                    scope.cpu = Some(number.context("a CPU is a number")?);
                }
                ("from", text) => from = Some(seconds(text)?),
                ("to", text) => to = Some(seconds(text)?),
                _ => {}
            }
        }
        scope.range = Range::from_seconds(from, to)?;
        Ok(scope)
    }

    /// The scope as a link, [`LINK`] in front: what stands behind the `#` of an address.
    pub fn link(&self) -> String {
        let mut link = LINK.to_owned();
        match (&self.who, self.kernel_only) {
            (Who::Node, true) => link += "kernel",
            (who, kernel_only) => {
                link += &encode(&who.to_string());
                link += if kernel_only { "&kernel" } else { "" };
            }
        }
        if let Some(cpu) = self.cpu {
            link += &format!("&cpu={cpu}");
        }
        if let Some(range) = self.range {
            link += &format!("&from={}", range.from_ns as f64 / 1e9);
            if range.to_ns != u64::MAX {
                link += &format!("&to={}", range.to_ns as f64 / 1e9);
            }
        }
        link
    }
}

/// The profile's first moment on the samples' clock.
pub fn begin_ns(profile: &Profile) -> u64 {
    let first = || profile.samples.iter().filter_map(|s| s.time_ns).min();
    let begin = profile.span_ns.map(|(from, _)| from).or_else(first);
    begin.unwrap_or(0)
}

fn is_in_kernel(profile: &Profile, sample: &Sample) -> bool {
    let innermost = profile.stacks.innermost_first(sample.stack).next();
    let frame = innermost.and_then(|id| profile.symbols.get(id));
    frame.is_some_and(|frame| frame.kind == FrameKind::Kernel)
}

/// Escapes what may not stand in a part of a link.
fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~:/@".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

/// Undoes [`encode`]; what is no escape stays.
fn decode(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text.as_bytes();
    while let [byte, tail @ ..] = rest {
        rest = tail;
        let escaped = (*byte == b'%').then(|| tail.get(..2)).flatten();
        let digits = escaped.and_then(|hex| std::str::from_utf8(hex).ok());
        match digits.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => out.push(*byte),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::testing::profile;

    fn count(scope: &Scope) -> usize {
        scope.samples(&profile()).count()
    }

    #[test]
    fn samples_by_owner() {
        let of = |word, value| count(&Scope::of(Who::parse(word, value).unwrap()));
        assert_eq!(count(&Scope::node()), 6);
        assert_eq!(of("pod", "shop/cart-0"), 3);
        assert_eq!(of("pod", "0b3e6a39-0c52-4f0c-a4b9-1f3d0c1d9f10"), 3);
        assert_eq!(of("pod", "shop/cart"), 0);
        assert_eq!(of("container", "containerd://7f3ac0ffee00"), 3);
        assert_eq!(of("container", "7f3"), 0, "too short to mean one");
        assert_eq!(of("process", "100"), 3);
        assert_eq!(of("thread", "101"), 1);
        assert_eq!(of("cgroup", "/kubepods/"), 3);
        assert_eq!(
            of("cgroup", "/kube"),
            0,
            "not a group but a part of its name"
        );
        assert_eq!(of("cgroup", "/"), 6);
    }

    #[test]
    fn samples_by_place_and_time() {
        assert_eq!(count(&Scope::kernel()), 2);
        let on_cpu_1 = Scope {
            cpu: Some(1),
            ..Scope::node()
        };
        assert_eq!(count(&on_cpu_1), 2);
        let at = |from, to| Scope {
            range: Range::from_seconds(from, to).unwrap(),
            ..Scope::node()
        };
        assert_eq!(count(&at(None, Some(1.0))), 1);
        assert_eq!(count(&at(Some(1.0), Some(3.0))), 2);
        assert_eq!(count(&at(Some(5.5), None)), 0);
        assert!(Range::from_seconds(Some(2.0), Some(2.0)).is_err());
        assert!(Range::from_seconds(Some(f64::NAN), None).is_err());
        assert!(Range::from_seconds(Some(-1.0), None).is_err());
    }

    #[test]
    fn titles_name_what_is_known() {
        let title = |link: &str| Scope::from_link(link).unwrap().title(&profile());
        assert_eq!(title("node"), "whole node");
        assert_eq!(title("kernel"), "kernel only");
        assert_eq!(
            title("process:100&kernel"),
            "process 100 (cart), kernel only"
        );
        assert_eq!(title("container:7f3ac0ffee"), "container 7f3ac0ffee (cart)");
        assert_eq!(
            title("thread:101&cpu=1&from=1&to=2.5"),
            "thread 101 (worker), CPU 1, 1.00 s to 2.50 s"
        );
    }

    #[test]
    fn a_link_says_what_flags_say() {
        let range = Range::from_seconds(Some(1.5), Some(3.25)).unwrap();
        let hostile = "/user.slice/a&b=c#d%41 \u{202e}\"<";
        for scope in [
            Scope::node(),
            Scope::kernel(),
            Scope::of(Who::Pod("shop/cart-0".into())),
            Scope::of(Who::Container("7f3ac0ffee00".into())),
            Scope::of(Who::Process(7)),
            Scope::of(Who::Thread(8)),
            Scope::of(Who::Cgroup("/user.slice/user@1000.service".into())),
            Scope {
                kernel_only: true,
                cpu: Some(3),
                range,
                ..Scope::of(Who::Cgroup(hostile.into()))
            },
        ] {
            let link = scope.link();
            assert_eq!(Scope::from_link(&link).unwrap(), scope, "{link}");
            assert!(!link.contains([' ', '"', '<', '#']), "{link}");
        }
        assert_eq!(
            Scope::of(Who::Pod("shop/cart-0".into())).link(),
            "flame=pod:shop/cart-0"
        );
        assert_eq!(Scope::from_link("#flame=").unwrap(), Scope::node());
        for wrong in [
            "pdo:x",
            "pod:",
            "process:x",
            "node&from=x",
            "node&from=2&to=1",
            "node&cpu=x",
        ] {
            assert!(Scope::from_link(wrong).is_err(), "{wrong}");
        }
        assert!(Scope::from_link(&format!("pod:{}", "x".repeat(5000))).is_err());
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
