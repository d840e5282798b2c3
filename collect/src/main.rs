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
mod journal;
mod namespaces;
mod output;
mod perf;
mod plan;
mod processes;
mod redact;
mod root;
mod source;
mod sources;
mod stop;
mod supervise;
mod worker;

use std::io::{self, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

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
        return supervise::supervise(deadline, is_streaming, |stop| {
            code(command::run(args, stop, is_terminal))
        });
    }
    ExitCode::from(match cli.verb {
        Some(cli::Verb::Plan(args)) => code(command::plan(&args)),
        _ => code(command::sources()),
    })
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
