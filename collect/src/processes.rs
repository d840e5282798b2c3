//! Which processes and threads there are.

use crate::source::{Ask, Cx, FILE};

/// Processes that are asked for at once: a switch to the worker and back costs as much as three
/// reads.
pub(crate) const AT_ONCE: usize = 64;
/// Field of `num_threads` behind the command's closing parenthesis (proc(5), field 20).
const NUM_THREADS: usize = 17;

/// All pids, the smallest first.
pub(crate) fn pids(cx: &mut Cx<'_>) -> Vec<u32> {
    let mut pids: Vec<u32> = cx
        .list("/proc")
        .iter()
        .filter_map(|name| name.text()?.parse().ok())
        .collect();
    pids.sort_unstable();
    pids
}

/// Reads the same files of processes, as [`Cx::try_each`]; `what` names them in the outcome if not
/// all can be asked.
pub(crate) fn try_each(
    cx: &mut Cx<'_>,
    pids: &[u32],
    files: &[(&str, Ask)],
    seen: &mut dyn FnMut(&str, &[u8]),
) {
    let mut left = pids.len();
    for group in pids.chunks(AT_ONCE) {
        if cx.is_spent() {
            let why = "processes: the deadline or byte limit of this source";
            cx.leave_out(why, left as u64);
            return;
        }
        let items = group.iter().flat_map(|pid| {
            let name = move |(file, ask): &(&str, Ask)| (format!("{pid}/{file}"), *ask);
            files.iter().map(name)
        });
        let items: Vec<_> = items.collect();
        cx.try_each("/proc", &items, seen);
        left -= group.len();
    }
}

/// Looks at one file of every thread of some processes without storing it; `seen` gets the thread's
/// folder below `/proc`: `7/task/9`.
pub(crate) fn each_thread(
    cx: &mut Cx<'_>,
    pids: &[u32],
    file: &str,
    seen: &mut dyn FnMut(String, &[u8]),
) {
    let folders = pids
        .iter()
        .map(|pid| format!("/proc/{pid}/task").into_bytes());
    let folders: Vec<_> = folders.collect();
    let mut names = Vec::new();
    cx.list_each(&folders, &mut |folder, threads| {
        let folder = folder.strip_prefix(b"/proc/").unwrap_or(folder);
        for thread in threads {
            names.push([folder, b"/", &thread.bytes, b"/", file.as_bytes()].concat());
        }
    });
    cx.peek_each("/proc", &names, FILE, &mut |name, bytes| {
        let name = String::from_utf8_lossy(name);
        if let Some(thread) = name
            .strip_suffix(file)
            .and_then(|name| name.strip_suffix('/'))
        {
            seen(thread.to_owned(), bytes);
        }
    });
}

/// What `/proc/PID/stat` says of a process, or that of a thread.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stat<'a> {
    pub(crate) comm: &'a [u8],
    pub(crate) state: u8,
    pub(crate) threads: u64,
}

/// Reads a `stat`; the command may hold anything, so fields count from its last parenthesis.
pub(crate) fn stat_of(stat: &[u8]) -> Stat<'_> {
    let begin = stat.iter().position(|b| *b == b'(');
    let end = stat.iter().rposition(|b| *b == b')');
    let ends = begin.zip(end);
    let comm = ends.and_then(|(begin, end)| stat.get(begin + 1..end));
    let fields = end.and_then(|end| stat.get(end + 2..)).unwrap_or_default();
    let mut fields = fields.split(|b| *b == b' ');
    let state = fields.next().and_then(|field| field.first());
    let threads = fields.nth(NUM_THREADS - 1);
    let threads = threads.and_then(|field| std::str::from_utf8(field).ok()?.parse().ok());
    Stat {
        comm: comm.unwrap_or_default(),
        state: state.copied().unwrap_or(b'?'),
        threads: threads.unwrap_or(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_may_hold_anything() {
        let stat = b"7 (a) R 9 (b\n) D 1 7 7 0 -1 4194624 0 0 0 0 0 0 0 0 20 0 12 0 5 0 0\n";
        let Stat {
            comm,
            state,
            threads,
        } = stat_of(stat);
        assert_eq!((comm, state, threads), (&b"a) R 9 (b\n"[..], b'D', 12));
        for cut in [&b"cut off"[..], b"1 (x)", b")(", b""] {
            let stat = stat_of(cut);
            assert_eq!((stat.state, stat.threads), (b'?', 1));
        }
    }
}
