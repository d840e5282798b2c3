//! A real containerd with real pods, on folders and sockets of a fake node.
//!
//! It is driven by `curl`, which speaks HTTP/2 for itself, so that what the collector reads is checked
//! against what somebody else asked for.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::FakeNode;

/// What the daemon is called by the tests: `busybox-static`, packed.
const IMAGE: &str = "docker.io/library/busybox:test";
const PAUSE: &str = "registry.k8s.io/pause:test";

/// A running containerd.
pub(crate) struct Containerd {
    daemon: Child,
    root: PathBuf,
    sandboxes: Vec<String>,
}

/// A field of a protocol buffer.
pub(crate) fn field(number: u8, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let bytes = bytes.as_ref();
    let mut field = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 128 {
        field.push(length as u8 | 0x80);
        length >>= 7;
    }
    field.push(length as u8);
    [field, bytes.to_vec()].concat()
}

fn pair(number: u8, name: &str, value: &str) -> Vec<u8> {
    field(number, [field(1, name), field(2, value)].concat())
}

/// A pod's name and uid.
#[derive(Clone, Copy)]
pub(crate) struct Pod {
    pub(crate) namespace: &'static str,
    pub(crate) name: &'static str,
    pub(crate) uid: &'static str,
}

impl Containerd {
    /// Starts it below the node's root; nothing where this machine does not allow it.
    pub(crate) fn on(node: &FakeNode) -> Option<Self> {
        let tools = [
            "containerd",
            "containerd-shim-runc-v2",
            "runc",
            "ctr",
            "curl",
            "busybox",
        ];
        if let Some(tool) = tools.iter().find(|tool| !is_installed(tool)) {
            println!("skipped: no {tool} is installed (scripts/deps.sh)");
            return None;
        }
        if !rustix::process::geteuid().is_root() {
            println!("skipped: containers take root");
            return None;
        }
        let root = node.root();
        let path = |name: &str| root.join(name).display().to_string();
        node.file("etc/containerd/config.toml", configuration(&path));
        let log = std::fs::File::create(root.join("containerd.log")).unwrap();
        let daemon = Command::new("containerd")
            .args(["--config", &path("etc/containerd/config.toml")])
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let containerd = Self {
            daemon,
            root,
            sandboxes: Vec::new(),
        };
        containerd.wait("the socket", || {
            containerd.call("RuntimeService/Version", &[]).is_some()
        });
        containerd.import(PAUSE, &["/bin/busybox", "sleep", "100000"]);
        containerd.import(IMAGE, &["/bin/busybox", "sh"]);
        Some(containerd)
    }

    /// The cgroup of its pods, in every hierarchy.
    fn group(&self) -> String {
        let folder = self.root.parent().unwrap().file_name().unwrap();
        format!(
            "kubepods-test{}",
            folder.to_str().unwrap().replace('.', "-")
        )
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root.join("run/containerd/containerd.sock")
    }

    fn wait(&self, what: &str, is_there: impl Fn() -> bool) {
        let ends = Instant::now() + Duration::from_mins(1);
        while !is_there() {
            assert!(Instant::now() < ends, "no {what}: {}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops it as a debugger would: it accepts and never answers.
    pub(crate) fn pause(&self) {
        self.signal(rustix::process::Signal::STOP);
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(rustix::process::Signal::CONT);
    }

    fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.daemon);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The end of its log.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.root.join("containerd.log")).unwrap();
        let lines: Vec<_> = log.lines().rev().take(5).collect();
        lines.join("\n")
    }

