//! Questions to services over HTTP: kubelet, the API server, and every component with a debug
//! interface.
//!
//! Where a service is and what it trusts is found in the node's files (`kubelet.rs`, `kubeconfig.rs`,
//! `component.rs`) and becomes a [`Way`], which holds places, never secrets. The worker that asks reads
//! keys and tokens itself, keeps them in its memory, and ends. Every question leaves an [`Exchange`],
//! whatever became of it.

mod apiserver;
mod component;
mod credential;
mod exchange;
mod find;
mod interface;
mod kubeconfig;
mod kubelet;
mod place;
mod store;
mod url;
mod verdict;
mod way;

pub(crate) use apiserver::{NodeClues, ServerSurvey, survey_server};
pub(crate) use component::{arguments, flag, kubelet_process, listeners, peers, reachable};
pub(crate) use exchange::{Order, ask};
pub(crate) use find::{Found, interfaces};
pub(crate) use kubelet::{Clues, Survey, survey};
pub(crate) use store::{privacy, store};
pub(crate) use url::{Scheme, Url};
pub(crate) use way::Way;
