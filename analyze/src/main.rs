//! Explains a bundle offline.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use freezeframe_analyze::{cli, command, exit};
use freezeframe_bundle::OpenError;

fn main() -> ExitCode {
    let cli = cli::Cli::parse_from(cli::with_default_verb(std::env::args_os()));
    // A panic is a mistake of this program. Its message was printed; the code says it failed.
    let Ok(result) = std::panic::catch_unwind(|| command::run(cli.verb)) else {
        return ExitCode::from(exit::ERROR);
    };
    match result {
        Ok(code) => code,
        // A reader that has seen enough, as `head`, is no error.
        Err(error) if command::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            command::say(&format!("analyze: {error:#}"));
            ExitCode::from(if error.is::<OpenError>() {
                exit::UNREADABLE
            } else {
                exit::ERROR
            })
        }
    }
}
