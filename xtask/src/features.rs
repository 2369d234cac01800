//! One feature set for tests and lints, so that nothing is compiled twice.

use crate::steps::is_installed;

/// What is added to cargo's command line for the whole workspace: MPI where its compiler is, for without it the program
/// cannot be built with it.
pub fn features() -> &'static str {
    if is_installed("mpicc") { " --features ferkd-tests/mpi" } else { "" }
}
