//! What images and containers take of their file systems, as the runtime tells.
//!
//! ```text
//! {"status":{"imageFilesystems":[{"fsId":{"mountpoint":"/var/lib/containerd/.."},"usedBytes":{"value":"2797568"},..
//! ```

use crate::kubernetes::json::{self, Json};
use crate::table::{Damages, Decode, Input, Node, Rows, Table, int, text};

const COLUMNS: [crate::table::Column; 4] = [
    text("kind", "image or container"),
    text("mount_point", "a folder of the runtime"),
    int("used_bytes", ""),
    int("inodes_used_count", ""),
];

/// The table.
pub static TABLE: Table = Table {
    name: "image_file_system",
    about: "what images and containers take, as the runtime tells",
    columns: &COLUMNS,
    reads: &["cri/image_file_systems.json"],
    decoder: || {
        Box::new(FileSystems {
            rows: Rows::new(&COLUMNS),
        })
    },
};

struct FileSystems {
    rows: Rows,
}

impl Decode for FileSystems {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        let Some(answer) = json::parse(input, damages) else {
            return;
        };
        let answer = Json::new(&answer);
        // crictl puts the answer under a name.
        let told = Some(answer.at("status")).filter(|status| status.is_there());
        for (kind, list) in [
            ("image", "imageFilesystems"),
            ("container", "containerFilesystems"),
        ] {
            for of in told.unwrap_or(answer).at(list).list() {
                self.rows
                    .add(input.entry, None)
                    .set("kind", kind)
                    .set("mount_point", of.at("fsId").at("mountpoint").text())
                    .set("used_bytes", of.at("usedBytes").int())
                    .set("inodes_used_count", of.at("inodesUsed").int());
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
    fn wrapped_or_not() {
        let inner = r#"{"imageFilesystems":[{"fsId":{"mountpoint":"/x"},"usedBytes":{"value":"7"},"inodesUsed":{"value":"3"}}],"containerFilesystems":[]}"#;
        for answer in [inner.to_owned(), format!("{{\"status\":{inner}}}")] {
            let (rows, _) = run(
                "image_file_system",
                &[("cri/image_file_systems.json", answer.as_bytes())],
            );
            let columns = ["kind", "mount_point", "used_bytes", "inodes_used_count"];
            assert_eq!(csv(&rows, &columns), "image,/x,7,3\n");
        }
    }
}
