//! What the program says besides its answer, on standard error; and its answer, on standard output.
//!
//! Saying something never ends the work that it is about: `| tee log` may be gone, the disk of the log be full, the
//! terminal be closed. The lints `print_stdout` and `print_stderr` see to it that nothing is printed in another way.

use std::io::{self, ErrorKind, Write};

/// Writes a line to standard error. Where it cannot be written, it is lost, and nothing else is.
pub fn say(text: &str) {
    // In one piece, so that lines of several threads and programs do not mix.
    let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
}

/// Prints a table. A reader that closes the pipe (`| head`) has read enough: that is no failure.
///
/// # Errors
/// A full disk, and whatever else the system refuses.
pub fn print_text(text: &str) -> io::Result<()> {
    match print(text) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

/// Prints a JSON object: half of one is none.
///
/// # Errors
/// A reader that is gone, a full disk, and whatever else the system refuses.
pub fn print_json(json: &serde_json::Value) -> io::Result<()> {
    print(&json.to_string())
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}
