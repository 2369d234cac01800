//! The log of a run that comes in blocks, and is looked at again as it grows.

use ferkd_method::Result;
use web_time::{Duration, Instant};

use super::blocks::{Blocks, TAIL};

/// Time between two looks at a growing log.
const LOOK: Duration = Duration::from_secs(1);

/// Where the log of a run comes from.
#[derive(Clone)]
pub struct Log {
    blocks: Blocks,
    /// Whether what has been written since can be read too.
    pub is_live: bool,
    asked: Option<Instant>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("is_live", &self.is_live).finish_non_exhaustive()
    }
}

impl Log {
    /// A log among these files, none of it read yet.
    pub fn new(blocks: Blocks, is_live: bool) -> Self {
        Self { blocks, is_live, asked: None }
    }

    /// Looks at the log again in the next frame, whenever it was looked at last.
    pub fn look_again(&mut self) {
        self.asked = None;
    }

    /// What the file has from the byte on that was asked for, and how long it is, in bytes, once that is here.
    pub(crate) fn take(&self, file: &str) -> Option<Result<(Vec<u8>, u64)>> {
        self.blocks.take_tail(file)
    }

    /// Asks for what the file has from byte `from` on, where it is time for another look.
    pub(crate) fn ask(&mut self, file: &str, from: u64) {
        if self.asked.is_none_or(|asked| asked.elapsed() >= LOOK) {
            self.asked = Some(Instant::now());
            self.blocks.ask_tail(file, from);
        }
    }

    /// Whether so many bytes are as much as comes at once, with more behind them: `end` of `size` are read.
    pub(crate) fn is_more(bytes: usize, end: u64, size: u64) -> bool {
        end < size && bytes as u64 == TAIL
    }
}
