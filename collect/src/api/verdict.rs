//! What an answer's status means, and what would help.

use freezeframe_bundle::Outcome;

/// What a person may give where a service refuses.
const HELP: &str = "--kubelet-token-file, --kubelet-cert or --kubeconfig";

/// What became of a question that was answered in full.
pub(crate) fn of_status(component: &str, path: &str, status: u16, body: &[u8]) -> Outcome {
    match status {
        200..300 => Outcome::Complete,
        // Health that is bad is an answer too.
        500..600 if is_health(path) && !is_authorisation_down(status, body) => {
            Outcome::Partial(format!("HTTP status {status}: it calls itself unhealthy"))
        }
        401 => Outcome::Denied(format!(
            "HTTP status 401: it does not know who asks; give {HELP}"
        )),
        403 => Outcome::Denied(format!(
            "HTTP status 403: who asks may not {}; grant that, or give {HELP}",
            right(component, path)
        )),
        404..=406 => Outcome::Absent(format!(
            "HTTP status {status}: this version does not offer it, or it is switched off"
        )),
        500 if is_authorisation_down(status, body) => Outcome::Failed(
            "HTTP status 500: it cannot ask the API server whether this is allowed, so it allows \
             nothing to anybody"
                .to_owned(),
        ),
        status => Outcome::Failed(format!("HTTP status {status}")),
    }
}

/// Whether kubelet could not authorise anybody: its webhook asks an API server that is down.
pub(crate) fn is_authorisation_down(status: u16, body: &[u8]) -> bool {
    let begins = |word: &str| body.starts_with(word.as_bytes());
    // kubelet's words in pkg/kubelet/server/server.go; those of apiserver's filters differ.
    status == 500 && (begins("Authorization error") || begins("Internal Server Error: \""))
}

fn is_health(path: &str) -> bool {
    ["/health", "/livez", "/readyz"]
        .iter()
        .any(|prefix| path.starts_with(prefix))
}

/// What has to be granted, in words of RBAC.
fn right(component: &str, path: &str) -> String {
    // pkg/kubelet/server/auth.go; the narrow rights came with KubeletFineGrainedAuthz (1.33).
    const NARROW: [(&str, &str); 4] = [
        ("/pods", "pods"),
        ("/runningpods", "pods"),
        ("/healthz", "healthz"),
        ("/configz", "configz"),
    ];
    const OWN: [(&str, &str); 3] = [
        ("/stats", "stats"),
        ("/metrics", "metrics"),
        ("/logs", "log"),
    ];
    if component != "kubelet" {
        let path = path.split('?').next().unwrap_or_default();
        return format!("`get {path}`");
    }
    let found = |list: &[(&str, &'static str)]| {
        let one = list.iter().find(|(prefix, _)| path.starts_with(prefix));
        one.map(|(_, right)| *right)
    };
    match (found(&OWN), found(&NARROW)) {
        (Some(right), _) => format!("`get nodes/{right}`"),
        (_, Some(right)) => format!("`get nodes/{right}` (before 1.33: nodes/proxy)"),
        _ => "`get nodes/proxy`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubelet(path: &str, status: u16, body: &str) -> Outcome {
        of_status("kubelet", path, status, body.as_bytes())
    }

    #[test]
    fn the_missing_right_is_named() {
        for (path, right) in [
            ("/debug/pprof/heap", "`get nodes/proxy`"),
            ("/metrics/cadvisor", "`get nodes/metrics`"),
            ("/stats/summary", "`get nodes/stats`"),
            ("/pods", "`get nodes/pods` (before 1.33: nodes/proxy)"),
        ] {
            let Outcome::Denied(why) = kubelet(path, 403, "Forbidden") else {
                panic!("{path}");
            };
            assert!(why.contains(right), "{why}");
        }
        let Outcome::Denied(why) = of_status("etcd", "/metrics?x", 403, b"") else {
            panic!();
        };
        assert!(why.contains("`get /metrics`"), "{why}");
    }

    #[test]
    fn a_dead_authority_is_told_from_a_sick_kubelet() {
        let body = "Authorization error (user=kube, verb=get, resource=nodes, subresource=proxy)";
        assert!(
            matches!(kubelet("/healthz?verbose", 500, body), Outcome::Failed(why) if why.contains("API server"))
        );
        let body = "[+]ping ok\n[-]syncloop failed: reason withheld\nhealthz check failed\n";
        assert!(matches!(
            kubelet("/healthz?verbose", 500, body),
            Outcome::Partial(_)
        ));
        assert!(matches!(kubelet("/pods", 500, body), Outcome::Failed(_)));
        assert_eq!(kubelet("/flagz", 404, "").name(), "absent");
        assert_eq!(kubelet("/pods", 401, "Unauthorized").name(), "denied");
        assert_eq!(kubelet("/pods", 200, "{}"), Outcome::Complete);
    }
}
