//! Reads of the node happen in processes that may be lost.
//!
//! Any read can block for ever: a dead mount, a FIFO, a process whose mmap lock is held. A thread
//! that blocks in the kernel cannot be ended and a timeout does not reach it, so the process that
//! writes the bundle opens no file of the node at all. It asks a worker, and when no answer comes it
//! sends SIGKILL, takes the next worker and goes on. A worker that does not die is abandoned, never
//! waited for. A zygote, forked first and kept small, forks the workers, so that a fork that stalls
//! on a node short of memory stalls nobody else.

mod fork;
mod pool;
mod process;
mod serve;
mod wire;
mod zygote;

pub(crate) use fork::fork;
pub(crate) use pool::{Aside, Pool};
pub(crate) use process::{Hung, Lost};
pub(crate) use serve::{Brief, Call, Told};
pub(crate) use wire::{Ask, Body, Reply, Request};
pub(crate) use zygote::leave_streams;
