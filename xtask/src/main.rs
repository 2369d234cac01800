//! Work on the repository: `cargo xtask test` runs every test, `cargo xtask ci` what has to pass before a merge.

mod bench_gate;
mod ci;
mod count;
mod features;
mod guided;
mod lint;
mod machine;
mod soft_program;
mod steps;
mod tests;
mod web;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask test   every test of the workspace
cargo xtask lint   formatting, clippy, rustdoc; licences where cargo-deny is installed
cargo xtask web    the page while it is worked on, in dist/; --release: as it is published, small, by trunk
cargo xtask build  the page, and beside it what the tests need
cargo xtask serve  the page on this machine: [PORT], 8080 by default; builds it where it is missing
cargo xtask ci     build, lint, test; .ci/run does the same from a bare machine
cargo xtask bench-gate  the hot kernels' work beside its baselines; fails on a loss of 20 %: [--write] [--by callgrind|perf|clock]
cargo xtask fuzz   corrupted files for every reader: [TARGET...] [--inputs N] [--seed S]
                   --guided: guided by coverage, [TARGET...] [--inputs N | --up-to N] [--seconds S] or --minimise
cargo xtask soft-cuda  a command on a CUDA device of software: [--arch 80|90] [--order forward|reverse|SEED] [--devices N]
                   -- COMMAND; `ferkd` is built with CUDA first";

fn main() -> ExitCode {
    if guided::is_wrapper() {
        return guided::wrap();
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["test"] => tests::run(&[]),
        ["lint"] => steps::is_ok(lint::run_all()),
        ["web"] => steps::is_ok(web::build()),
        ["web", "--release"] => steps::is_ok(web::build_release()),
        ["assemble", program, module] => steps::is_ok(web::assemble(program, module)),
        ["serve"] => steps::is_ok(serve("8080")),
        ["serve", port] => steps::is_ok(serve(port)),
        ["build"] => ci::build(),
        ["ci"] => ci::run(),
        ["soft-cuda", ref rest @ ..] => steps::is_ok(soft_program::command(rest)),
        ["bench-gate", ref rest @ ..] => steps::is_ok(bench_gate::run(rest)),
        ["fuzz", "--guided", ref rest @ ..] => steps::is_ok(guided::run(rest)),
        ["fuzz", ref rest @ ..] => steps::is_ok(fuzz(rest)),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Serves the page until the program is stopped.
fn serve(port: &str) -> Result<(), String> {
    let number = port.parse().map_err(|_| format!("invalid port `{port}`: expected a number up to 65535"))?;
    let page = std::path::Path::new(web::PAGE);
    if !page.join("index.html").exists() {
        web::build_release()?;
    }
    let server = xtask::serve::start(page, number)
        .map_err(|error| format!("port {port}: {error} (name another one: cargo xtask serve 8081)"))?;
    println!("the page: http://localhost:{}/ (stop with Ctrl+C)", server.port);
    loop {
        std::thread::park();
    }
}

/// Fuzzes with the arguments that follow; with checks of arithmetic, as tests are built.
fn fuzz(rest: &[&str]) -> Result<(), String> {
    let rest = rest.join(" ");
    steps::run(&format!("cargo run --quiet --locked --package ferkd-tests --bin fuzz -- {rest}"), &[])
}
