//! `examples/bench/gpu.sh`, without a GPU: parts are chosen, kept to their time, and named where they fail or are left out.

use std::path::Path;
use std::process::Command;

use ferkd_tests::{Answer, answer, repository};

/// Runs the script with programs that do nothing in the place of ferkd and Python.
fn script(at: &Path, ferkd: &str, variables: &[(&str, &str)]) -> Answer {
    let mut command = Command::new("sh");
    command.arg(repository("examples/bench/gpu.sh")).arg("out").current_dir(at);
    for name in ["ONLY", "SKIP", "LIMIT", "OPERATIONS", "DEVICE", "XDG_CACHE_HOME"] {
        command.env_remove(name);
    }
    command.env("FERKD", ferkd).env("PYTHON", "true").envs(variables.iter().copied());
    answer(&mut command)
}

#[test]
fn parts_are_chosen_and_their_results_kept() {
    let at = tempfile::tempdir().unwrap();
    let done = script(at.path(), "true", &[("ONLY", "facts teacher loop"), ("SKIP", "loop")]).ok();
    assert!(
        done.stdout.contains("== facts: done") && done.stdout.contains("== teacher: done"),
        "{}",
        done.stdout
    );
    assert!(!done.stdout.contains("loop") && !done.stdout.contains("labels"), "{}", done.stdout);
    assert!(at.path().join("out/teacher.txt").exists() && !at.path().join("out/labels.txt").exists());
}

#[test]
fn a_part_that_fails_is_named_and_the_others_run() {
    let at = tempfile::tempdir().unwrap();
    let done = script(at.path(), "false", &[("ONLY", "teacher step-vit-s16-bf16")]);
    assert_eq!(done.code, 1, "{done:?}");
    assert!(done.stdout.contains("failed: step-vit-s16-bf16 teacher"), "{}", done.stdout);
}

#[test]
fn what_does_not_fit_the_time_is_left_out_and_said() {
    let at = tempfile::tempdir().unwrap();
    let done = script(at.path(), "true", &[("LIMIT", "5")]).ok();
    assert!(done.stdout.contains("left out, for there was no time: facts labels "), "{}", done.stdout);
}

#[test]
fn a_part_that_takes_too_long_is_stopped() {
    let at = tempfile::tempdir().unwrap();
    let sleeper = at.path().join("sleeper");
    std::fs::write(&sleeper, "#!/bin/sh\nsleep 60\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&sleeper, mode).unwrap();
    let begun = std::time::Instant::now();
    let chosen = [("ONLY", "facts"), ("LIMIT", "8")];
    let done = script(at.path(), &sleeper.display().to_string(), &chosen);
    assert!(done.code == 1 && done.stdout.contains("failed: facts"), "{done:?}");
    assert!(begun.elapsed().as_secs() < 30, "it was not stopped");
}
