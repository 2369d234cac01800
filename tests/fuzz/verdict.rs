//! What a find is: the same for both drivers.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use ferkd_method::Error;

use crate::memory;
use crate::packed::NAME;
use crate::targets::Target;

/// Longer than any answer takes, the largest picture on a busy machine included.
const PATIENCE: Duration = Duration::from_secs(5);

/// What came of an input.
pub struct Verdict {
    /// Whether the reader took it.
    pub accepted: bool,
    /// What is wrong with the answer, if anything is.
    pub wrong: Option<String>,
    /// Memory that was held at most meanwhile, in bytes.
    pub memory: usize,
}

/// Has a target read an input. A find is a panic, an answer that takes longer than five seconds three times, more memory than the
/// file explains, or an error that names no file or no remedy.
pub fn judge(target: &mut Target, bytes: &[u8]) -> Verdict {
    let asked = Instant::now();
    let mut read = || catch_unwind(AssertUnwindSafe(|| (target.read)(bytes)));
    let (answer, memory) = memory::most_during(&mut read);
    let mut took = asked.elapsed();
    // On a busy machine any answer may take long once.
    for _ in 0..2 {
        if took > PATIENCE {
            let asked = Instant::now();
            drop(read());
            took = took.min(asked.elapsed());
        }
    }
    let wrong = match &answer {
        Err(panic) => Some(format!("panic: {}", said(panic.as_ref()))),
        Ok(Err(error)) if target.names_file && !helps(error) => {
            Some(format!("it does not name a file or a remedy: {error}"))
        }
        _ if took > PATIENCE => Some(format!("it took {took:?} at least")),
        _ if memory > target.base + target.factor * bytes.len() => {
            Some(format!("{memory} bytes of memory for {} of file", bytes.len()))
        }
        _ => None,
    };
    Verdict { accepted: matches!(answer, Ok(Ok(()))), wrong, memory }
}

/// Whether an error says which file it is about and what to do.
fn helps(error: &Error) -> bool {
    let text = error.to_string();
    let names = [NAME, ".npy", ".txt", ".json", ".sha256", "of the store", "link"];
    names.iter().any(|name| text.contains(name)) && text.ends_with(')')
}

fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}
