//! Questions to kubelet, runtime, API server and others, each with what came of it: how long an
//! answer took, and why there is none, is evidence by itself.
//!
//! ```text
//! api/kubelet/exchanges.jsonl  {"url":"https://127.0.0.1:10250/pods","started_us":..,"took_us":52014,"status":200,"date":"Fri, 20 Nov ..
//! cri/exchanges.jsonl          {"call":"ListContainers","endpoint":"/run/containerd/containerd.sock","took_us":325,"grpc_status":0,..
//! ```

use crate::kubernetes::json::Json;
use crate::kubernetes::moment::Moment;
use crate::table::{Damages, Decode, Input, Node, Row, Rows, Table, bool, float, int, text};

/// Longest line: no line of the collector's is half as long.
const LINE_BYTES: usize = 64 << 10;

const COLUMNS: [crate::table::Column; 28] = [
    text(
        "component",
        "who was asked: kubelet, apiserver, runtime, etcd ...",
    ),
    text("protocol", "http or grpc (CRI)"),
    text("path", "path and query, or the call and its id"),
    text("url", "where it was asked, or the socket"),
    int("status", "of HTTP, or of gRPC, where 0 is success"),
    bool("ok", "answered with success"),
    int("ts_us", "when it began, since boot"),
    int("took_us", "from the beginning to the end of the answer"),
    int("connect_us", "of it, until the connection was there"),
    int("tls_us", "of it, for the handshake"),
    int("wait_us", "of it, from the question to the answer's head"),
    int("bytes", "of the answer as far as it came"),
    text("content_type", ""),
    text("cut", "why the answer is shorter than it was to be"),
    text("error", "why there is no answer"),
    text("says", "what it says where it refuses"),
    text(
        "asked_as",
        "where the credential lies; `nobody`: none was used",
    ),
    text("date_at", "the clock of who answered"),
    int(
        "clock_offset_us",
        "that clock less the node's, to a second; null: not told",
    ),
    text("tls_version", ""),
    bool("tls_verified", "the certificate is trusted"),
    text("tls_trust", "why it is"),
    bool("tls_expired", "its time is over, trusted or not"),
    text("certificate_subject", "that the server showed"),
    text("certificate_issuer", ""),
    text("certificate_not_before_at", ""),
    text("certificate_not_after_at", ""),
    float(
        "certificate_days_left",
        "at the capture; less than 0 is expired",
    ),
];

