//! Every reader on the inputs that guided fuzzing kept, finds among them, and on some corrupted files.

use ferkd_tests::answer;

#[test]
fn every_reader_stands_the_kept_inputs_and_some_corrupted_files() {
    let at = tempfile::tempdir().unwrap();
    let mut fuzz = std::process::Command::new(env!("CARGO_BIN_EXE_fuzz"));
    let done = answer(fuzz.args(["--inputs", "100"]).current_dir(at.path()));
    assert_eq!(done.code, 0, "{}{}", done.stdout, done.stderr);
}
