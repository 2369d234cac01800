//! Every test of the workspace, counted.

use crate::count::{Counts, run as count};
use crate::features::features;
use crate::steps::{is_ok, run as step};

/// What runs all tests.
fn test() -> String {
    format!("cargo test --workspace --locked --no-fail-fast{}", features())
}

/// Compiles what [`run`] runs.
///
/// # Errors
/// It does not compile.
pub fn build() -> Result<(), String> {
    step(&format!("{} --no-run", test()), &[])
}

/// Runs the tests with variables of their own, and closes with the sum of what the test runner counted; whether all
/// passed.
pub fn run(variables: &[(&str, &str)]) -> bool {
    if std::env::var_os("FERKD_TEST_DATA").is_none() {
        println!("FERKD_TEST_DATA is not set: tests on image sets that may not ship are skipped");
    }
    let mut counts = Counts::default();
    let done = is_ok(count(&test(), variables, &mut counts));
    println!("{counts}");
    done && counts.is_good()
}
