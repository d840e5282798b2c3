//! Freezes a Kubernetes node's state into one file.

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
mod journal;
mod namespaces;
mod output;
mod plan;
#[cfg_attr(not(test), expect(dead_code, reason = "the capture is to use it"))]
mod redact;
mod root;
mod source;
mod sources;
mod stop;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let result = match cli.verb {
        None => command::run(&cli.run),
        Some(cli::Verb::Run(args)) => command::run(&args),
        Some(cli::Verb::Plan(args)) => command::plan(&args),
        Some(cli::Verb::Sources) => command::sources(),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("collect: {error:#}");
            ExitCode::from(if error.is::<plan::NoSuchSource>() {
                2
            } else {
                1
            })
        }
    }
}
