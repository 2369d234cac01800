//! What has to pass before a merge, with both cores of a small machine busy.

use std::thread::{ScopedJoinHandle, scope};
use std::time::Instant;

use crate::steps::is_ok;
use crate::{bench_gate, lint, machine, soft_program, tests, web};

/// The page, the Python package's wheel and the tests at once: each has crates that keep one core busy for minutes.
/// Whether all compiled.
pub fn build() -> bool {
    scope(|scope| {
        let page = scope.spawn(web::build);
        let wheel = scope.spawn(|| machine::wheel(None));
        let built = is_ok(tests::build());
        is_ok(joined(page)) & is_ok(joined(wheel)) & built
    })
}

/// Prepares the machine, builds, lints and tests; tests run although lints fail. The page is the one of `cargo xtask web`,
/// and with `FERKD_NIGHTLY` the one that is published, which takes link-time optimisation and is weighed.
pub fn run() -> bool {
    let begun = Instant::now();
    let has_mpi = is_ok(machine::prepare_build());
    let is_nightly = std::env::var_os("FERKD_NIGHTLY").is_some();
    let page = if is_nightly { web::build_release } else { web::build };
    let (python, is_built, is_clean) = scope(|scope| {
        let machine = scope.spawn(|| -> Result<Option<String>, String> {
            let python = machine::prepare()?;
            // In a folder of its own too. The package's test builds it again, in a second, and says what is wrong.
            is_ok(machine::wheel(python.as_deref()));
            Ok(python)
        });
        let page = scope.spawn(page);
        // Another set of features, whose dependencies take ten minutes: where they are not kept, tests on it are skipped.
        let runs_soft_cuda = is_nightly || soft_program::was_built();
        let cuda = scope.spawn(move || if runs_soft_cuda { soft_program::build().map(drop) } else { Ok(()) });
        // One after the other, for cargo's lock lets no two work; the page's has a folder of its own.
        let (built, linted) = (tests::build(), lint::run_all());
        println!("tests built and linted after {} s", begun.elapsed().as_secs());
        let (page, cuda, python) = (joined(page), joined(cuda), joined(machine));
        println!("the page built after {} s", begun.elapsed().as_secs());
        (python, is_ok(built) & is_ok(page) & is_ok(cuda), is_ok(linted))
    });
    let runtime = python.as_ref().ok().and_then(|python| machine::onnx_runtime(python.as_deref()));
    let mut variables: Vec<(&str, &str)> = Vec::new();
    if let Ok(Some(python)) = &python {
        variables.push(("FERKD_PYTHON", python));
    }
    if let Some(runtime) = &runtime {
        variables.push(("ORT_DYLIB_PATH", runtime));
    }
    let is_ready = is_ok(python.as_ref().map_err(String::clone));
    // Nothing else runs beside it, for where instructions are not counted the clock is read.
    let is_fast = !is_nightly || is_ok(bench_gate::run(&[]));
    is_built && tests::run(&variables) && is_ready && is_clean && is_fast && has_mpi
}

fn joined<T>(work: ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    work.join().unwrap_or_else(|_| Err("a step panicked".into()))
}
