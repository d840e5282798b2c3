//! Profiles on the page: nothing of a name is markup, several stand on one page, what a policy
//! forbids is not there, and the same profile gives the same bytes.

#![allow(clippy::unwrap_used)]

mod common;

use common::loaded;
use freezeframe_analyze::profile::{Frame, FrameKind, Profile, Sample, Task, Unit};
use freezeframe_analyze::report;
use sha2::{Digest, Sha256};

/// Names as an attacker, or a compiler, makes them.
fn hostile() -> Vec<String> {
    let mut names: Vec<String> = [
        "</script><script>alert(1)</script>",
        "</noscript><img src=x onerror=alert(2)>",
        "' onload='alert(3)",
        "\" srcdoc=\"<script>alert(4)</script>",
        "]]><!-- --></title></svg>",
        "a;b 7",
        "# remark",
        "\u{202e}\u{1b}[31m\u{0}\u{ffff}",
        "&#39;&lt;&quot;",
        "",
    ]
    .map(str::to_owned)
    .into();
    names.push("x".repeat(100_000));
    names
}

fn profile(name: &str, samples: u64) -> Profile {
    let mut profile = Profile::new(name, "cpu-clock", Unit::Count, "perf/perf.data");
    profile.frequency_hz = Some(99);
    profile.cpus = Some(64);
    profile.span_ns = Some((0, 10_000_000_000));
    let hostile = hostile();
    for (number, name) in hostile.iter().enumerate() {
        profile.notes.push(name.chars().take(500).collect());
        profile.tasks.push(Task {
            pid: Some(number as u32),
            tid: Some(number as u32),
            process: name.clone(),
            thread: name.clone(),
            cgroup: Some(format!("/kubepods/{name}")),
            container_id: Some(name.clone()),
            container: Some(name.clone()),
            pod_uid: Some(name.clone()),
            pod: Some(name.clone()),
            unit: None,
        });
    }
    for n in 0..samples {
        let function = |depth: u64| {
            let pick = (n * 31 + depth * 7) % (hostile.len() as u64 + 400);
            match hostile.get(pick as usize) {
                Some(name) => name.clone(),
                None => format!("function_{pick}"),
            }
        };
        let frames: Vec<_> = (0..3 + n % 30)
            .map(|depth| {
                let kind = match depth {
                    25.. => FrameKind::Kernel,
                    20..25 => FrameKind::GoRuntime,
                    _ => FrameKind::User,
                };
                profile.symbols.intern(Frame {
                    function: function(depth),
                    module: function(depth + 1),
                    kind,
                    is_named: true,
                })
            })
            .collect();
        let stack = profile.stacks.intern(frames);
        profile.samples.push(Sample {
            time_ns: Some(n * 10_000_000_000 / samples),
            cpu: Some((n % 64) as u32),
            task: (n * 7 % hostile.len() as u64) as u32,
            stack,
            weight: 1,
        });
    }
    profile
}

fn page(profiles: Vec<Profile>) -> String {
    let mut loaded = loaded::<&str, &[u8]>(&[]);
    loaded.node.profiles = profiles;
    report::html(&report::model(&loaded, &[]).unwrap()).unwrap()
}

#[test]
fn nothing_of_a_name_is_markup() {
    let page = page(vec![profile("cpu", 3000), profile("blocked", 500)]);
    for bad in [
        "<script>alert",
        "<img",
        "\" srcdoc=\"",
        "\u{202e}",
        "\u{1b}",
        "</title></svg>",
    ] {
        assert!(!page.contains(bad), "{bad:?}");
    }
    for part in page.split("srcdoc='").skip(1) {
        let (document, rest) = part.split_once('\'').unwrap();
        assert!(rest.starts_with("></iframe>") && document.ends_with("</svg>"));
    }
    // The model, the samples of two profiles, and three scripts of our own.
    assert_eq!(page.matches("<script").count(), 6);
    assert_eq!(page.matches("</script>").count(), 6);
    assert_eq!(
        page.matches("<noscript>").count(),
        page.matches("</noscript>").count()
    );
    assert_eq!(
        page.matches("<iframe").count(),
        page.matches("<noscript><iframe").count(),
        "pictures wait until they are opened"
    );
}

#[test]
fn every_script_is_named_by_the_policy() {
    use base64::Engine;
    let page = page(vec![profile("cpu", 300)]);
    let (_, policy) = page.split_once("script-src").unwrap();
    let (policy, _) = policy.split_once("; base-uri").unwrap();
    let policy = policy.replace("&#x2f;", "/");
    let scripts: Vec<&str> = page
        .split("<script")
        .skip(1)
        .filter_map(|part| part.split_once('>'))
        .filter(|(attributes, _)| !attributes.contains("application/json"))
        .map(|(_, text)| text.split("</script>").next().unwrap())
        .collect();
    assert_eq!(scripts.len(), 3);
    for script in scripts {
        let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script));
        assert!(policy.contains(&digest), "{}", &script[..80]);
    }
    assert_eq!(policy.matches("sha256-").count(), 3);
    assert!(!policy.contains("unsafe"));
}

#[test]
fn two_profiles_share_no_id_and_same_profiles_give_same_bytes() {
    let once = page(vec![profile("cpu", 2000), profile("blocked", 300)]);
    assert!(once == page(vec![profile("cpu", 2000), profile("blocked", 300)]));
    assert!(once.contains("id=\"flames-cpu\"") && once.contains("id=\"flames-blocked\""));
    let outside: String = once
        .split("<noscript>")
        .map(|part| {
            part.split_once("</noscript>")
                .map_or(part, |(_, rest)| rest)
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for part in outside.split(" id=\"").skip(1) {
        let id = part.split('"').next().unwrap();
        assert!(ids.insert(id), "two elements `{id}`");
    }
}

#[test]
fn a_busy_node_stays_a_small_page() {
    let page = page(vec![profile("cpu", 100_000)]);
    assert!(page.len() < 8 << 20, "{} bytes", page.len());
    let told = "Pictures of 6 of 11 pods, 6 of 11 processes, those with most samples";
    assert!(page.contains(told), "what is missing is stated");
}

#[test]
fn without_a_profile_the_page_says_why_and_has_no_viewer() {
    let page = page(Vec::new());
    assert!(page.contains("What every CPU was doing</strong>: nothing like"));
    assert_eq!(page.matches("<script").count(), 2);
}
