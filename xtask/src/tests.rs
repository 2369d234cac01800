//! Every test of the workspace, counted.

use crate::count::{Counts, run as count};
use crate::steps::{is_ok, run as step};

/// One feature set for everything, so that nothing is compiled twice.
const TEST: &str = "cargo test --workspace --locked --no-fail-fast";

/// Compiles what [`run`] runs.
///
/// # Errors
/// It does not compile.
pub fn build() -> Result<(), String> {
    step(&format!("{TEST} --no-run"), &[])
}

/// Runs the tests with variables of their own, and closes with the sum of what the test runner counted; whether all
/// passed.
pub fn run(variables: &[(&str, &str)]) -> bool {
    if std::env::var_os("FERKD_TEST_DATA").is_none() {
        println!("FERKD_TEST_DATA is not set: tests on image sets that may not ship are skipped");
    }
    let mut counts = Counts::default();
    let done = is_ok(count(TEST, variables, &mut counts));
    println!("{counts}");
    done && counts.is_good()
}
