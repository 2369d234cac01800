//! What a command gives back.

use ferkd_method::{Error, Result};
use serde_json::Value;

/// What a command has to say, once it is done.
pub(super) struct Output {
    /// For people.
    pub(super) text: String,
    /// For programs.
    pub(super) json: Value,
    /// The exit code.
    pub(super) code: u8,
}

impl Output {
    pub(super) fn new(text: String, json: &impl serde::Serialize) -> Result<Self> {
        let json = serde_json::to_value(json).map_err(|e| Error::mismatch("output", e.to_string()))?;
        Ok(Self { text, json, code: 0 })
    }

    /// Nothing to say, where another process of the run says it.
    pub(super) fn silent() -> Self {
        Self { text: String::new(), json: Value::Null, code: 0 }
    }
}

/// A share as a percentage with one decimal.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}
