//! How many inputs were tried on each target so far, when last, and how many were finds.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value, json};

/// The counts of all targets.
#[derive(Debug, Default)]
pub struct Tally(Map<String, Value>);

fn path(folder: &str) -> PathBuf {
    Path::new(folder).join("tally.json")
}

impl Tally {
    /// Reads the tally in a folder; an empty one where there is none yet.
    ///
    /// # Errors
    /// A file that is no tally.
    pub fn read(folder: &str) -> Result<Self, String> {
        let path = path(folder);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Self)
                .map_err(|error| format!("{}: {error}: remove it to begin again", path.display())),
            Err(_) => Ok(Self::default()),
        }
    }

    fn number(&self, name: &str, key: &str) -> u64 {
        self.0.get(name).and_then(|target| target.get(key)).and_then(Value::as_u64).unwrap_or(0)
    }

    /// Inputs of a target so far.
    pub fn inputs(&self, name: &str) -> u64 {
        self.number(name, "inputs")
    }

    /// Adds to a target, with the day, and writes the tally; what it is now.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn add(
        mut self,
        folder: &str,
        name: &str,
        inputs: u64,
        took: Duration,
        finds: usize,
    ) -> Result<String, String> {
        let sum = json!({
            "inputs": self.inputs(name) + inputs,
            "seconds": self.number(name, "seconds") + took.as_secs(),
            "finds": self.number(name, "finds") + finds as u64,
            "day": day(SystemTime::now()),
        });
        let line = sum.to_string();
        self.0.insert(name.to_owned(), sum);
        let path = path(folder);
        let written = path.with_extension("json.part");
        let text = serde_json::to_string_pretty(&self.0).unwrap_or_default();
        std::fs::write(&written, text + "\n")
            .and_then(|()| std::fs::rename(&written, &path))
            .map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(line)
    }
}

/// The day in Greenwich, as 2026-01-31: days since 1970, counted in years that begin in March.
fn day(time: SystemTime) -> String {
    let days = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / 86_400 + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, carried) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{day:02}", era * 400 + year + carried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        let at = |seconds| day(UNIX_EPOCH + Duration::from_secs(seconds));
        assert_eq!(at(0), "1970-01-01");
        assert_eq!(at(951_782_400), "2000-02-29");
        assert_eq!(at(1_767_225_599), "2025-12-31");
    }
}
