//! Which processes there are.

use crate::source::{Ask, Cx};

/// Processes that are asked for at once: a switch to the worker and back costs as much as three
/// reads.
const AT_ONCE: usize = 64;

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
