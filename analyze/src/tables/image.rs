//! Images on the node, as the runtime has them and as the API server was told of the largest.
//!
//! ```text
//! {"images":[{"id":"sha256:6c8a..","repoTags":["docker.io/library/busybox:lab"],"size":"2130659","pinned":false}]}
//! ```

use crate::kubernetes::json::{self, Json};
use crate::kubernetes::objects;
use crate::table::{Damages, Decode, Input, Node, Rows, Table, bool, int, text};

const COLUMNS: [crate::table::Column; 6] = [
    text("id", "null: told by the API server"),
    text("names", "tags, apart by commas"),
    text("digests", "apart by commas"),
    int("size_bytes", ""),
    bool(
        "pinned",
        "never removed to make room; runtimes before 2022 do not tell",
    ),
    text("source", "runtime or api_server"),
];

/// The table.
pub static TABLE: Table = Table {
    name: "image",
    about: "images on the node",
    columns: &COLUMNS,
    reads: &[
        "cri/images.json",
        "api/apiserver/api/v1/nodes/*",
        "api/apiserver/node",
    ],
    decoder: || {
        Box::new(Images {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct Images {
    rows: Rows,
}

impl Decode for Images {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        let answer = Json::new(&answer);
        if input.path.starts_with("cri/") {
            for image in answer.at("images").list() {
                self.rows
                    .add(input.entry, None)
                    .set("id", image.at("id").text())
                    .set("names", words(image.at("repoTags"), |_| true))
                    .set("digests", words(image.at("repoDigests"), |_| true))
                    .set("size_bytes", image.at("size").int())
                    .set("pinned", image.at("pinned").bool())
                    .set("source", "runtime");
            }
            return;
        }
        for object in objects::all(answer) {
            for image in object.at("status").at("images").list() {
                let is_digest = |name: &str| name.contains('@');
                self.rows
                    .add(input.entry, None)
                    .set("names", words(image.at("names"), |name| !is_digest(name)))
                    .set("digests", words(image.at("names"), is_digest))
                    .set("size_bytes", image.at("sizeBytes").int())
                    .set("source", "api_server");
            }
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        *rows = self.rows;
    }
}

fn words(list: Json<'_>, wanted: impl Fn(&str) -> bool) -> Option<String> {
    let words: Vec<&str> = list
        .list()
        .filter_map(Json::text)
        .filter(|w| wanted(w))
        .collect();
    (!words.is_empty()).then(|| words.join(","))
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn of_the_runtime_and_of_the_api_server() {
        let images = br#"{"images":[{"id":"sha256:6c","repoTags":["a:1","a:2"],"repoDigests":[],"size":"21","pinned":true}]}"#;
        let node = br#"{"kind":"Node","metadata":{"name":"n"},"status":{"images":[{"names":["a@sha256:6c","a:1"],"sizeBytes":21}]}}"#;
        let (rows, _) = run(
            "image",
            &[
                ("cri/images.json", images),
                ("api/apiserver/api/v1/nodes/n1", node),
            ],
        );
        assert_eq!(
            csv(
                &rows,
                &["id", "names", "digests", "size_bytes", "pinned", "source"]
            ),
            "sha256:6c,a:1,a:2,,21,true,runtime\n,a:1,a@sha256:6c,21,,api_server\n"
        );
    }
}
