//! Freezes a Kubernetes node's state into one file.

#![deny(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)
)]

mod api;
mod capture;
mod cgroups;
mod cli;
mod clock;
mod command;
mod cost;
mod cri;
mod encrypt;
mod files;
mod http;
mod journal;
mod kernel_calls;
mod live;
mod namespaces;
mod netlink;
mod output;
mod perf;
mod plan;
mod processes;
mod redact;
mod root;
mod source;
mod sources;
mod standing;
mod stop;
mod supervise;
mod sweep;
mod tls;
mod worker;
mod yaml;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;

/// Counting the processes and cgroups of the largest nodes takes a second.
const PLAN_DEADLINE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let run = match &cli.verb {
        None => Some(&cli.run),
        Some(cli::Verb::Run(args)) => Some(&**args),
        Some(cli::Verb::Plan(_) | cli::Verb::Sources | cli::Verb::Hold(_)) => None,
    };
    if let Some(args) = run {
        let deadline = Duration::from_secs(args.deadline);
        let is_streaming = args.output.as_deref() == Some(Path::new("-"));
        // Asked here: the capture itself speaks into a pipe.
        let is_terminal = io::stderr().is_terminal();
        standing::settle(args.max_memory);
        return supervise::supervise(deadline, is_streaming, |stop| {
            code(command::run(args, stop, is_terminal))
        });
    }
    match cli.verb {
        // Listing folders may hang too.
        Some(cli::Verb::Plan(args)) => {
            supervise::supervise(PLAN_DEADLINE, false, |_| code(command::plan(&args)))
        }
        Some(cli::Verb::Hold(args)) => {
            hold(args.seconds.map(Duration::from_secs));
            ExitCode::SUCCESS
        }
        _ => ExitCode::from(code(command::sources())),
    }
}

/// Keeps a pod alive. As the first process of a container it is not ended by a signal that nobody
/// handles, so it handles the one that ends pods.
fn hold(time: Option<Duration>) {
    const LOOK: Duration = Duration::from_millis(500);
    let is_over = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        // Without a handler the pod is killed a little later.
        let _ = signal_hook::flag::register(signal, Arc::clone(&is_over));
    }
    let ends = time.and_then(|time| Instant::now().checked_add(time));
    while !is_over.load(Ordering::Relaxed) && ends.is_none_or(|ends| Instant::now() < ends) {
        std::thread::sleep(LOOK);
    }
}

/// The exit code of a verb; tells a person why it failed.
fn code(result: anyhow::Result<u8>) -> u8 {
    result.unwrap_or_else(|error| {
        eprintln!("collect: {error:#}");
        if error.is::<plan::NoSuchSource>() {
            2
        } else {
            1
        }
    })
}
