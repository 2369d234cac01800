//! The headless program `ferkd`.

mod cli;

fn main() -> std::process::ExitCode {
    cli::main()
}
