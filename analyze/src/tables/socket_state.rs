//! TCP sockets of the node's network namespace counted by state, from `calls/socket_diag.json`.
//!
//! `/proc/net/tcp` is stored only up to a limit; here all are counted.

use serde::Deserialize;

use crate::table::answer;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

/// The table.
pub static TABLE: Table = Table {
    name: "socket_state",
    about: "TCP sockets of the node's network namespace, counted by family and state",
    columns: &[
        text("family", "`ipv4` or `ipv6`"),
        text(
            "state",
            "`established`, `time_wait`, `close_wait`, `syn_recv`, `listen` ...",
        ),
        int("sockets_count", ""),
        bool("is_complete", "all of them were counted"),
    ],
    reads: &["calls/socket_diag.json"],
    decoder: || Box::new(States::default()),
};

#[derive(Deserialize)]
struct Answer {
    states: Vec<State>,
}

#[derive(Deserialize)]
struct State {
    family: String,
    state: String,
    sockets: u64,
    complete: bool,
}

#[derive(Default)]
struct States {
    states: Vec<(String, State)>,
}

impl Decode for States {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let answer: Option<Answer> = answer::parse(input, damages);
        let states = answer.into_iter().flat_map(|answer| answer.states);
        self.states
            .extend(states.map(|state| (input.entry.to_owned(), state)));
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, state) in self.states {
            rows.add(&entry, None)
                .set("family", state.family)
                .set("state", state.state)
                .set("sockets_count", state.sockets)
                .set("is_complete", state.complete);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn states_and_nonsense() {
        let (rows, damages) = run(
            "socket_state",
            &[
                ("calls/socket_diag.json", br#"{"states":[{"family":"ipv4","state":"time_wait","sockets":12,"complete":false}],"listeners":[],"listeners_left_out":0}"#),
                ("calls/socket_diag.json", b"{}"),
            ],
        );
        let columns = ["family", "state", "sockets_count", "is_complete"];
        assert_eq!(csv(&rows, &columns), "ipv4,time_wait,12,false\n");
        assert_eq!(damages.list.len(), 1);
    }
}
