//! The commands. Each parses its arguments, calls the library, and prints a table or one JSON object.

mod bench;
mod demo;
mod eval;
mod export;
mod import;
mod label;
mod mine;
mod notices;
mod overrides;
mod plan;
mod sweep;
mod terminal;
mod train;
mod transfer;
mod verify;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Parser, Subcommand};
use ferkd_method::{Error, ErrorKind, Result};
use serde_json::Value;

/// Distillation from region-wise soft labels: FerKD.
///
/// The pipeline: `label` runs a teacher over regions of your images and writes a label store; `mine` shows which
/// regions are worth learning from; `train` teaches a student; `eval` tries it; `export` hands it on;
/// `transfer` takes it to other classes.
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

/// What a command has to say: for people and for programs.
struct Output {
    text: String,
    json: Value,
    code: u8,
}

impl Output {
    fn new(text: String, json: &impl serde::Serialize) -> Result<Self> {
        let json = serde_json::to_value(json).map_err(|e| Error::mismatch("output", e.to_string()))?;
        Ok(Self { text, json, code: 0 })
    }
}

/// Set by Ctrl-C; long work looks at it between units.
static STOP: AtomicBool = AtomicBool::new(false);

pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // A program that asked for JSON gets it for wrong usage too; help and version are no errors.
            if error.use_stderr() && std::env::args_os().any(|argument| argument == "--json") {
                let text = error.to_string();
                let _ = print(&serde_json::json!({ "error": text.trim() }).to_string());
            }
            error.exit();
        }
    };
    // A second Ctrl-C ends the program at once: everything on disk is written atomically.
    let armed = ctrlc::set_handler(|| {
        if STOP.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("stopping after this step; press Ctrl-C again to leave at once");
    });
    if let Err(error) = armed {
        eprintln!("warning: Ctrl-C cannot be caught: {error}");
    }
    let result = match cli.command {
        Command::Demo(args) => args.run(),
        Command::Label(args) => args.run(),
        Command::Verify(args) => args.run(),
        Command::Mine(args) => args.run(),
        Command::Train(args) => args.run(),
        Command::Sweep(args) => args.run(),
        Command::Plan(args) => args.run(),
        Command::Transfer(args) => args.run(),
        Command::Eval(args) => args.run(),
        Command::Export(args) => args.run(),
        Command::Import(args) => args.run(),
        Command::Bench(args) => args.run(),
    };
    match result {
        Ok(output) => {
            let printed = if cli.json {
                print(&output.json.to_string())
            } else if !output.text.is_empty() {
                print(output.text.trim_end())
            } else {
                Ok(())
            };
            match printed {
                Ok(()) => ExitCode::from(output.code),
                Err(error) => {
                    eprintln!(
                        "error: standard output: {error} (what was done stands; only its summary is lost)"
                    );
                    ExitCode::FAILURE
                }
            }
        }
        Err(error) => {
            eprintln!("error: {error}");
            if cli.json {
                // The error stands on standard error already.
                let _ = print(&serde_json::json!({ "error": error.to_string() }).to_string());
            }
            ExitCode::from(match error.kind() {
                ErrorKind::Usage => 2,
                ErrorKind::Interrupted => 130,
                _ => 1,
            })
        }
    }
}

/// Prints a line. A reader that closes the pipe (`| head`) has read enough: that is not a failure.
fn print(text: &str) -> std::io::Result<()> {
    use std::io::{ErrorKind::BrokenPipe, Write};
    let mut out = std::io::stdout();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == BrokenPipe => Ok(()),
        done => done,
    }
}

/// A share as a percentage with one decimal.
fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
