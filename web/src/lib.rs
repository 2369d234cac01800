//! The inspector in a browser: start, worker, folder picker, file slices, HTTP ranges, cache, link. Everything
//! else is `ferkd-app`'s.
//!
//! Not built yet; the crate stands so that the arrows of ARCHITECTURE.md are the compiler's from the start.
#![warn(missing_docs)]

pub use ferkd_app as app;
