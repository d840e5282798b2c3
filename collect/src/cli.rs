//! The command line. Doc comments are the help.

use std::path::PathBuf;

use age::x25519::Recipient;
use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Serialize};

use crate::api::Url;
use crate::cri::endpoint;
use crate::perf::CallGraph;
use crate::redact::Level;

/// Freezes a Kubernetes node's state into one file, seconds before a drain destroys it.
///
/// Run it as root on the node. It reads files of the kernel and of the node, executes no other
/// program, changes nothing, and writes one bundle that `analyze` explains on another machine.
#[derive(Debug, Parser)]
#[command(
    name = "collect",
    version,
    max_term_width = 80,
    args_conflicts_with_subcommands = true
)]
#[command(after_help = "\
Examples:
  collect                              freeze this node into ./<node>-<UTC>.tar.zst
  collect -o /tmp/before-drain.tar.zst --window 5
  collect -o - | ssh laptop 'cat > node.tar.zst'
  collect --root /host                 in a pod that has the node's / mounted there
  collect plan                         what would be read; reads no contents

Exit codes:
  0  sealed and complete
  1  no bundle
  2  wrong usage
  3  sealed, but some source failed, timed out or was cut short")]
pub(crate) struct Cli {
    /// What to do; without one, `run`.
    #[command(subcommand)]
    pub(crate) verb: Option<Verb>,
    /// Options of `run`.
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Capture the node (the default)
    Run(Box<RunArgs>),
    /// Show what would be read, in which order, and estimate bytes and time; reads no contents
    Plan(PlanArgs),
    /// List every source: order, reads, hazard, privacy, deadline
    Sources,
    /// Wait and do nothing, so that a pod stays for `kubectl exec` (its image has no sleep)
    Hold(HoldArgs),
}

/// Options of `hold`.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct HoldArgs {
    /// Seconds after which it ends by itself; by default it stays
    #[arg(long, value_name = "SECONDS")]
    pub(crate) seconds: Option<u64>,
}

/// Options of a capture.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// File or folder for the bundle, or `-` for standard output
    ///
    /// In a folder, and by default in the current one, the file is called
    /// <node>-<UTC>.tar.zst. It is called *.partial until it is complete and durable. Nothing that
    /// exists is overwritten.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,

    /// Seconds between first and last reading; 0 = one reading
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub(crate) window: u64,

    /// CPU samples per second and CPU while the window runs
    #[arg(long, value_name = "HZ", default_value_t = 99, value_parser = clap::value_parser!(u64).range(1..=999))]
    pub(crate) frequency: u64,

    /// How the callers in samples of user space are found
    #[arg(long, value_name = "WAY", value_enum, default_value_t = CallGraph::Fp)]
    pub(crate) call_graph: CallGraph,

    /// Seconds after which the bundle is sealed as it stands
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=86400))]
    pub(crate) deadline: u64,

    /// Size limit of the whole bundle, e.g. 512MiB
    #[arg(long, value_name = "SIZE", default_value = "512MiB", value_parser = parse_size)]
    pub(crate) max_bytes: u64,

    /// Memory that each process of the collector may take, e.g. 64MiB
    ///
    /// It needs some 10 MiB. What exceeds the limit dies: a worker, and with it one entry.
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = parse_memory)]
    pub(crate) max_memory: u64,

    /// What is taken out of texts before they are stored
    ///
    /// default: secrets (values of variables, tokens, passwords, keys); strict: also addresses, host
    /// names and all arguments of processes; none: nothing
    #[arg(long, value_name = "LEVEL", value_enum, default_value_t = Level::Default)]
    pub(crate) redact: Level,

    /// Encrypt the bundle to this age recipient (repeatable); the file ends in .age
    ///
    /// It takes the age or rage tool, or analyze --identity, and the recipient's key to read it.
    #[arg(long, value_name = "age1...", value_parser = recipient)]
    pub(crate) encrypt_to: Vec<Recipient>,

    /// Print the summary as JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,

    /// Print nothing but errors
    #[arg(short, long, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print each source as it ends
    #[arg(short, long)]
    pub(crate) verbose: bool,

    /// Which sources, and where
    #[command(flatten)]
    pub(crate) plan: PlanArgs,

    /// How services are reached
    #[command(flatten)]
    pub(crate) services: Services,
}

/// How the node's services are to be reached where that is not found by itself. Secrets are named by
/// their files, which workers read as this process sees them, not below `--root`.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[command(next_help_heading = "Services of the node")]
pub(crate) struct Services {
    /// Where kubelet is, if not where its configuration says
    ///
    /// `https://127.0.0.1:10250`, or through the API server's node proxy:
    /// `http://127.0.0.1:8001/api/v1/nodes/NAME/proxy` beside `kubectl proxy`. An IP address or
    /// localhost: names are not resolved.
    #[arg(long, value_name = "URL", value_parser = url)]
    pub(crate) kubelet_url: Option<String>,

