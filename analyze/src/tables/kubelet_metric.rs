//! Metrics of kubelet, and of the containers as its cAdvisor counts them.
//!
//! ```text
//! # TYPE kubelet_pleg_relist_duration_seconds histogram
//! kubelet_pleg_relist_duration_seconds_bucket{le="0.005"} 12
//! container_cpu_cfs_throttled_periods_total{container="c",namespace="default",pod="web-0"} 41 1700000000000
//! ```

use crate::kubernetes::prometheus;
use crate::table::{Damages, Decode, Input, Node, Rows, Table};

/// The table.
pub static TABLE: Table = Table {
    name: "kubelet_metric",
    about: "metrics of kubelet, its containers (cAdvisor), resources and probes; histograms: `metric_histogram`",
    columns: &prometheus::COLUMNS,
    reads: &["api/kubelet/metrics", "api/kubelet/metrics/*"],
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
        let path = input.path.trim_start_matches("api/kubelet/");
        prometheus::add(input, "kubelet", path, &mut self.rows, damages);
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn buckets_and_labels_of_two_ages() {
        let metrics = b"# HELP x words\n# TYPE x_seconds histogram\nx_seconds_bucket{le=\"0.1\",verb=\"GET\"} 3\nx_seconds_bucket{verb=\"GET\",le=\"+Inf\"} 4\nx_seconds_count{verb=\"GET\"} 4\nUnauthorized\n";
        let cadvisor = b"# TYPE container_x gauge\ncontainer_x{container_name=\"old\",pod_name=\"p\",namespace=\"d\",container=\"\"} NaN\n";
        let (rows, damages) = run(
            "kubelet_metric",
            &[
                ("api/kubelet/metrics", metrics),
                ("api/kubelet/metrics/cadvisor", cadvisor),
                ("api/kubelet/metrics/probes", b"\x96\x02\n\x15a\0\n\n"),
            ],
        );
        assert_eq!(
            csv(&rows, &["path", "name", "kind", "labels", "pod", "container", "le", "value", "line"]),
            "\
metrics,x_seconds_bucket,histogram,verb=\"GET\",,,0.1,3.0000,3
metrics,x_seconds_bucket,histogram,verb=\"GET\",,,+Inf,4.0000,4
metrics,x_seconds_count,histogram,verb=\"GET\",,,,4.0000,5
metrics/cadvisor,container_x,gauge,container_name=\"old\",pod_name=\"p\",namespace=\"d\",container=\"\",p,old,,,2
"
        );
        assert_eq!(damages.list.len(), 2);
    }
}
