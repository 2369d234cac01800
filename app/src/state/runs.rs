//! The training runs that are looked at.

use std::path::PathBuf;

use super::checkpoint::Checkpoint;
use super::opening::Opening;
use crate::run::RunView;
use crate::sweep::SweepView;

/// The run that is looked at, the one before it, the sweep, and what is on its way.
#[derive(Default)]
pub struct Runs {
    /// The run that is looked at.
    pub current: Option<RunView>,
    /// The run that was looked at before it.
    pub before: Option<RunView>,
    /// The sweep that is looked at.
    pub sweep: Option<SweepView>,
    /// The checkpoint of the run that is asked about regions.
    pub checkpoint: Option<Checkpoint>,
    /// The file of a checkpoint that is to be read.
    pub wanted_checkpoint: Option<PathBuf>,
    /// Whether the sweep is read again in the next frame, where it can be.
    pub is_sweep_due: bool,
    /// A store, a run or a sweep that is on its way.
    pub opening: Option<Opening>,
}

impl Runs {
    /// Takes up a run; one of another name stays at hand for a comparison.
    pub fn take(&mut self, run: RunView) {
        let name = run.name.clone();
        if let Some(before) = self.current.replace(run)
            && name != before.name
        {
            self.before = Some(before);
        }
    }

    /// Whether nothing was opened.
    pub fn is_empty(&self) -> bool {
        self.current.is_none() && self.sweep.is_none()
    }

    /// Whether the run is looked at again and again.
    pub fn is_followed(&self) -> bool {
        self.current.as_ref().is_some_and(|run| run.is_followed)
    }

    /// Reads the log again in the next frame, whenever it was read last, where it can be read again.
    pub fn reload(&mut self) {
        self.is_sweep_due = self.sweep.is_some();
        let Some(run) = &mut self.current else { return };
        let Some(log) = &mut run.log else { return };
        log.look_again();
        run.is_followed |= log.is_live;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_opened_again_does_not_stand_beside_itself() {
        let mut runs = Runs::default();
        for name in ["a", "b", "b"] {
            runs.take(RunView::new(name));
        }
        let name = |run: &Option<RunView>| run.as_ref().map(|run| run.name.clone());
        assert_eq!((name(&runs.current), name(&runs.before)), (Some("b".into()), Some("a".into())));
    }
}
