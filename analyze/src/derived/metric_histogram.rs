//! Histograms of `kubelet_metric` and `runtime_metric` in one row each: how many, how much, and the
//! values that half, nine tenths and 99 of 100 stay below.
//!
//! A quantile lies somewhere in a bucket; as Prometheus does (`histogram_quantile`) it is taken to lie
//! in proportion. One in the last bucket, which has no upper bound, is that bucket's lower bound.

use crate::table::{Derived, Node, Rows, Store, float, int, text};

/// The table.
pub static TABLE: Derived = Derived {
    name: "metric_histogram",
    about: "histograms of kubelet and other components since they began, one row each",
    columns: &[
        text("component", "who tells it"),
        text("path", "where: metrics, metrics/cadvisor ..."),
        text("name", "without `_bucket`; its unit stands at its end"),
        text("labels", "without `le`"),
        int("count", "values since the component began"),
        float("sum", "of all of them, in the metric's unit"),
        float("mean", "sum / count"),
        float("p50", "half are below; in the metric's unit"),
        float("p90", ""),
        float("p99", ""),
        float(
            "over",
            "bound that the greatest value is above; null: above none",
        ),
    ],
    needs: &["kubelet_metric", "runtime_metric"],
    rank: 0,
    build,
};

/// A histogram as far as it was read: its buckets stand one behind the other.
#[derive(Default)]
struct Histogram {
    /// Row of the first bucket.
    row: usize,
    /// Upper bounds and values up to them.
    buckets: Vec<(f64, f64)>,
    sum: Option<f64>,
    count: Option<f64>,
}

fn build(store: &Store, _: &Node, rows: &mut Rows) {
    for table in ["kubelet_metric", "runtime_metric"] {
        let Some(metrics) = store.get(table) else {
            continue;
        };
        let mut open: Option<(Histogram, [&str; 3])> = None;
        for row in 0..metrics.len() {
            let (Some(name), kind) = (metrics.text(row, "name"), metrics.text(row, "kind")) else {
                continue;
            };
            let ends = ["_bucket", "_sum", "_count"];
            let end = ends.into_iter().find(|end| name.ends_with(end));
            let base = end.and_then(|end| name.strip_suffix(end));
            let Some((end, base)) = end.zip(base).filter(|_| kind == Some("histogram")) else {
                continue;
            };
            let of = |column| metrics.text(row, column).unwrap_or_default();
            let key = [of("component"), base, of("labels")];
            if open.as_ref().is_none_or(|(_, known)| *known != key) {
                if let Some((histogram, _)) = open.take() {
                    histogram.add(metrics, rows);
                }
                let histogram = Histogram {
                    row,
                    ..Histogram::default()
                };
                open = Some((histogram, key));
            }
            let Some((histogram, _)) = &mut open else {
                continue;
            };
            let value = metrics.float(row, "value");
            match end {
                "_sum" => histogram.sum = value,
                "_count" => histogram.count = value,
                _ => {
                    let bound = match metrics.text(row, "le") {
                        Some("+Inf") => Some(f64::INFINITY),
                        bound => bound.and_then(|bound| bound.parse().ok()),
                    };
                    histogram.buckets.extend(bound.zip(value));
                }
            }
        }
        if let Some((histogram, _)) = open {
            histogram.add(metrics, rows);
        }
    }
}

impl Histogram {
    fn add(self, metrics: &Rows, rows: &mut Rows) {
        let last = self.buckets.last().map(|(_, count)| *count);
        let Some(count) = self.count.or(last).filter(|_| !self.buckets.is_empty()) else {
            return;
        };
        let name = metrics.text(self.row, "name").unwrap_or_default();
        let entry = metrics.text(self.row, "entry").unwrap_or_default();
        let greatest = self
            .buckets
            .iter()
            .rev()
            .find(|(_, below)| *below < count)
            .map(|(bound, _)| *bound);
        let mut row = rows.add(entry, metrics.int(self.row, "line"));
        for column in ["component", "path", "labels"] {
            row.set(column, metrics.get(self.row, column));
        }
        row.set("name", name.strip_suffix("_bucket").unwrap_or(name))
            .set("count", count as i64)
            .set("sum", self.sum)
            .set(
                "mean",
                self.sum.filter(|_| count > 0.0).map(|sum| sum / count),
            )
            .set("p50", quantile(&self.buckets, count, 0.5))
            .set("p90", quantile(&self.buckets, count, 0.9))
            .set("p99", quantile(&self.buckets, count, 0.99))
            .set("over", greatest);
    }
}

/// The value that this part of all values is below; nothing where there are none.
fn quantile(buckets: &[(f64, f64)], count: f64, part: f64) -> Option<f64> {
    let wanted = part * count;
    let place = buckets
        .iter()
        .position(|(_, below)| *below >= wanted)
        .filter(|_| count > 0.0)?;
    let (upper, up_to) = *buckets.get(place)?;
    let lower = place
        .checked_sub(1)
        .and_then(|before| buckets.get(before).copied());
    let (lower, below) = lower.unwrap_or((0.0, 0.0));
    if upper.is_infinite() {
        return Some(lower);
    }
    let inside = (up_to - below).max(f64::MIN_POSITIVE);
    Some(lower + (upper - lower) * ((wanted - below) / inside).clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, derive};

    #[test]
    fn quantiles_within_buckets_and_above_the_last() {
        let metrics = b"# TYPE x_seconds histogram
x_seconds_bucket{verb=\"a\",le=\"1\"} 50
x_seconds_bucket{verb=\"a\",le=\"2\"} 90
x_seconds_bucket{verb=\"a\",le=\"+Inf\"} 100
x_seconds_sum{verb=\"a\"} 150
x_seconds_count{verb=\"a\"} 100
x_seconds_bucket{verb=\"b\",le=\"1\"} 0
x_seconds_bucket{verb=\"b\",le=\"+Inf\"} 0
x_seconds_sum{verb=\"b\"} 0
x_seconds_count{verb=\"b\"} 0
";
        let rows = derive("metric_histogram", &[("api/kubelet/metrics", metrics)]);
        assert_eq!(
            csv(
                &rows,
                &[
                    "name", "labels", "count", "mean", "p50", "p90", "p99", "over", "line"
                ]
            ),
            "x_seconds,verb=\"a\",100,1.5000,1.0000,2.0000,2.0000,2.0000,2\nx_seconds,verb=\"b\",0,,,,,,7\n"
        );
    }
}
