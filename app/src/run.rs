//! A training run that is looked at, or followed while it grows.

use std::path::PathBuf;

use ferkd_data::events::Event;
use ferkd_method::{Error, Result};
use ferkd_train::config::TrainConfig;

use crate::experiment::Settings;
use crate::monitor::Monitor;
use crate::slices::log::Log;

/// Name of a run's resolved configuration.
pub const CONFIG: &str = "config.toml";

/// Name of a run's log.
pub const METRICS: &str = "metrics.jsonl";

/// Longest line of events that is waited for, in bytes.
const LONGEST_LINE: usize = 1 << 20;

/// A run: its curves, and what of its log has been read.
#[derive(Debug, Clone, Default)]
pub struct RunView {
    /// What it is called.
    pub name: String,
    /// Its resolved configuration, where its folder holds one.
    pub config: toml::Table,
    /// What it did with its labels, where it read any.
    pub settings: Option<Settings>,
    /// Its curves.
    pub monitor: Monitor,
    /// Bytes of its log that have been read.
    pub read: u64,
    /// A line that has not come to its end yet.
    begun: Vec<u8>,
    /// Lines that were read.
    lines: u64,
    /// Where its log comes from, if it is no file of this machine.
    pub log: Option<Log>,
    /// Whether it is looked at again and again.
    pub is_followed: bool,
    /// The files of its checkpoints, where it lies on this machine.
    pub checkpoints: Vec<PathBuf>,
}

impl RunView {
    /// A run of which nothing has been read.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }

    /// Takes up its configuration: the bytes of `config.toml`, called `file` in messages.
    ///
    /// # Errors
    /// Bytes that are no configuration of a training run.
    pub fn configure(&mut self, file: &str, bytes: Vec<u8>) -> Result<TrainConfig> {
        let (name, table) = ferkd_data::config::parse_layer(file, bytes)?;
        let config: TrainConfig = ferkd_data::config::resolve(&[(name, table.clone())])?;
        self.settings = config.store.is_some().then(|| Settings::of_run(&config)).transpose()?.flatten();
        self.config = table;
        Ok(config)
    }

    /// Takes in what the log has grown by.
    ///
    /// # Errors
    /// A line that is no event; the line is named, and what came before it counts.
    pub fn grow(&mut self, bytes: &[u8]) -> Result<()> {
        self.read += bytes.len() as u64;
        self.begun.extend_from_slice(bytes);
        let Some(end) = self.begun.iter().rposition(|&byte| byte == b'\n') else {
            if self.begun.len() > LONGEST_LINE {
                return Err(self.bad(&format!("longer than {LONGEST_LINE} bytes")));
            }
            return Ok(());
        };
        let rest = self.begun.split_off(end + 1);
        let whole = std::mem::replace(&mut self.begun, rest);
        for line in whole[..end].split(|&byte| byte == b'\n') {
            self.lines += 1;
            match serde_json::from_slice::<Event>(line) {
                Ok(event) => self.monitor.hear(&event),
                Err(error) => return Err(self.bad(&error.to_string())),
            }
        }
        Ok(())
    }

    /// Begins again: the log has been written again.
    pub fn restart(&mut self) {
        let kept = std::mem::take(self);
        *self = Self {
            name: kept.name,
            config: kept.config,
            settings: kept.settings,
            is_followed: kept.is_followed,
            log: kept.log,
            checkpoints: kept.checkpoints,
            ..Self::default()
        };
    }

    /// Reads what its log has grown by, where that comes in blocks; once a frame.
    ///
    /// # Errors
    /// A log that cannot be had, or a line that is no event: it is followed no longer.
    pub(crate) fn follow_log(&mut self) -> Result<()> {
        if !self.is_followed {
            return Ok(());
        }
        let Some(mut log) = self.log.take() else { return Ok(()) };
        let read = match log.take(METRICS) {
            None => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok((_, size))) if size < self.read => {
                // A run that is resumed writes its log again.
                self.restart();
                log.look_again();
                Ok(())
            }
            Some(Ok((bytes, size))) => {
                if Log::is_more(bytes.len(), self.read + bytes.len() as u64, size) {
                    log.look_again();
                } else if !log.is_live {
                    self.is_followed = false;
                }
                self.grow(&bytes)
            }
        };
        if read.is_err() {
            self.is_followed = false;
        } else if self.is_followed {
            log.ask(METRICS, self.read);
        }
        self.log = Some(log);
        read
    }

    fn bad(&self, problem: &str) -> Error {
        Error::damaged(format!("{}/metrics.jsonl", self.name), format!("line {}: {problem}", self.lines))
            .remedy("copy the run's folder again")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Status;

    fn log() -> Vec<u8> {
        let events = [
            Event::Started { job: "train".into(), total: 20, unit: "steps".into(), done: 0 },
            Event::Evaluation { step: 10, epoch: 1.0, top1: 0.5, top5: 0.9, loss: 1.0, best: true },
            Event::Done { job: "train".into(), time_s: 3.0 },
        ];
        events
            .iter()
            .flat_map(|event| serde_json::to_string(event).unwrap().into_bytes().into_iter().chain([b'\n']))
            .collect()
    }

    #[test]
    fn a_log_that_grows_byte_by_byte_gives_what_the_whole_gives() {
        let mut whole = RunView::new("run");
        whole.grow(&log()).unwrap();
        assert_eq!(whole.monitor.status, Status::Done);
        assert_eq!(whole.monitor.accuracy.len(), 1);
        let mut grown = RunView::new("run");
        for byte in log() {
            grown.grow(&[byte]).unwrap();
        }
        assert_eq!((grown.monitor, grown.read), (whole.monitor, whole.read));
    }

    #[test]
    fn a_line_that_is_no_event_is_named() {
        let mut run = RunView::new("run");
        let mut bytes = log();
        bytes.extend_from_slice(b"{\"event\":\"surprise\"}\n");
        let error = run.grow(&bytes).unwrap_err().to_string();
        assert!(error.contains("line 4") && error.contains("run/metrics.jsonl"), "{error}");
        assert_eq!(run.monitor.accuracy.len(), 1);
    }
}
