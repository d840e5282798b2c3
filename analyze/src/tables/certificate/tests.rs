use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::table::testing::{csv, run};

/// Made by `openssl req -x509`; the key was thrown away.
const NODE: &str = include_str!("node.pem");
const COLUMNS: [&str; 6] = [
    "number",
    "subject",
    "alternative_names",
    "is_authority",
    "is_self_signed",
    "line",
];
const TOLD: &str =
    "CN=system:node:node1,O=system:nodes,node1,10.0.2.15,fd00::1,spiffe://x/y,false,true";

#[test]
fn two_in_a_file_with_words_around_them() {
    let bundle = format!("# comment\n{NODE}some words\n{NODE}");
    let (rows, damages) = run(
        "certificate",
        &[(
            "root/var/lib/kubelet/pki/kubelet-client-current.pem",
            bundle.as_bytes(),
        )],
    );
    let second = NODE.lines().count() + 3;
    assert_eq!(
        csv(&rows, &COLUMNS),
        format!("1,{TOLD},2\n2,{TOLD},{second}\n")
    );
    // The capture is of 2023: it is not valid yet.
    let days = rows.float(0, "days_left").unwrap()
        + rows.int(0, "not_before_age_us").unwrap() as f64 / 86_400e6;
    assert!((days - 365.0).abs() < 0.01, "{days}");
    assert!(rows.float(0, "used_ratio").unwrap() < 0.0);
    assert!(rows.text(0, "not_after_at").unwrap().starts_with("2027-"));
    assert!(damages.list.is_empty());
}

#[test]
fn in_a_kubeconfig_whose_keys_were_taken_out() {
    let config = format!(
        "clusters:\n- cluster:\n    certificate-authority-data: {}\nusers:\n- user:\n    client-key-data: <redacted>\n",
        STANDARD.encode(NODE)
    );
    let (rows, damages) = run(
        "certificate",
        &[("root/etc/kubernetes/kubelet.conf", config.as_bytes())],
    );
    assert_eq!(csv(&rows, &COLUMNS), format!("1,{TOLD},3\n"));
    assert!(damages.list.is_empty());
}

#[test]
fn damage_costs_one_certificate() {
    let broken = NODE.replacen("MII", "AAA", 1);
    let text = format!("{broken}{NODE}{}", &NODE[..200]);
    let (rows, damages) = run(
        "certificate",
        &[("root/etc/kubernetes/pki/ca.crt", text.as_bytes())],
    );
    assert_eq!(rows.len(), 1);
    assert_eq!(damages.list.len(), 2);
}
