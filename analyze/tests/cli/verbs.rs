//! What each verb answers.

use serde_json::Value;

use crate::desk::{Desk, bundle};

#[test]
fn query_answers_in_three_formats() {
    let desk = Desk::new();
    let ask = |format: &str| {
        let sql = "SELECT resource, kind, stall_us, stall_ratio FROM pressure ORDER BY kind";
        desk.analyze(&["query", "node1.tar.zst", sql, "--format", format])
            .quiet()
    };
    assert_eq!(
        ask("table"),
        "resource  kind  stall_us  stall_ratio\n\
         io        full   5000000       0.5000\n\
         io        some   5000000       0.5000\n"
    );
    assert_eq!(
        ask("csv"),
        "resource,kind,stall_us,stall_ratio\nio,full,5000000,0.5\nio,some,5000000,0.5\n"
    );
    let rows: Value = serde_json::from_str(&ask("json")).unwrap();
    assert_eq!(rows[1]["kind"], "some");
    assert_eq!(rows[1]["stall_us"], 5_000_000);
    assert_eq!(rows.as_array().unwrap().len(), 2);
}

#[test]
fn query_says_why_a_table_is_empty() {
    let done = Desk::new().analyze(&[
        "query",
        "node1.tar.zst",
        "SELECT * FROM vmstat",
        "--format",
        "json",
    ]);
    assert_eq!(done.code, 0);
    assert_eq!(done.stdout, "[]\n");
    assert_eq!(
        done.stderr,
        "table `vmstat` has no rows: `root/proc/vmstat` is denied: run as root\n"
    );
}

#[test]
fn query_names_the_table_that_was_meant() {
    let done = Desk::new().analyze(&["query", "node1.tar.zst", "SELECT * FROM presure"]);
    assert_eq!(done.code, 1);
    assert_eq!(
        done.stderr,
        "analyze: there is no table `presure`: did you mean `pressure`? `analyze tables` lists all\n"
    );
}

#[test]
fn a_with_query_may_name_its_own_tables() {
    let sql =
        "WITH worst AS (SELECT MAX(stall_ratio) AS most FROM pressure) SELECT most FROM worst";
    let done = Desk::new().analyze(&["query", "node1.tar.zst", sql, "--format", "csv"]);
    assert_eq!(done.quiet(), "most\n0.5\n");
}

#[test]
fn tables_tell_the_schema_and_with_a_bundle_the_rows() {
    let desk = Desk::new();
    let schema = desk.analyze(&["tables"]).quiet();
    assert!(
        schema.contains("\npressure\n") && schema.contains("stall_ratio"),
        "{schema}"
    );

    let with_rows = desk.analyze(&["tables", "node1.tar.zst"]).quiet();
    assert!(with_rows.contains("\npressure  (2 rows)\n"), "{with_rows}");
    assert!(
        with_rows.contains("\nvmstat  (no rows: `root/proc/vmstat` is denied: run as root)\n"),
        "{with_rows}"
    );

    let json = desk
        .analyze(&["tables", "node1.tar.zst", "--format", "json"])
        .quiet();
    let list: Value = serde_json::from_str(&json).unwrap();
    let named = |name: &str| {
        let mut tables = list.as_array().unwrap().iter();
        tables.find(|one| one["table"]["name"] == name).unwrap()
    };
    assert_eq!(named("pressure")["rows"], 2);
    assert_eq!(named("pressure")["table"]["columns"][0]["kind"], "text");
    assert!(named("vmstat")["missing"].is_string());

    let document = include_str!("../../../docs/tables.md");
    assert_eq!(
        desk.analyze(&["tables", "--format", "markdown"]).quiet(),
        document
    );
}