    /// Client certificate for kubelet, in PEM
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub(crate) kubelet_cert: Option<String>,

    /// Its key, if not in the same file
    #[arg(long, value_name = "FILE", value_parser = file, requires = "kubelet_cert")]
    pub(crate) kubelet_key: Option<String>,

    /// File with a bearer token for kubelet
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub(crate) kubelet_token_file: Option<String>,

    /// Who has signed kubelet's certificate, or that certificate itself, in PEM
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub(crate) kubelet_ca: Option<String>,

    /// Whom to be to kubelet and to the API server, if not who kubelet is
    #[arg(long, value_name = "FILE", value_parser = file)]
    pub(crate) kubeconfig: Option<String>,

    /// Socket of the container runtime, e.g. /run/crio/crio.sock
    ///
    /// Without it: the one that kubelet's configuration or flags name, or those that runtimes usually
    /// listen on. The path is one of the node's, below --root; `unix://` may stand before it.
    #[arg(long, value_name = "ENDPOINT", value_parser = runtime_endpoint)]
    pub(crate) runtime_endpoint: Option<String>,

    /// Ask for Go's profiles there as well (repeatable)
    ///
    /// `agent=http://127.0.0.1:6060` or `agent=unix:/run/agent.sock`; /debug/pprof is added.
    #[arg(long, value_name = "NAME=URL", value_parser = named)]
    pub(crate) pprof: Vec<Named>,
}

/// A service that a person names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Named {
    /// Name under `api/`.
    pub(crate) name: String,
    /// Where it is.
    pub(crate) url: String,
}

/// Options that decide what is read.
#[derive(Args, Clone, Debug)]
pub(crate) struct PlanArgs {
    /// Only these sources (ids of `collect sources`)
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub(crate) only: Vec<String>,

    /// All sources but these
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub(crate) skip: Vec<String>,

    /// Folder that stands for the node's /
    #[arg(long, value_name = "DIR", default_value = "/")]
    pub(crate) root: PathBuf,
}

/// An address of a service.
fn url(text: &str) -> Result<String, String> {
    Url::parse_address(text)?;
    Ok(text.to_owned())
}

/// `NAME=URL`.
fn named(text: &str) -> Result<Named, String> {
    let (name, url) = text.split_once('=').ok_or("NAME=URL is expected")?;
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 64 || name.starts_with('.') || !name.chars().all(is_part) {
        return Err("a name consists of letters, digits, `-`, `_` and `.`".to_owned());
    }
    Url::parse_address(url)?;
    Ok(Named {
        name: name.to_owned(),
        url: url.to_owned(),
    })
}

/// A file, its path from the top: workers are in another folder.
fn file(text: &str) -> Result<String, String> {
    let path = std::path::absolute(text).map_err(|error| error.to_string())?;
    let path = path.into_os_string().into_string();
    path.map_err(|_| "its path is not UTF-8".to_owned())
}

/// A size that leaves room to work.
fn parse_memory(text: &str) -> Result<u64, String> {
    const LEAST: u64 = 16 << 20;
    let bytes = parse_size(text)?;
    if bytes < LEAST {
        return Err(format!("at least {}MiB are needed", LEAST >> 20));
    }
    Ok(bytes)
}

/// A recipient as `age-keygen` prints it.
fn recipient(text: &str) -> Result<Recipient, String> {
    text.parse()
        .map_err(|why| format!("not an age recipient: {why}"))
}

/// The path of a runtime's socket.
fn runtime_endpoint(text: &str) -> Result<String, String> {
    endpoint::path(text)
        .map(str::to_owned)
        .ok_or_else(|| "not a unix socket: use unix:///path".to_owned())
}

/// A size as `1024`, `64KiB`, `512MiB` or `2GiB`.
fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let shift = match unit {
        "" | "B" => 0,
        "KiB" | "K" => 10,
        "MiB" | "M" => 20,
        "GiB" | "G" => 30,
        _ => return Err(format!("`{unit}` is not a unit: use KiB, MiB or GiB")),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| format!("`{text}` is not a size"))?;
    number
        .checked_shl(shift)
        .filter(|b| b >> shift == number)
        .ok_or_else(|| format!("`{text}` is too large"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse_size("512MiB"), Ok(512 << 20));
        assert_eq!(parse_size("7"), Ok(7));
        assert!(parse_size("12MB").is_err());
        assert!(parse_size("99999999999GiB").is_err());
        assert!(parse_size("MiB").is_err());
    }
}
