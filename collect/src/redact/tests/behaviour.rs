//! Marks, streams, hostile text.

use super::super::{Level, Redactor, Shape};
use super::{of, redacted, redactor};

#[test]
fn what_is_no_secret_stays() {
    for harmless in [
        "token: <nil>\n",
        "secretName: foo\n",
        "\"secret\":{\"secretName\":\"foo\",\"defaultMode\":420}",
        "tokenExpirationSeconds: 3607\n",
        "automountServiceAccountToken: false\n",
        "type: kubernetes.io/service-account-token\n",
        "--token-auth-file=/etc/x --authorization-kubeconfig=/etc/kubernetes/scheduler.conf --client-ca-file=/x\n",
        "--authorization-mode=Node,RBAC --secret-file /etc/x\n",
        "I0101 reconciler.go:1] \"Sync\" secret=\"kube-system/bootstrap-token-abcdef\" pod=\"kube-system/token-cleaner\"\n",
        "MountVolume.SetUp failed for volume \"x\" : secret \"foo-0a1b2c\" not found\n",
        "E0101 reflector.go:138] object-\"default\"/\"db-secret\": Failed to watch *v1.Secret: failed to list *v1.Secret: secrets \"db-secret\" is forbidden\n",
        "error getting token: context deadline exceeded\n",
        "invalid bearer token, token lookup failed\n",
        "WWW-Authenticate: Bearer realm=\"https://auth.docker.io/token\",service=\"registry\"\n",
        "certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURCVENDQWUyZ0F3SUJBZ0lJ\n",
        "-----BEGIN CERTIFICATE-----\nMIIDBTCCAe2gAwIBAgIIabc\n-----END CERTIFICATE-----\n",
        "-----BEGIN PUBLIC KEY-----\nMIIDBTCCAe2gAwIBAgIIabc\n-----END PUBLIC KEY-----\n",
        "docker://sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n",
        "docker run -p 8080:80 nginx\n",
        "mkdir -p /var/lib/mysql -p\n",
        "sudo: bob : TTY=pts/6 ; PWD=/auto/x ; USER=root ; COMMAND=/bin/ls\n",
        "Speculation_Store_Bypass:\tthread vulnerable\n",
        "kind: ConfigMap\ndata:\n  a: visible\n---\nkind: Secret\nmetadata:\n  name: b\n",
        "sysctls:\n- name: net.core.somaxconn\n  value: \"1024\"\n",
        "tolerations:\n- key: a\n  operator: Equal\n  value: b\n",
        "{\"env\":[{\"name\":\"GOMAXPROCS\",\"value\":\"4\"},{\"name\":\"X\",\"valueFrom\":{\"secretKeyRef\":{\"name\":\"s\",\"key\":\"k\"}}}]}",
        "http://10.0.0.1:8080/x@y\n",
        "Failed to pull image \"reg.io/a@sha256:0123\": rpc error: code = Unknown\n",
    ] {
        assert_eq!(of(harmless), harmless);
    }
}

#[test]
fn names_around_a_secret_stay() {
    let text = of("postgres://bob:hunter22@db:5432/x Authorization: Bearer abcdefgh12345678\n");
    assert!(
        text.starts_with("postgres://bob:<redacted:url-password:"),
        "{text}"
    );
    assert!(
        text.contains("@db:5432/x Authorization: Bearer <redacted:"),
        "{text}"
    );
    let environment = redacted(Shape::Environment, b"GOGC=50\0SECRET_PLAN=x\0");
    assert!(environment.starts_with(b"GOGC=50\0SECRET_PLAN=<redacted:env:"));
}

#[test]
fn equal_secrets_have_equal_marks_within_one_capture() {
    let tag = |salt: u8, text: &str| {
        let redactor = Redactor::new(Level::Default, [salt; 32]).unwrap();
        let bytes = redactor.redact(Shape::Text, text.as_bytes()).unwrap().bytes;
        let text = String::from_utf8(bytes).unwrap();
        text.split(':').nth_back(1).unwrap().to_owned()
    };
    assert_eq!(
        tag(1, "password=hunter22\n"),
        tag(1, "{\"token\":\"hunter22\"}")
    );
    assert_ne!(tag(1, "password=hunter22\n"), tag(1, "password=hunter23\n"));
    assert_ne!(tag(1, "password=hunter22\n"), tag(2, "password=hunter22\n"));
}

