//! Where the runtime listens: what the caller says, what kubelet was told, or where runtimes usually do.

/// Sockets of runtimes, those that a node has beside each other in the order of their likelihood.
pub(crate) const USUAL: [&str; 7] = [
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/run/k3s/containerd/containerd.sock",
    "/run/k0s/containerd.sock",
    "/var/snap/microk8s/common/run/containerd.sock",
    "/run/dockershim.sock",
];

/// The path of a socket: `unix:///run/x.sock`, `unix:/run/x.sock` or `/run/x.sock`.
pub(crate) fn path(endpoint: &str) -> Option<&str> {
    let path = match endpoint.strip_prefix("unix:") {
        // Two slashes begin an authority, which is empty.
        Some(rest) => rest.strip_prefix("//").unwrap_or(rest),
        None => endpoint,
    };
    let is_path = path.len() > 1 && path.starts_with('/') && !path.contains(char::is_control);
    is_path.then_some(path)
}

/// The endpoint in kubelet's configuration (`containerRuntimeEndpoint`, YAML or JSON).
pub(crate) fn of_config(text: &str) -> Option<&str> {
    let mut values = text.lines().filter_map(|line| {
        let line = line.trim().trim_start_matches('"');
        let rest = line.strip_prefix("containerRuntimeEndpoint")?;
        let rest = rest.trim_start_matches('"').trim_start();
        let value = rest.strip_prefix(':')?.trim().trim_end_matches(',');
        Some(value.trim_matches(['"', '\'']))
    });
    values.find_map(path)
}

/// The endpoint among kubelet's flags: in a file of variables, or arguments separated by NUL.
pub(crate) fn of_flags(text: &str) -> Option<&str> {
    const FLAG: &str = "--container-runtime-endpoint";
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, '\0' | '"' | '\''));
    while let Some(word) = words.next() {
        // The first flag follows the variable's name: KUBELET_KUBEADM_ARGS="--x ...
        let Some((_, rest)) = word.split_once(FLAG) else {
            continue;
        };
        let value = match rest.strip_prefix('=') {
            Some("") => words.find(|word| !word.is_empty()),
            Some(value) => Some(value),
            None if rest.is_empty() => words.find(|word| !word.is_empty()),
            None => None,
        };
        if let Some(path) = value.and_then(path) {
            return Some(path);
        }
    }
    None
}

/// A text of a TOML table: what containerd's own configuration says of its addresses.
pub(crate) fn setting<'t>(text: &'t str, table: &str, key: &str) -> Option<&'t str> {
    let lines = text.lines().map(str::trim);
    let inside = lines.skip_while(|line| *line != table).skip(1);
    let mut inside = inside.take_while(|line| !line.starts_with('['));
    inside.find_map(|line| {
        let value = line.strip_prefix(key)?.trim_start().strip_prefix('=')?;
        let value = value.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        value.get(1..)?.split(quote).next()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_paths_of_sockets() {
        for endpoint in ["unix:///run/x.sock", "unix:/run/x.sock", "/run/x.sock"] {
            assert_eq!(path(endpoint), Some("/run/x.sock"));
        }
        for other in [
            "",
            "/",
            "tcp://1.2.3.4:5",
            "npipe:////./pipe/x",
            "run/x",
            "unix://x",
            "/a\nb",
        ] {
            assert_eq!(path(other), None, "{other}");
        }
    }

    #[test]
    fn kubelets_configuration_and_flags_tell() {
        let yaml =
            "cgroupDriver: systemd\ncontainerRuntimeEndpoint: unix:///var/run/crio/crio.sock\n";
        assert_eq!(of_config(yaml), Some("/var/run/crio/crio.sock"));
        let json = "{\n  \"containerRuntimeEndpoint\": \"unix:///run/x.sock\",\n}";
        assert_eq!(of_config(json), Some("/run/x.sock"));
        assert_eq!(of_config("containerRuntimeEndpoint: \"\"\n"), None);
        let kubeadm = "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/containerd/containerd.sock --pod-infra-container-image=x\"\n";
        assert_eq!(of_flags(kubeadm), Some("/run/containerd/containerd.sock"));
        let arguments = "/usr/bin/kubelet\0--container-runtime-endpoint\0/run/x.sock\0";
        assert_eq!(of_flags(arguments), Some("/run/x.sock"));
        assert_eq!(of_flags("--container-runtime-endpoint-x=/run/x.sock"), None);
        assert_eq!(of_flags("--container-runtime-endpoint"), None);
    }

    #[test]
    fn settings_are_those_of_their_table() {
        let text = "address = \"/a\"\n[debug]\n  level = \"info\"\n  address = '/run/d.sock' # why\n[metrics]\n  address=\"127.0.0.1:1338\"\n";
        assert_eq!(setting(text, "[debug]", "address"), Some("/run/d.sock"));
        assert_eq!(
            setting(text, "[metrics]", "address"),
            Some("127.0.0.1:1338")
        );
        assert_eq!(setting(text, "[grpc]", "address"), None);
        assert_eq!(
            setting("[debug]\naddress = 7\n", "[debug]", "address"),
            None
        );
    }
}
