//! The headless program `ferkd`.
#![warn(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod cli;
mod planner;

// Training allocates and frees large tensors all the time; the system's allocator gives their pages back each
// time, and a third of the work is faulting them in again.
#[cfg(not(target_family = "wasm"))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    cli::main()
}
