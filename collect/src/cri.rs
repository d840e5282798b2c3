//! The container runtime, asked by CRI: Kubernetes' own interface to it (`k8s.io/cri-api`).
//!
//! `h2` speaks gRPC over a unix socket, `schema` says what the answers hold, `message` writes them as
//! JSON. `endpoint` finds the socket, `talk` decides what is asked, and `work` asks it, in a worker. Only calls that read are known.

mod answer;
pub(crate) mod endpoint;
mod h2;
mod hpack;
mod message;
mod method;
mod schema;
mod talk;
mod wire;
mod work;

#[cfg(test)]
mod shape_tests;
#[cfg(test)]
mod tests;

pub(crate) use method::{Method, Wanted};
pub(crate) use talk::Talk;
pub(crate) use work::perform;
