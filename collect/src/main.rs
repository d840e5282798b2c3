//! Freezes a Kubernetes node's state into one file.

#![deny(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::disallowed_methods)
)]

mod capture;
mod cgroups;
mod cli;
mod clock;
mod command;
mod cost;
mod encrypt;
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
mod worker;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// Counting the processes and cgroups of the largest nodes takes a second.
const PLAN_DEADLINE: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let run = match &cli.verb {
        None => Some(&cli.run),
        Some(cli::Verb::Run(args)) => Some(args),
        Some(cli::Verb::Plan(_) | cli::Verb::Sources) => None,
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
        _ => ExitCode::from(code(command::sources())),
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
