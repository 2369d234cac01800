//! What is checked without running anything.

use crate::features::features;
use crate::steps::{is_installed, run};

/// Formatting, clippy, rustdoc, and licences.
///
/// # Errors
/// The first that fails.
pub fn run_all() -> Result<(), String> {
    run("cargo fmt --all --check", &[])?;
    // All features that tests have, so that dependencies are checked once for both.
    let features = features();
    run(&format!("cargo clippy --workspace --all-targets --locked{features} -- -D warnings"), &[])?;
    let doc = format!("cargo doc --workspace --no-deps --locked --quiet{features}");
    run(&doc, &[("RUSTDOCFLAGS", "-D warnings")])?;
    if is_installed("cargo-deny") {
        // Advisories are fetched from the network: the workflow on GitHub asks for them.
        run("cargo deny --locked check licenses bans sources", &[])?;
    }
    Ok(())
}
