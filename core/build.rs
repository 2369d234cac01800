//! Tells the program which commit it was built from, for a run's `environment.json`.

use std::path::Path;
use std::process::Command;

fn main() {
    // Changes with every commit; absent where the source is no repository.
    let log = Path::new("../.git/logs/HEAD");
    println!("cargo::rerun-if-changed={}", if log.exists() { "../.git/logs/HEAD" } else { "build.rs" });
    let said = Command::new("git").args(["rev-parse", "HEAD"]).output();
    let commit = said.ok().filter(|done| done.status.success());
    let commit = commit.and_then(|done| String::from_utf8(done.stdout).ok());
    println!("cargo::rustc-env=FERKD_COMMIT={}", commit.as_deref().map_or("unknown", str::trim));
}
