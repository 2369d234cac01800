//! The runs of a sweep: which there are, and what each left that is done.

use std::path::{Path, PathBuf};

use crate::config::TrainConfig;
use crate::run::{METRICS, TrainSummary};
use crate::run_report::read_metrics;
use crate::sweep::config::SweepPlan;
use crate::sweep::finished::Finished;
use ferkd_method::error::{Error, IoContext, Result};

/// One run to do.
#[derive(Debug, Clone)]
pub(super) struct Task {
    /// Place in the order of tables.
    pub index: usize,
    /// Index of its arm.
    pub arm: usize,
    /// Its settings, resolved.
    pub config: TrainConfig,
    /// Its folder.
    pub folder: PathBuf,
}

impl Task {
    /// Whether its folder holds a run that is done.
    pub fn is_finished(&self) -> bool {
        self.folder.join("summary.json").exists()
    }

    /// Reads what it left, being done.
    ///
    /// # Errors
    /// A summary or a log that cannot be read or is damaged.
    pub fn finished(&self) -> Result<Finished> {
        let path = self.folder.join("summary.json");
        let bytes = std::fs::read(&path).at(&path)?;
        let summary: TrainSummary = serde_json::from_slice(&bytes).map_err(|e| {
            Error::damaged(&path, e.to_string()).remedy("remove this run's folder: the sweep does it again")
        })?;
        let events = read_metrics(&self.folder.join(METRICS))?;
        Ok(Finished { cell: self.index, arm: self.arm, config: self.config.clone(), summary, events })
    }
}

/// All runs: seed by seed, so that a sweep that is stopped early has compared all arms on some seeds.
pub(super) fn tasks(plan: &SweepPlan, out: &Path, store: Option<&Path>) -> Vec<Task> {
    let mut tasks = Vec::with_capacity(plan.runs());
    for &seed in &plan.seeds {
        for (e, &epochs) in plan.epochs.iter().enumerate() {
            for (a, arm) in plan.arms.iter().enumerate() {
                let config = TrainConfig { store: store.map(Path::to_owned), ..arm.run(epochs, seed) };
                let folder = out.join("runs").join(&arm.folder).join(format!("{epochs}-{seed}"));
                tasks.push(Task {
                    index: a * plan.epochs.len() + e,
                    arm: a,
                    config: config.resolved(),
                    folder,
                });
            }
        }
    }
    tasks
}