/// The table.
pub static TABLE: Table = Table {
    name: "http_exchange",
    about: "questions to kubelet, runtime, API server and others, and what came of each",
    columns: &COLUMNS,
    reads: &["api/*/exchanges.jsonl", "cri/exchanges.jsonl"],
    decoder: || {
        Box::new(Exchanges {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Exchanges {
    rows: Rows,
}

impl Decode for Exchanges {
    fn entry(&mut self, input: &Input<'_>, node: &Node, damages: &mut Damages) {
        let component = input.part(1).unwrap_or_default();
        for (number, line) in input.lines().filter(|(_, line)| !line.is_empty()) {
            let value = (line.len() <= LINE_BYTES)
                .then(|| serde_json::from_str(&line).ok())
                .flatten();
            let Some(value) = value else {
                damages.add(input, Some(number), "not a line of JSON");
                continue;
            };
            let told = Json::new(&value);
            let mut row = self.rows.add(input.entry, Some(number));
            if input.path.starts_with("cri/") {
                call(&mut row, told);
            } else {
                row.set("component", component);
                exchange(&mut row, told, node);
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

/// What both have.
fn common(row: &mut Row<'_>, told: Json<'_>) {
    row.set("ts_us", told.at("started_us").int())
        .set("took_us", told.at("took_us").int())
        .set("bytes", told.at("bytes").int())
        .set("error", told.at("error").text());
}

/// A call of CRI.
fn call(row: &mut Row<'_>, told: Json<'_>) {
    let name = told.at("call").text();
    let path = name.map(|name| match told.at("id").text() {
        Some(id) => format!("{name} {id}"),
        None => name.to_owned(),
    });
    let status = told.at("grpc_status").int();
    common(row, told);
    row.set("component", "runtime")
        .set("protocol", "grpc")
        .set("path", path)
        .set("url", told.at("endpoint").text())
        .set("status", status)
        .set("ok", status == Some(0))
        .set("says", told.at("grpc_message").text());
}

/// A question by HTTP.
fn exchange(row: &mut Row<'_>, told: Json<'_>, node: &Node) {
    let url = told.at("url").text();
    let status = told.at("status").int();
    let date = told.at("date").text().and_then(http_date);
    common(row, told);
    row.set("protocol", "http")
        .set("url", url)
        .set("path", url.map(path))
        .set("status", status)
        .set(
            "ok",
            status.is_some_and(|status| (200..300).contains(&status)),
        )
        .set("connect_us", told.at("connect_us").int())
        .set("tls_us", told.at("tls_us").int())
        .set("wait_us", told.at("wait_us").int())
        .set("content_type", told.at("content_type").text())
        .set("cut", told.at("cut").text())
        .set("says", told.at("says").text())
        .set("asked_as", told.at("asked_as").text())
        .set("date_at", date.map(Moment::text))
        .set(
            "clock_offset_us",
            date.and_then(|date| clock_offset_us(date, told, node)),
        );
    let tls = told.at("tls");
    if !tls.is_there() {
        return;
    }
    let not_after = tls.at("not_after").moment();
    row.set("tls_version", tls.at("version").text())
        .set("tls_verified", tls.at("verified").text().is_some())
        .set("tls_trust", tls.at("verified").text())
        .set("tls_expired", tls.at("expired").bool())
        .set("certificate_subject", tls.at("subject").text())
        .set("certificate_issuer", tls.at("issuer").text())
        .set(
            "certificate_not_before_at",
            tls.at("not_before").moment().map(Moment::text),
        )
        .set("certificate_not_after_at", not_after.map(Moment::text))
        .set(
            "certificate_days_left",
            not_after.and_then(|end| end.days_left(node)),
        );
}

/// Path and query of a URL.
fn path(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/")
}

/// The server's clock less the node's, at the time of the answer's head.
fn clock_offset_us(date: Moment, told: Json<'_>, node: &Node) -> Option<i64> {
    let started = node.capture.as_ref()?.started;
    let began_us = told.at("started_us").int()?;
    let waited_us = ["connect_us", "tls_us", "wait_us"]
        .iter()
        .filter_map(|part| told.at(part).int())
        .fold(0, i64::saturating_add);
    let since_capture_us = began_us
        .checked_add(waited_us)?
        .checked_sub(i64::try_from(started.boottime_us).ok()?)?;
    let here_us = started.realtime_us.checked_add(since_capture_us)?;
    date.realtime_us.checked_sub(here_us)
}

/// `Fri, 20 Nov 2026 22:13:35 GMT`.
fn http_date(text: &str) -> Option<Moment> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_ascii_whitespace().skip(1);
    let (day, month, year, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    Moment::parse(&format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn answers_refusals_and_silence() {
        let kubelet = br#"{"url":"https://127.0.0.1:10250/pods","member":"api/kubelet/pods","started_us":1000000,"took_us":52014,"connect_us":14,"tls_us":1000,"wait_us":51000,"status":200,"date":"Tue, 14 Nov 2023 22:13:26 GMT","content_type":"application/json","content_length":9653,"bytes":9653,"asked_as":"certificate /x","tls":{"version":"TLS1.3","subject":"CN=node1","issuer":"CN=ca","not_before":"2023-11-13T22:13:20Z","not_after":"2023-11-24T22:13:20Z","verified":"cluster CA","expired":false}}
{"url":"https://127.0.0.1:10250/debug/pprof/heap","started_us":2000000,"took_us":9,"status":403,"bytes":40,"asked_as":"token","says":"Forbidden"}
{"url":"https://127.0.0.1:10250/metrics","asked_as":"token","error":"the process that asked was given up"}
nonsense
"#;
        let runtime = br#"{"call":"ContainerStatus","id":"ff92e3d24b0d","endpoint":"/run/containerd/containerd.sock","version":"v1","started_us":7,"took_us":325,"grpc_status":5,"grpc_message":"not found","bytes":0}
{"call":"Version","endpoint":"/run/containerd/containerd.sock","started_us":7,"took_us":10000000,"grpc_status":null,"error":"no answer","bytes":0}
"#;
        let (rows, damages) = run(
            "http_exchange",
            &[
                ("api/kubelet/exchanges.jsonl", kubelet),
                ("cri/exchanges.jsonl", runtime),
            ],
        );
        let columns = [
            "component",
            "path",
            "status",
            "ok",
            "took_us",
            "clock_offset_us",
            "error",
            "says",
            "tls_verified",
            "certificate_days_left",
        ];
        assert_eq!(
            csv(&rows, &columns),
            "\
kubelet,/pods,200,true,52014,4947986,,,true,10.0000
kubelet,/debug/pprof/heap,403,false,9,,,Forbidden,,
kubelet,/metrics,,false,,,the process that asked was given up,,,
runtime,ContainerStatus ff92e3d24b0d,5,false,325,,,not found,,
runtime,Version,,false,10000000,,no answer,,,
"
        );
        assert_eq!(damages.list.len(), 1);
    }
}
