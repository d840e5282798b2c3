//! What the capture and its sampler tell each other.

use freezeframe_bundle::Outcome;
use serde::{Deserialize, Serialize};

use super::event::Refusal;
use super::refusal::Standing;
use super::settings::Settings;

/// How the callers of user space are found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CallGraph {
    /// By frame pointers: free, but code without them breaks the chain
    Fp,
    /// By copies of stacks, unwound on the node with the tables of the binaries; addresses alone are stored
    Dwarf,
}

/// How to sample.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Config {
    /// The folder that stands for `/`.
    pub(crate) root: Vec<u8>,
    pub(crate) frequency: u64,
    pub(crate) call_graph: CallGraph,
    /// How long it is meant to go on.
    pub(crate) window_us: u64,
}

/// Sampling is to end.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Stop {
    /// What looking names up may take.
    pub(crate) time_us: u64,
}

/// What became of the beginning.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Reply {
    Started,
    /// What stands for `/` is no running node, or not this one.
    NotLive,
    /// The kernel gives none of the events.
    Refused(Vec<Refusal>, Settings, Standing),
    Failed(String),
}

/// A member of the bundle; its bytes follow.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) outcome: Outcome,
    pub(crate) bytes: u64,
}
