//! What the node has, and what of it pods may use: the rest is kept for the system and for eviction.
//!
//! ```text
//! "capacity":{"cpu":"2","memory":"6067372Ki",..},"allocatable":{"cpu":"2","memory":"5964972Ki",..}
//! ```

use std::collections::BTreeMap;

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::{objects, quantity};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, text};

const COLUMNS: [crate::table::Column; 5] = [
    text("node", ""),
    text("resource", "cpu (cores), memory (bytes), pods, ..."),
    float("capacity", "in the resource's unit"),
    float("allocatable", "of it, for pods"),
    float("reserved", "capacity less allocatable"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "node_resource",
    about: "capacity of the node and what pods may use of it, as the API server has it",
    columns: &COLUMNS,
    reads: &["api/apiserver/api/v1/nodes/*", "api/apiserver/node"],
    decoder: || {
        Box::new(Resources {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Resources {
    rows: Rows,
}

impl Decode for Resources {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        for object in objects::all(Json::new(&answer)) {
            let mut amounts: BTreeMap<&str, [Option<f64>; 2]> = BTreeMap::new();
            for (place, list) in ["capacity", "allocatable"].iter().enumerate() {
                for (resource, amount) in object.at("status").at(list).fields() {
                    let amount = amount.text().and_then(quantity::parse);
                    if let Some(slot) = amounts.entry(resource).or_default().get_mut(place) {
                        *slot = amount;
                    }
                }
            }
            for (resource, [capacity, allocatable]) in amounts {
                self.rows
                    .add(input.entry, None)
                    .set("node", object.at("metadata").at("name").text())
                    .set("resource", resource)
                    .set("capacity", capacity)
                    .set("allocatable", allocatable)
                    .set(
                        "reserved",
                        capacity.zip(allocatable).map(|(all, pods)| all - pods),
                    );
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn cores_bytes_and_pods() {
        let node = br#"{"kind":"Node","metadata":{"name":"n1"},"status":{"capacity":{"cpu":"2","memory":"100Mi","pods":"110"},"allocatable":{"cpu":"1900m","memory":"90Mi"}}}"#;
        let (rows, _) = run("node_resource", &[("api/apiserver/api/v1/nodes/n1", node)]);
        assert_eq!(
            csv(&rows, &["resource", "capacity", "reserved"]),
            "cpu,2.0000,0.1000\nmemory,104857600.0000,10485760.0000\npods,110.0000,\n"
        );
    }
}
