//! Tells the program which commit it was built from, for a run's `environment.json`.

use std::path::Path;
use std::process::Command;

fn main() {
    // Changes with every commit; absent where the source is no repository. Worktrees keep it elsewhere.
    let log = git(&["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists());
    println!("cargo::rerun-if-changed={}", log.as_deref().unwrap_or("build.rs"));
    let commit = git(&["rev-parse", "HEAD"]);
    println!("cargo::rustc-env=FERKD_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// What git answers; none where it fails, or is not there.
fn git(arguments: &[&str]) -> Option<String> {
    let done = Command::new("git").args(arguments).output().ok().filter(|done| done.status.success())?;
    Some(String::from_utf8(done.stdout).ok()?.trim().to_owned())
}
