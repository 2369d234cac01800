//! What is done once a frame, before the panes are drawn: everything that is derived is brought up to date.

use super::State;
use super::opening::{Opened, Opening};
use crate::engine::Request;
use crate::experiment::Data;
use crate::slices::Blocks;
use crate::study::Watched;

impl State {
    /// Brings everything that is derived up to date; once a frame, before the panes.
    pub fn refresh(&mut self) {
        self.seek();
        self.go_on_opening();
        self.follow_log();
        self.follow_own();
        let data = self.experiment.data;
        if self.labels.has(data) {
            self.experiment.image = self.labels.show(data, self.experiment.image);
        }
        self.count();
        self.follow_training();
        let probe = self.teachers.ask_about_probe(&self.labels, data);
        let live = self.teachers.ask_about_live(&self.labels, (data, self.experiment.image));
        let growth = self.ask_about_growth();
        let second = self.ask_checkpoint();
        self.outbox.extend(probe.into_iter().chain(growth).chain(live).chain(second));
        self.study();
        self.follow_tour();
    }

    /// Asks the teacher about growing boxes, while they are looked at.
    fn ask_about_growth(&mut self) -> Option<Request> {
        if !self.study.watched.contains(&Watched::Growth) {
            return None;
        }
        let region = self.growing_region()?;
        self.teachers.ask_about_growth(&self.labels, self.experiment.data, region)
    }

    /// Goes on counting the confidences that something is asked of.
    fn count(&mut self) {
        let settings = self.experiment.settings;
        self.labels.count(self.experiment.data, settings.confidence);
        if let Some(other) = self.experiment.other {
            self.labels.count(self.right_data(), other.confidence);
        }
        // Students learn on the scenes, whatever is looked at.
        self.labels.count(Data::Scenes, settings.confidence);
    }

    fn study(&mut self) {
        let mut study = std::mem::take(&mut self.study);
        study.advance(&self.question());
        self.study = study;
    }

    /// Opens the store, the run or the sweep that some files are. `is_live`: whether a log can be read again as it grows.
    pub fn open_blocks(&mut self, name: impl Into<String>, blocks: Blocks, is_live: bool) {
        self.runs.opening = Some(Opening::new(name, blocks, is_live));
    }

    /// Goes on opening what is on its way.
    fn go_on_opening(&mut self) {
        let Some(opening) = self.runs.opening.take() else { return };
        match opening.open() {
            Err(error) if error.is_pending() => self.runs.opening = Some(opening),
            Err(error) => self.complain(error),
            Ok(Opened { set, run, sweep, problem }) => {
                if let Some(set) = set {
                    self.insert(Data::Yours, set);
                    self.look_at(Data::Yours);
                }
                if let Some(problem) = problem {
                    self.complain(problem);
                }
                if let Some(run) = run {
                    self.take_run(run);
                }
                if let Some(sweep) = sweep {
                    self.take_sweep(sweep);
                }
            }
        }
    }

    /// Reads what the log of the run has grown by, where it comes in blocks.
    fn follow_log(&mut self) {
        let followed = self.runs.current.as_mut().map(super::super::run::RunView::follow_log);
        if let Some(Err(error)) = followed {
            self.complain(error);
        }
    }
}