#[test]
fn random_salts_differ() {
    let marks = [(); 2].map(|()| {
        let redactor = Redactor::with_random_salt(Level::Default).unwrap();
        redactor.redact(Shape::Text, b"password=hunter22").unwrap()
    });
    assert_ne!(marks[0].bytes, marks[1].bytes);
    assert_eq!(marks[0].counts["password"], 1);
}

#[test]
fn a_bare_number_in_json_becomes_a_string() {
    let text = of("{\"password\": 123456, \"x\": 1}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        value["password"]
            .as_str()
            .unwrap()
            .starts_with("<redacted:"),
        "{text}"
    );
}

#[test]
fn lengths_of_journal_fields_stay_right() {
    let mut export = b"__CURSOR=a\nMESSAGE\n".to_vec();
    let message = b"first\npassword=hunter22\nlast";
    export.extend_from_slice(&(message.len() as u64).to_le_bytes());
    export.extend_from_slice(message);
    export.extend_from_slice(b"\n_PID=1\n\n");
    let out = redacted(Shape::JournalExport, &export);
    let length = u64::from_le_bytes(out[19..27].try_into().unwrap()) as usize;
    assert!(out[27..27 + length].ends_with(b"\nlast"));
    assert!(out[27 + length..].starts_with(b"\n_PID=1\n\n"));
    assert!(!super::holds(&out, b"hunter22"));
}

#[test]
fn nothing_is_taken_out_where_nothing_is_asked_for() {
    let none = Redactor::new(Level::None, [0; 32]).unwrap();
    assert_eq!(none.redact(Shape::Environment, b"A=b\0"), None);
    assert_eq!(redactor().redact(Shape::Binary, b"password=hunter22"), None);
    assert_eq!(redactor().redact(Shape::Text, b"plain"), None);
}

#[test]
fn the_databases_of_a_resolver_are_no_passwords() {
    let text = "passwd:         files systemd\ngroup: compat\nshadow: sss files\n";
    assert_eq!(of(text), text);
}

#[test]
fn strict_takes_out_addresses_hosts_and_arguments() {
    let mut strict = Redactor::new(Level::Strict, [7; 32]).unwrap();
    strict.hide_host(b"worker-7\n");
    let text = b"10.1.2.3:6443 127.0.0.1 fe80::1%eth0 [2001:db8::2]:80 worker-7 db.prod.example.com ip-10-0-0-1.ec2.internal k8s.io/x 12:34:56 1.2.3 aa:bb:cc:dd:ee:ff v1.36.0 255.255.255.0";
    let out = String::from_utf8(strict.redact(Shape::Text, text).unwrap().bytes).unwrap();
    for gone in [
        "10.1.2.3",
        "fe80::1",
        "2001:db8",
        "worker-7",
        "example.com",
        "ip-10",
    ] {
        assert!(!out.contains(gone), "{gone}: {out}");
    }
    assert!(out.starts_with("<ip:"), "{out}");
    assert!(
        out.ends_with("k8s.io/x 12:34:56 1.2.3 aa:bb:cc:dd:ee:ff v1.36.0 255.255.255.0"),
        "{out}"
    );
    assert!(strict.redact(Shape::Text, out.as_bytes()).is_none());
    let program = strict
        .redact(Shape::CommandLine, b"/bin/x\0--a\0b\0")
        .unwrap()
        .bytes;
    assert!(program.starts_with(b"/bin/x\0<redacted:arguments:"));
    assert!(strict.redact(Shape::CommandLine, &program).is_none());
}