#[test]
fn verify_names_what_is_wrong() {
    let desk = Desk::new();
    let sound = desk.analyze(&["verify", "node1.tar.zst"]).quiet();
    assert_eq!(sound, "sound: 3 entries intact in 3 batches\n");

    let whole = bundle();
    desk.write("cut.tar.zst", &whole[..whole.len() / 2]);
    let done = desk.analyze(&["verify", "cut.tar.zst"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stdout.contains("the file ends inside this frame\n"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.contains("`summary.json`: missing: "),
        "{}",
        done.stdout
    );
    assert!(done.stdout.contains("damaged: "), "{}", done.stdout);

    let done = desk.analyze_stream(&["verify", "-"], &whole);
    assert_eq!(done.quiet(), sound);
}

#[test]
fn damage_is_told_before_any_answer() {
    let desk = Desk::new();
    let whole = bundle();
    desk.write("cut.tar.zst", &whole[..whole.len() - 20]);
    let done = desk.analyze(&[
        "query",
        "cut.tar.zst",
        "SELECT COUNT(*) AS n FROM pressure",
        "--format",
        "csv",
    ]);
    assert_eq!((done.code, &done.stdout[..]), (0, "n\n2\n"));
    assert!(
        done.stderr.starts_with("damage: offset "),
        "{}",
        done.stderr
    );
}

#[test]
fn findings_speak_to_people_and_programs() {
    let desk = Desk::new();
    desk.finding("io-waits", "high");
    let ask = |format: &str| {
        let arguments = [
            "findings",
            "node1.tar.zst",
            "--findings",
            "findings",
            "--format",
            format,
        ];
        desk.analyze(&arguments).quiet()
    };
    let text = ask("text");
    assert!(
        text.starts_with("node1, 2024-01-01 00:00:00 UTC, kernel 6.1.0\n"),
        "{text}"
    );
    assert!(
        text.contains("\nHIGH     Tasks wait for I/O  [io-waits]\n"),
        "{text}"
    );
    assert!(text.contains("(root/proc/pressure/io:2)"), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(ask("markdown").contains("io-waits"));
    let json: Value = serde_json::from_str(&ask("json")).unwrap();
    assert!(json.to_string().contains("io-waits"));
    let sarif: Value = serde_json::from_str(&ask("sarif")).unwrap();
    assert_eq!(sarif["version"], "2.1.0");
    assert!(sarif["runs"][0]["results"].to_string().contains("io-waits"));
}

#[test]
fn explain_tells_everything_or_the_nearest_id() {
    let desk = Desk::new();
    desk.finding("io-waits", "high");
    let text = desk
        .analyze(&["explain", "io-waits", "--findings", "findings"])
        .quiet();
    for part in [
        "Tasks wait for I/O",
        "SELECT",
        "Find the disk.",
        "A backup.",
        "accounting/psi",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let done = desk.analyze(&["explain", "io-wait", "--findings", "findings"]);
    assert_eq!(
        done.stderr,
        "analyze: there is no finding `io-wait`: did you mean `io-waits`?\n"
    );
}

#[test]
fn check_findings_runs_their_tests() {
    let desk = Desk::new();
    desk.finding("io-waits", "high");
    let text = desk.analyze(&["check-findings", "findings"]).quiet();
    assert_eq!(text, "1 findings, 3 tests, 0 problems\n");
    desk.write(
        "findings/broken.md",
        desk.read("findings/io-waits.md")
            .replace("node,0.5", "node,0.7"),
    );
    let done = desk.analyze(&["check-findings", "findings"]);
    assert_eq!(done.code, 1);
    assert!(
        done.stdout.contains("findings/broken.md:"),
        "{}",
        done.stdout
    );
    assert!(
        done.stdout.ends_with("2 findings, 6 tests, 1 problems\n"),
        "{}",
        done.stdout
    );
    let built_in = desk.analyze(&["check-findings"]).quiet();
    assert!(built_in.ends_with(" 0 problems\n"), "{built_in}");
}

#[test]
fn an_encrypted_bundle_takes_its_key() {
    use age::secrecy::ExposeSecret;
    use std::io::Write;
    let desk = Desk::new();
    let identity = age::x25519::Identity::generate();
    let recipient = identity.to_public();
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).unwrap();
    let mut stream = encryptor.wrap_output(Vec::new()).unwrap();
    let plain = std::fs::read(desk.path("node1.tar.zst")).unwrap();
    stream.write_all(&plain).unwrap();
    let encrypted = stream.finish().unwrap();
    desk.write("x.tar.zst.age", &encrypted);
    desk.write("key.txt", identity.to_string().expose_secret());
    let done = desk.analyze(&["verify", "x.tar.zst.age", "--identity", "key.txt"]);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let done = desk.analyze_stream(&["verify", "-", "--identity", "key.txt"], &encrypted);
    assert_eq!(done.code, 0, "{}", done.stderr);

    let done = desk.analyze(&["verify", "x.tar.zst.age"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("--identity"), "{}", done.stderr);
    let other = age::x25519::Identity::generate().to_string();
    desk.write("other.txt", other.expose_secret());
    let done = desk.analyze(&["findings", "x.tar.zst.age", "--identity", "other.txt"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("cannot decrypt"), "{}", done.stderr);

    // A file that lost its end, or one that was altered, gives what is before.
    desk.write("cut.age", &encrypted[..encrypted.len() - 20]);
    let done = desk.analyze(&["verify", "cut.age", "--identity", "key.txt"]);
    assert_ne!(done.code, 0);
    assert!(!done.stderr.contains("panicked"), "{}", done.stderr);
}
