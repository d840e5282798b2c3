//! Metrics of the runtime and of every other component that was asked: etcd, API server, kube-proxy ...
//!
//! ```text
//! # TYPE grpc_server_handled_total counter
//! grpc_server_handled_total{grpc_code="OK",grpc_method="ListContainers"} 4711
//! ```

use crate::kubernetes::prometheus;
use crate::table::{Damages, Decode, Input, Node, Rows, Table};

/// The table.
pub static TABLE: Table = Table {
    name: "runtime_metric",
    about: "metrics of the runtime, and of other components that were asked; histograms: `metric_histogram`",
    columns: &prometheus::COLUMNS,
    // containerd has its metrics under a version of its own.
    reads: &["api/*/metrics", "api/*/v1/metrics"],
    decoder: || {
        Box::new(Metrics {
            rows: Rows::new(&prometheus::COLUMNS),
        })
    },
};

struct Metrics {
    rows: Rows,
}

impl Decode for Metrics {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let mut parts = input.path.splitn(3, '/').skip(1);
        let (Some(component), Some(path)) = (parts.next(), parts.next()) else {
            return;
        };
        if component != "kubelet" {
            prometheus::add(input, component, path, &mut self.rows, damages);
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
    fn by_component_and_none_of_kubelet() {
        let (rows, _) = run(
            "runtime_metric",
            &[
                ("api/containerd/v1/metrics", b"a 1\n"),
                ("api/etcd/metrics", b"a{b=\"c\"} 2\n"),
                ("api/kubelet/metrics", b"a 3\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &["component", "path", "name", "labels", "value"]),
            "containerd,v1/metrics,a,,1.0000\netcd,metrics,a,b=\"c\",2.0000\n"
        );
    }
}
