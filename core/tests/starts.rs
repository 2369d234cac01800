//! The program starts. (That this test is here also has cargo build the program for the tests that run it.)
#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[test]
fn it_says_its_version() {
    let done = std::process::Command::new(env!("CARGO_BIN_EXE_ferkd")).arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(done.stdout).unwrap(), concat!("ferkd ", env!("CARGO_PKG_VERSION"), "\n"));
}
