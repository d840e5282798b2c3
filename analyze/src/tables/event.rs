//! Events of the API server about this node and its pods (`v1` and `events.k8s.io/v1`).
//!
//! ```text
//! {"involvedObject":{"kind":"Pod","name":"web-0","uid":..,"fieldPath":"spec.containers{app}"},"reason":"BackOff","type":"Warning",..
//! ```

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::{moment, objects};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

const COLUMNS: [crate::table::Column; 18] = [
    text("type", "Normal or Warning"),
    text("reason", ""),
    text("message", ""),
    text("object_kind", "Node, Pod ..."),
    text("object_name", ""),
    text("namespace", "of the object"),
    text("pod_uid", "of a pod"),
    text("pod", "its name"),
    text("container", "the container that it is about"),
    text("component", "kubelet, node-controller ..."),
    text("host", "where that runs"),
    int("count", "how often"),
    text("first_at", ""),
    int("first_ts_us", "since boot"),
    int("first_age_us", "before the capture began"),
    text("last_at", ""),
    int("last_ts_us", "since boot"),
    int("last_age_us", "before the capture began"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "event",
    about: "events about the node and its pods, as the API server has them",
    columns: &COLUMNS,
    reads: &[
        "api/apiserver/api/v1/events*",
        "api/apiserver/api/v1/namespaces/*/events*",
    ],
    decoder: || {
        Box::new(Events {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Events {
    rows: Rows,
}

impl Decode for Events {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        for event in objects::all(Json::new(&answer)) {
            let object = either(event, "involvedObject", "regarding");
            let source = either(event, "source", "deprecatedSource");
            let is_pod = object.at("kind").text() == Some("Pod");
            let pod = |field: &str| object.at(field).text().filter(|_| is_pod);
            let field = object.at("fieldPath").text();
            let container = field.and_then(|path| path.split_once('{')?.1.strip_suffix('}'));
            let component = event.at("reportingComponent").text();
            let component = component.or(event.at("reportingController").text());
            let series = event.at("series");
            let count = either(event, "count", "deprecatedCount").int();
            let mut row = self.rows.add(input.entry, None);
            row.set("type", event.at("type").text())
                .set("reason", event.at("reason").text())
                .set("message", either(event, "message", "note").text())
                .set("object_kind", object.at("kind").text())
                .set("object_name", object.at("name").text())
                .set("namespace", object.at("namespace").text())
                .set("pod_uid", pod("uid"))
                .set("pod", pod("name"))
                .set("container", container)
                .set("component", source.at("component").text().or(component))
                .set("host", source.at("host").text())
                .set("count", series.at("count").int().or(count).unwrap_or(1));
            let time = event.at("eventTime").moment();
            let first = either(event, "firstTimestamp", "deprecatedFirstTimestamp");
            let last = either(event, "lastTimestamp", "deprecatedLastTimestamp");
            let observed = series.at("lastObservedTime").moment();
            let first = first.moment().or(time);
            moment::set(&mut row, "first", first, node);
            moment::set(
                &mut row,
                "last",
                observed.or(last.moment()).or(time).or(first),
                node,
            );
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

/// A field by its name in `v1`, or in `events.k8s.io/v1`.
fn either<'a>(event: Json<'a>, old: &str, new: &str) -> Json<'a> {
    if event.at(old).is_there() {
        event.at(old)
    } else {
        event.at(new)
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn of_both_apis() {
        let events = br#"{"kind":"EventList","items":[
            {"involvedObject":{"kind":"Pod","namespace":"d","name":"web-0","uid":"u","fieldPath":"spec.containers{app}"},"reason":"BackOff","message":"Back-off restarting","source":{"component":"kubelet","host":"n1"},"firstTimestamp":"2023-11-14T22:12:20Z","lastTimestamp":"2023-11-14T22:13:10Z","count":7,"type":"Warning"},
            {"regarding":{"kind":"Node","name":"n1"},"reason":"Rebooted","note":"Node n1 has been rebooted","reportingController":"kubelet","eventTime":"2023-11-14T22:13:00.000000Z","type":"Warning"}]}"#;
        let (rows, _) = run(
            "event",
            &[("api/apiserver/api/v1/events?limit=500", events)],
        );
        assert_eq!(
            csv(
                &rows,
                &[
                    "reason",
                    "message",
                    "pod",
                    "container",
                    "component",
                    "count",
                    "first_age_us",
                    "last_age_us"
                ]
            ),
            "BackOff,Back-off restarting,web-0,app,kubelet,7,60000000,10000000\nRebooted,Node n1 has been rebooted,,,kubelet,1,20000000,20000000\n"
        );
    }
}