    /// Makes a call; the message of its answer.
    pub(crate) fn call(&self, method: &str, request: &[u8]) -> Option<Vec<u8>> {
        let length = (request.len() as u32).to_be_bytes();
        let mut curl = Command::new("curl")
            .args(["-s", "--max-time", "30", "--http2-prior-knowledge"])
            .args(["-H", "content-type: application/grpc", "-H", "te: trailers"])
            .args(["--data-binary", "@-", "--unix-socket"])
            .arg(self.socket())
            .arg(format!("http://localhost/runtime.v1.{method}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let sent = [&[0], &length[..], request].concat();
        curl.stdin.take().unwrap().write_all(&sent).unwrap();
        let output = curl.wait_with_output().unwrap();
        output.stdout.get(5..).map(<[u8]>::to_vec)
    }

    /// The first field of a call's answer: an id.
    fn id_of(&self, method: &str, request: &[u8]) -> String {
        let answer = self.call(method, request).unwrap_or_default();
        assert!(answer.len() > 2, "{method}: {}", self.log());
        String::from_utf8(answer[2..].to_vec()).unwrap()
    }

    /// Runs a pod in the network of this machine; its sandbox's id.
    pub(crate) fn run(&mut self, pod: Pod) -> String {
        let request = field(1, self.sandbox(pod));
        let id = self.id_of("RuntimeService/RunPodSandbox", &request);
        self.sandboxes.push(id.clone());
        id
    }

    fn sandbox(&self, pod: Pod) -> Vec<u8> {
        let Pod {
            namespace,
            name,
            uid,
        } = pod;
        let logs = format!("var/log/pods/{namespace}_{name}_{uid}");
        let metadata = [field(1, name), field(2, uid), field(3, namespace)];
        // namespace_options { network: NODE }
        let security = field(1, [8, 2]);
        let group = format!("/{}/besteffort/pod{uid}", self.group());
        [
            field(1, metadata.concat()),
            field(3, self.root.join(logs).to_str().unwrap()),
            pair(6, "io.kubernetes.pod.name", name),
            pair(6, "io.kubernetes.pod.namespace", namespace),
            pair(6, "io.kubernetes.pod.uid", uid),
            field(8, [field(1, group), field(2, security)].concat()),
        ]
        .concat()
    }

    /// Runs a container of a pod; its id.
    pub(crate) fn start(&self, pod: Pod, sandbox: &str, name: &str, script: &str) -> String {
        let variable = [field(1, "DATABASE_PASSWORD"), field(2, "correct-horse-7")];
        let config = [
            field(1, field(1, name)),
            field(2, field(1, IMAGE)),
            field(3, "/bin/busybox"),
            field(4, "sh"),
            field(4, "-c"),
            field(4, script),
            field(6, variable.concat()),
            pair(9, "io.kubernetes.container.name", name),
            pair(9, "io.kubernetes.pod.name", pod.name),
            pair(9, "io.kubernetes.pod.namespace", pod.namespace),
            pair(9, "io.kubernetes.pod.uid", pod.uid),
            pair(10, "io.kubernetes.container.restartCount", "0"),
            field(11, format!("{name}/0.log")),
        ];
        std::fs::create_dir_all(self.logs(pod).join(name)).unwrap();
        let request = [
            field(1, sandbox),
            field(2, config.concat()),
            field(3, self.sandbox(pod)),
        ];
        let id = self.id_of("RuntimeService/CreateContainer", &request.concat());
        self.call("RuntimeService/StartContainer", &field(1, &id))
            .unwrap();
        id
    }

    pub(crate) fn logs(&self, pod: Pod) -> PathBuf {
        let name = format!("{}_{}_{}", pod.namespace, pod.name, pod.uid);
        self.root.join("var/log/pods").join(name)
    }

    /// Waits until a container has ended: its status is `CONTAINER_EXITED`.
    pub(crate) fn wait_for_end(&self, id: &str) {
        self.wait("end of the container", || {
            let status = self.call("RuntimeService/ContainerStatus", &field(1, id));
            // state = 2: CONTAINER_EXITED, behind the metadata and before the time of creation
            let exited = b"\x18\x02\x20";
            status.is_some_and(|status| status.windows(3).any(|bytes| bytes == exited))
        });
    }

    fn import(&self, name: &str, command: &[&str]) {
        let archive = self.root.join("image.tar");
        std::fs::write(&archive, image(name, command)).unwrap();
        let output = Command::new("ctr")
            .arg("--address")
            .arg(self.socket())
            .args(["--namespace", "k8s.io", "images", "import", "--no-unpack"])
            .arg(&archive)
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        std::fs::remove_file(archive).unwrap();
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        self.resume();
        for id in &self.sandboxes {
            self.call("RuntimeService/StopPodSandbox", &field(1, id));
            self.call("RuntimeService/RemovePodSandbox", &field(1, id));
        }
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
        let groups = Path::new("/sys/fs/cgroup");
        let hierarchies = std::fs::read_dir(groups).into_iter().flatten().flatten();
        for hierarchy in hierarchies
            .map(|entry| entry.path())
            .chain([groups.to_owned()])
        {
            remove_groups(&hierarchy.join(self.group()));
        }
        // What is mounted keeps the folder from being removed.
        let mounts = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let points = mounts.lines().filter_map(|line| line.split(' ').nth(1));
        let below: Vec<_> = points
            .filter(|point| Path::new(point).starts_with(&self.root))
            .collect();
        for point in below.iter().rev() {
            let _ = Command::new("umount").args(["-l", point]).output();
        }
    }
}

/// Removes a cgroup and those below it.
fn remove_groups(group: &Path) {
    let entries = std::fs::read_dir(group).into_iter().flatten().flatten();
    for entry in entries {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_groups(&entry.path());
        }
    }
    let _ = std::fs::remove_dir(group);
}

fn is_installed(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(tool).exists())
}

fn configuration(path: &dyn Fn(&str) -> String) -> String {
    format!(
        r#"version = 2
root = "{root}"
state = "{state}"
[grpc]
  address = "{state}/containerd.sock"
[debug]
  address = "{state}/debug.sock"
[metrics]
  address = "127.0.0.1:{port}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{root}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_apparmor = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".registry.configs."registry.test".auth]
    username = "robot"
    password = "correct-horse-7"
    identitytoken = "correct-horse-7-token"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
  [plugins."io.containerd.grpc.v1.cri".cni]
    conf_dir = "{cni}"
"#,
        root = path("var/lib/containerd"),
        state = path("run/containerd"),
        cni = path("etc/cni/net.d"),
        // Free at this moment; nobody else asks the kernel for a fixed one.
        port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .unwrap()
            .port(),
    )
}

fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An image of Debian's static busybox as `docker save` writes it.
fn image(name: &str, command: &[&str]) -> Vec<u8> {
    let program = ["/usr/bin/busybox", "/bin/busybox"];
    let program = program
        .iter()
        .find_map(|path| std::fs::read(path).ok())
        .unwrap();
    let layer = archive(&[("bin/busybox", &program, 0o755)]);
    let config = serde_json::json!({
        "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
        "os": "linux",
        "config": {"Entrypoint": command, "Env": ["PATH=/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", digest(&layer))]},
    });
    let config = config.to_string();
    let names = (
        format!("{}.json", digest(config.as_bytes())),
        format!("{}/layer.tar", digest(&layer)),
    );
    let manifest =
        serde_json::json!([{"Config": names.0, "RepoTags": [name], "Layers": [names.1]}]);
    archive(&[
        (&names.0, config.as_bytes(), 0o644),
        (&names.1, &layer, 0o644),
        ("manifest.json", manifest.to_string().as_bytes(), 0o644),
    ])
}

fn archive(files: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(*mode);
        archive.append_data(&mut header, name, *bytes).unwrap();
    }
    archive.into_inner().unwrap()
}
