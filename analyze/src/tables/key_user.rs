//! Kernel keys that users hold, and their quotas, from `/proc/key-users` (keyrings(7)).
//!
//! ```text
//!     0:   113 112/112 105/1000000 2213/25000000
//!  1000:     5 5/5 199/200 1270/20000
//! ```
//!
//! After the user: usage count, all keys / those that are complete, keys charged / quota, bytes / quota.

use crate::table::{Damages, Decode, Input, Node, Rows, Table, float, int};

/// The table.
pub static TABLE: Table = Table {
    name: "key_user",
    about: "kernel keys by user, and their quotas",
    columns: &[
        int("uid", ""),
        int("keys_count", "that count against the quota"),
        int("keys_limit_count", "sysctl kernel.keys.maxkeys"),
        float("keys_used_ratio", "keys_count / keys_limit_count"),
        int("bytes", "of these keys"),
        int("bytes_limit", "sysctl kernel.keys.maxbytes"),
        float("bytes_used_ratio", "bytes / bytes_limit"),
    ],
    reads: &["/proc/key-users"],
    decoder: || Box::new(KeyUsers::default()),
};

/// Used, and the most that may be.
type Quota = (i64, i64);

#[derive(Default)]
struct KeyUsers {
    users: Vec<User>,
}

struct User {
    entry: String,
    line: i64,
    uid: i64,
    keys: Quota,
    bytes: Quota,
}

impl Decode for KeyUsers {
    fn entry(&mut self, input: &Input<'_>, _: &Node, damages: &mut Damages) {
        if input.reading > 0 {
            return;
        }
        for (line, text) in input.lines() {
            let Some((uid, keys, bytes)) = parse(&text) else {
                damages.add(input, Some(line), format!("not a user's keys: `{text}`"));
                continue;
            };
            self.users.push(User {
                entry: input.entry.to_owned(),
                line,
                uid,
                keys,
                bytes,
            });
        }
    }

    fn finish(self: Box<Self>, _: &Node, rows: &mut Rows) {
        for user in self.users {
            rows.add(&user.entry, Some(user.line))
                .set("uid", user.uid)
                .set("keys_count", user.keys.0)
                .set("keys_limit_count", user.keys.1)
                .set("keys_used_ratio", ratio(user.keys))
                .set("bytes", user.bytes.0)
                .set("bytes_limit", user.bytes.1)
                .set("bytes_used_ratio", ratio(user.bytes));
        }
    }
}

/// User, quota of keys, quota of bytes.
fn parse(line: &str) -> Option<(i64, Quota, Quota)> {
    let (uid, rest) = line.split_once(':')?;
    let mut fields = rest.split_ascii_whitespace().skip(2);
    let mut pair = || {
        let (used, limit) = fields.next()?.split_once('/')?;
        Some((used.parse().ok()?, limit.parse().ok()?))
    };
    Some((uid.trim().parse().ok()?, pair()?, pair()?))
}

#[expect(clippy::cast_precision_loss, reason = "quotas are far below 2^53")]
fn ratio((used, limit): Quota) -> Option<f64> {
    (limit > 0).then(|| used as f64 / limit as f64)
}

#[cfg(test)]
mod tests {
    use crate::table::testing::{csv, run};

    #[test]
    fn root_and_a_user_at_the_limit() {
        let text = b"    0:   113 112/112 105/1000000 2213/25000000\n 1000:     5 5/5 199/200 1270/20000\n";
        let (rows, damages) = run("key_user", &[("root/proc/key-users", text)]);
        assert_eq!(
            csv(
                &rows,
                &["uid", "keys_count", "keys_limit_count", "keys_used_ratio"]
            ),
            "0,105,1000000,0.0001\n1000,199,200,0.9950\n"
        );
        assert!(damages.list.is_empty());
    }

    #[test]
    fn a_cut_line_is_damage() {
        let (rows, damages) = run("key_user", &[("root/proc/key-users", b"    0:   113 11")]);
        assert!(rows.is_empty());
        assert_eq!(damages.list.len(), 1);
    }
}
