//! Explains a bundle offline.

use std::process::ExitCode;

use clap::Parser;
use freezeframe_analyze::{cli, command, exit};
use freezeframe_bundle::OpenError;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(cli::with_default_verb(std::env::args_os()));
    match command::run(cli.verb) {
        Ok(code) => code,
        // A reader that has seen enough, as `head`, is no error.
        Err(error) if command::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("analyze: {error:#}");
            ExitCode::from(if error.is::<OpenError>() {
                exit::UNREADABLE
            } else {
                exit::ERROR
            })
        }
    }
}
