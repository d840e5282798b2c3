//! Goroutines of kubelet, containerd and others: `goroutine?debug=2` of `net/http/pprof`, the only
//! one that tells for how long each has waited.

use crate::profile::goroutine::{self, Goroutine};
use crate::profile::pprof::members;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "goroutine",
    about: "goroutines of Go programs that were asked for them: what each waits for",
    columns: &[
        text("component", "`kubelet`, `containerd`"),
        int("id", "its number; a program does not use one twice"),
        text(
            "state",
            "`running`, `select`, `chan receive`, `IO wait`, `syscall`, in the words of the runtime",
        ),
        int(
            "wait_us",
            "for how long it has waited, in whole minutes; null below one or where it does not wait",
        ),
        bool("locked", "bound to its thread"),
        text(
            "created_by",
            "the function that started it; null for the first",
        ),
        text("stack", "functions, innermost first, joined by `;`"),
        text("stack_top", "the innermost"),
    ],
    reads: &["api/*/debug/pprof/goroutine*", "api/crio/debug/goroutines"],
    decoder: || Box::new(Goroutines::default()),
};

#[derive(Default)]
struct Goroutines(Vec<(String, String, Goroutine)>);

impl Decode for Goroutines {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        // The same in pprof's own format has no states; it is in `profile_sample`.
        let Some(member) = members::Member::of(input.path) else {
            return;
        };
        if !goroutine::sniff(input.bytes) {
            return;
        }
        let dump = goroutine::parse(&input.text());
        for (line, text) in dump.damage {
            damages.add(input, Some(line), format!("not a line of a dump: `{text}`"));
        }
        let rows = dump.goroutines.into_iter();
        self.0.extend(rows.map(|goroutine| {
            (
                input.entry.to_owned(),
                member.component.to_owned(),
                goroutine,
            )
        }));
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, component, goroutine) in self.0 {
            let wait_us = goroutine
                .wait_minutes
                .map(|minutes| minutes.saturating_mul(60_000_000));
            rows.add(&entry, Some(goroutine.line))
                .set("component", component)
                .set("id", goroutine.id)
                .set("state", goroutine.state)
                .set("wait_us", wait_us)
                .set("locked", goroutine.is_locked)
                .set("created_by", goroutine.created_by)
                .set("stack_top", goroutine.stack.first().map(String::as_str))
                .set(
                    "stack",
                    Some(goroutine.stack.join(";")).filter(|stack| !stack.is_empty()),
                );
        }
    }
}
