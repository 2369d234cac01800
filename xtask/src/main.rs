//! Work on the repository: `cargo xtask test` runs every test, `cargo xtask ci` what has to pass before a merge.

mod count;
mod web;

use std::process::{Command, ExitCode};

const HELP: &str = "\
cargo xtask test   every test of the workspace
cargo xtask lint   formatting, clippy, rustdoc
cargo xtask web    the page, built into dist/ (installs trunk and wasm-bindgen where they are missing)
cargo xtask build  the page, and beside it what the tests need
cargo xtask serve  the page on this machine: [PORT], 8080 by default; builds it where it is missing
cargo xtask ci     lint, build, test
cargo xtask fuzz   spoiled files for every reader: [TARGET...] [--inputs N] [--seed S]";

/// A command line and the variables that it needs.
type Step<'a> = (&'a str, &'a [(&'a str, &'a str)]);

/// What only the browser compiles is checked by building the page: a check beside it would take minutes for nothing.
const LINT: &[Step<'static>] = &[
    ("cargo fmt --all --check", &[]),
    ("cargo clippy --workspace --all-targets --locked -- -D warnings", &[]),
    ("cargo doc --workspace --no-deps --locked --quiet", &[("RUSTDOCFLAGS", "-D warnings")]),
];

/// One feature set for everything, so that nothing is compiled twice.
const TEST: &[Step<'static>] = &[("cargo test --workspace --locked --no-fail-fast", &[])];

fn main() -> ExitCode {
    let name = std::env::args().nth(1).unwrap_or_default();
    let done = match name.as_str() {
        "test" => test(),
        "lint" => LINT.iter().all(run),
        "web" => web::build(),
        "serve" => serve(),
        "build" => build(),
        "ci" => LINT.iter().all(run) && build() && test(),
        "fuzz" => fuzz(),
        _ => {
            eprintln!("{HELP}");
            return ExitCode::from(2);
        }
    };
    if done { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs a step; whether it went well.
fn run((line, variables): &Step<'_>) -> bool {
    println!("$ {line}");
    let mut words = line.split_whitespace();
    let program = words.next().unwrap_or_default();
    let started = Command::new(program).args(words).envs(variables.iter().copied()).status();
    match started {
        Ok(status) if status.success() => true,
        Ok(status) => {
            eprintln!("failed ({status}): {line}");
            false
        }
        Err(error) => {
            eprintln!("{program} cannot be started: {error}");
            false
        }
    }
}

/// Builds the page and the tests at once: the page's last step keeps one core busy for minutes.
fn build() -> bool {
    std::thread::scope(|scope| {
        let page = scope.spawn(web::build);
        let tests = run(&("cargo test --workspace --locked --no-run", &[]));
        page.join().unwrap_or(false) && tests
    })
}

/// Serves the page until the program is stopped.
fn serve() -> bool {
    let port = match std::env::args().nth(2).map(|port| port.parse()) {
        None => 8080,
        Some(Ok(port)) => port,
        Some(Err(error)) => {
            eprintln!("error: the port is no number: {error}");
            return false;
        }
    };
    let page = std::path::Path::new(web::PAGE);
    if !page.join("index.html").exists() && !web::build() {
        return false;
    }
    match xtask::serve::start(page, port) {
        Ok(port) => {
            println!("the page: http://localhost:{port}/ (stop with Ctrl+C)");
            loop {
                std::thread::park();
            }
        }
        Err(error) => {
            eprintln!("error: port {port}: {error} (name another one: cargo xtask serve 8081)");
            false
        }
    }
}

/// Fuzzes with the arguments that follow; with checks of arithmetic, as tests are built.
fn fuzz() -> bool {
    let rest: Vec<String> = std::env::args().skip(2).collect();
    let line = format!("cargo run --quiet --locked --package ferkd-tests --bin fuzz -- {}", rest.join(" "));
    run(&(&line, &[]))
}

/// Runs the tests, and closes with the sum of what the test runner counted.
fn test() -> bool {
    if std::env::var_os("FERKD_TEST_DATA").is_none() {
        println!("FERKD_TEST_DATA is not set: tests on image sets that may not ship are skipped");
    }
    let mut counts = count::Counts::default();
    let passed = TEST.iter().all(|(line, _)| {
        println!("$ {line}");
        count::run(line, &mut counts)
    });
    println!("{counts}");
    passed
}
