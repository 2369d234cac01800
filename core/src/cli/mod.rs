//! The commands. Each parses its arguments, calls the library, and prints a table or one JSON object.

mod bench;
mod demo;
mod eval;
mod export;
mod import;
mod label;
mod messages;
mod mine;
mod notices;
mod output;
mod overrides;
mod plan;
mod stop;
mod sweep;
mod terminal;
mod train;
mod transfer;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ferkd_method::{ErrorKind, Result};
use ferkd_train::parallel::processes;
use serde_json::json;

use crate::cli::messages::{print_json, print_text, say};
use crate::cli::output::Output;

/// Distillation from region-wise soft labels: FerKD.
///
/// The pipeline: `label` runs a teacher over regions of your images and writes a label store; `mine` shows which
/// regions are worth learning from; `train` teaches a student; `eval` tries it; `export` writes it for
/// other programs; `transfer` takes it to other classes.
/// `demo` runs the whole pipeline on data that ship with the program.
#[derive(Debug, Parser)]
#[command(
    name = "ferkd",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    /// Print exactly one JSON object on standard output; everything else goes to standard error.
    #[arg(long, global = true)]
    json: bool,
    /// Threads of the CPU: as many as it has cores, if left out (for `bench input` and `bench labels` 1). Results do
    /// not depend on it.
    #[arg(long, global = true, value_name = "N")]
    threads: Option<usize>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Args),
    Label(label::Args),
    Verify(verify::Args),
    Mine(mine::Args),
    Train(train::Args),
    Sweep(sweep::Args),
    Plan(plan::Args),
    Transfer(transfer::Args),
    Eval(eval::Args),
    Export(export::Args),
    Import(import::Args),
    Bench(bench::Args),
}

impl Command {
    fn run(self) -> Result<Output> {
        match self {
            Self::Demo(args) => args.run(),
            Self::Label(args) => args.run(),
            Self::Verify(args) => args.run(),
            Self::Mine(args) => args.run(),
            Self::Train(args) => args.run(),
            Self::Sweep(args) => args.run(),
            Self::Plan(args) => args.run(),
            Self::Transfer(args) => args.run(),
            Self::Eval(args) => args.run(),
            Self::Export(args) => args.run(),
            Self::Import(args) => args.run(),
            Self::Bench(args) => args.run(),
        }
    }

    /// Threads that it takes where none are asked for, if not all.
    fn threads(&self) -> Option<usize> {
        match self {
            Self::Bench(args) => args.threads(),
            _ => None,
        }
    }

    /// Whether the thread that calls it computes step after step, and waits for no device or other thread.
    fn computes(&self) -> bool {
        match self {
            Self::Train(args) => args.computes(),
            Self::Transfer(args) => args.computes(),
            Self::Bench(args) => args.computes(),
            _ => false,
        }
    }
}

pub fn main() -> ExitCode {
    let Cli { json, threads, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A program that asked for JSON gets it for wrong usage too; help and version are no errors.
            if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
                let _ = print_json(&json!({ "error": error.to_string().trim() }));
            }
            error.exit();
        }
    };
    stop::listen();
    let threads = threads.or_else(|| command.threads());
    match ferkd_data::threads::start(threads, command.computes()).and_then(|()| command.run()) {
        Ok(output) => {
            processes::finish();
            answer(&output, json)
        }
        Err(error) => {
            say(&format!("error: {error}"));
            if json {
                // The error stands on standard error already.
                let _ = print_json(&json!({ "error": error.to_string() }));
            }
            let code = match error.kind() {
                ErrorKind::Usage => 2,
                ErrorKind::Interrupted => 130,
                _ => 1,
            };
            // Other processes of the run may wait for this one, and would for ever.
            processes::abort(code);
            ExitCode::from(code)
        }
    }
}

/// Prints what a command has to say.
fn answer(output: &Output, json: bool) -> ExitCode {
    let printed = match (json, output.text.trim_end()) {
        (true, _) if output.json.is_null() => Ok(()),
        (true, _) => print_json(&output.json),
        (false, "") => Ok(()),
        (false, text) => print_text(text),
    };
    match printed {
        Ok(()) => ExitCode::from(output.code),
        Err(error) => {
            say(&format!("error: standard output: {error} (what was done stands; only its summary is lost)"));
            ExitCode::FAILURE
        }
    }
}
