//! The commit that the running program was built from. The program says it when it starts: were it compiled into this
//! crate, every commit would rebuild the crate and all that stand on it.

use std::sync::OnceLock;

static COMMIT: OnceLock<&str> = OnceLock::new();

/// Says which commit the program was built from; run folders and processes that train together are told. The first call counts.
pub fn set_commit(commit: &'static str) {
    let _ = COMMIT.set(commit);
}

/// The commit that the program was built from; `unknown` where it did not say.
pub fn commit() -> &'static str {
    COMMIT.get().copied().unwrap_or("unknown")
}
