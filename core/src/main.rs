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

/// Keeps what is freed for longer than a training step takes, 10 seconds instead of 10 milliseconds: a step's tensors are
/// then the last step's pages.
#[cfg(not(target_family = "wasm"))]
fn keep_pages() {
    use libmimalloc_sys::{mi_option_set, mi_option_t};
    /// `mi_option_purge_delay`, in milliseconds, which the bindings do not name.
    const PURGE_DELAY: mi_option_t = 15;
    // SAFETY: an option is a number that the allocator reads when it next frees pages; no other thread runs yet.
    unsafe { mi_option_set(PURGE_DELAY, 10_000) };
}

fn main() -> std::process::ExitCode {
    #[cfg(not(target_family = "wasm"))]
    keep_pages();
    ferkd_train::commit::set_commit(env!("FERKD_COMMIT"));
    cli::main()
}
