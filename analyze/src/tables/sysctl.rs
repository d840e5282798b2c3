//! Kernel settings, from the files of `/proc/sys`.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, text};

/// The table.
pub static TABLE: Table = Table {
    name: "sysctl",
    about: "kernel settings",
    columns: &[
        text("name", "`net.ipv4.ip_forward`"),
        text("value", "as the kernel prints it, tabs as spaces"),
        float("number", "the value, if it is one number"),
    ],
    reads: &["/proc/sys/**"],
    decoder: || Box::new(Sysctl::default()),
};

#[derive(Default)]
struct Sysctl {
    settings: Vec<(String, String)>,
}

impl Decode for Sysctl {
    fn entry(&mut self, input: &Input<'_>, _: &Node, _: &mut Damages) {
        if input.reading == 0 {
            self.settings.push((
                input.entry.to_owned(),
                input.text().trim().replace('\t', " "),
            ));
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for (entry, value) in self.settings {
            let name = entry
                .strip_prefix("root/proc/sys/")
                .unwrap_or(&entry)
                .replace('/', ".");
            let number = value.parse::<f64>().ok();
            rows.add(&entry, None)
                .set("name", name)
                .set("value", value)
                .set("number", number);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn numbers_and_text() {
        let (rows, _) = run(
            "sysctl",
            &[
                ("root/proc/sys/net/ipv4/ip_forward", b"1\n"),
                ("root/proc/sys/net/ipv4/tcp_mem", b"1\t2\t3\n"),
            ],
        );
        let columns = ["name", "value", "number"];
        assert_eq!(
            csv(&rows, &columns),
            "net.ipv4.ip_forward,1,1.0000\nnet.ipv4.tcp_mem,1 2 3,\n"
        );
    }
}
