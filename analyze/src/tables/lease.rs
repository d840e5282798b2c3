//! The node's lease, which kubelet renews every ten seconds: without it for forty seconds the node is
//! taken for lost.
//!
//! ```text
//! "spec":{"holderIdentity":"node1","leaseDurationSeconds":40,"renewTime":"2026-11-20T22:13:28.606866Z"}
//! ```

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::{moment, objects};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

const COLUMNS: [crate::table::Column; 6] = [
    text("name", "of the node"),
    text("holder", "who renews it"),
    int("duration_seconds", "it holds for"),
    text("renewed_at", ""),
    int("renewed_ts_us", "since boot"),
    int(
        "renewed_age_us",
        "before the capture began; less than 0: renewed while it ran",
    ),
];

/// The table.
pub static TABLE: Table = Table {
    name: "lease",
    about: "the node's lease at the API server",
    columns: &COLUMNS,
    reads: &["api/apiserver/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/*"],
    decoder: || {
        Box::new(Leases {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Leases {
    rows: Rows,
}

impl Decode for Leases {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        for object in objects::all(Json::new(&answer)) {
            let spec = object.at("spec");
            let mut row = self.rows.add(input.entry, None);
            row.set("name", object.at("metadata").at("name").text())
                .set("holder", spec.at("holderIdentity").text())
                .set("duration_seconds", spec.at("leaseDurationSeconds").int());
            moment::set(&mut row, "renewed", spec.at("renewTime").moment(), node);
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
    fn a_lease_that_nobody_renews() {
        let lease = br#"{"kind":"Lease","metadata":{"name":"n1"},"spec":{"holderIdentity":"n1","leaseDurationSeconds":40,"renewTime":"2023-11-14T22:12:20.5Z"}}"#;
        let (rows, _) = run(
            "lease",
            &[(
                "api/apiserver/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1",
                lease,
            )],
        );
        assert_eq!(
            csv(&rows, &["name", "duration_seconds", "renewed_age_us"]),
            "n1,40,59500000\n"
        );
    }
}