#[test]
fn hostile_text_costs_linear_time() {
    let redactor = redactor();
    for unit in [
        "token=",
        "\"",
        "\\\"",
        "token=\"",
        "password='/etc/ ",
        "://",
        "a:b@tcp(",
        "\"env\":[",
        "\"env\":[{\"env\":",
        "\"data\":{\"a\":\"b\",",
        "{\"kind\":\"Secret\",\"data\":{",
        "-----BEGIN PRIVATE KEY-----",
        "-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nAAAA",
        "kind: Secret\n",
        "kind: Secret\ndata:\n a: |\n  b\n",
        " - name: a\n   value: b\n",
        "value:\n",
        "curl -u ",
        "mysql -p",
        "eyJ",
        "eyJa.",
        "Authorization: ",
        "Cookie: a",
        "Bearer ",
        "LS0tLS1CRUdJTi",
        " s.aaaa",
        "<redacted:",
        "token",
        "-token ",
        "Environment=\"a=",
        "\\\\",
        "tokentokentoken:",
        "- - - ",
        "\n\n",
        "password=a,",
        "token: (",
    ] {
        let text = unit.repeat((1 << 18) / unit.len());
        for shape in [
            Shape::Text,
            Shape::CommandLine,
            Shape::Environment,
            Shape::JournalExport,
        ] {
            // Quadratic time would be minutes, and no test ended.
            let _ = redactor.redact(shape, text.as_bytes());
        }
    }
}

#[test]
fn every_cut_of_a_text_is_handled() {
    let text = "{\"env\":[{\"name\":\"A\",\"value\":\"b\\\"c\"}],\"kind\":\"Secret\",\"data\":{\"a\":\"YWJj\"}} -----BEGIN RSA PRIVATE KEY-----\\nMIIEowIBAAKCAQEA\\n-----END RSA PRIVATE KEY----- mysql -p'x y' curl -u 'a:b' token=\"x";
    for start in 0..text.len() {
        for end in start..text.len() {
            for shape in [
                Shape::Text,
                Shape::CommandLine,
                Shape::Environment,
                Shape::JournalExport,
            ] {
                let _ = redacted(shape, &text.as_bytes()[start..end]);
            }
            if end > start + 60 {
                break;
            }
        }
    }
}

#[test]
fn records_keep_their_lengths() {
    let records = b"\x01\0\0\0/srv/10.1.2.3/node7.example.com/app\0\0";
    assert_eq!(redactor().redact(Shape::Records, records), None);
    let mut strict = Redactor::new(Level::Strict, [7; 32]).unwrap();
    strict.hide_host(b"node7");
    let redacted = strict.redact(Shape::Records, records).unwrap();
    assert_eq!(redacted.bytes.len(), records.len());
    assert!(!redacted.bytes.windows(8).any(|bytes| bytes == b"10.1.2.3"));
    assert!(redacted.bytes.ends_with(b"/app\0\0"));
}

#[test]
fn arguments_in_lists_lose_their_secrets_alone() {
    for (list, kept) in [
        (
            r#"{"args":["mysqld","--password","correct-horse-7","--port","3306"]}"#,
            r#"","--port","3306"]}"#,
        ),
        (
            r#"{"config":"{\"args\":[\"app\",\"--token\", \"correct-horse-7\"]}"}"#,
            r#"\"]}"}"#,
        ),
        (
            "command: [\"app\", \"--api-key\",\n  \"correct-horse-7\", \"x\"]\n",
            "\", \"x\"]\n",
        ),
        (
            "    args:\n    - --password\n    - correct-horse-7\n    - run\n",
            "\n    - run\n",
        ),
        ("  - \"--db-password\"\n  - \"correct-horse-7\"\n", "\"\n"),
    ] {
        let text = of(list);
        assert!(!text.contains("correct-horse-7"), "{text}");
        assert!(text.ends_with(kept), "{text}");
    }
    for harmless in [
        r#"["kube-apiserver","--token-auth-file","/etc/x","--secure-port","6443"]"#,
        r#"["app","--password","--verbose"]"#,
        "- --token\nnext: line\n",
        "the flag \"--token\", which nobody needs\n",
    ] {
        assert_eq!(of(harmless), harmless);
    }
}
