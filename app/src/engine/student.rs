//! One student of several: a session of the core, and what is said of its steps and evaluations.

use std::path::Path;

use ferkd_method::calibration::Epsilon;
use ferkd_method::mining::{KindCounts, Threshold};
use ferkd_method::{Error, ErrorKind, Result};
use ferkd_train::config::{Supervision, TrainConfig};
use ferkd_train::demo::settings::student_config;
use ferkd_train::trainer::Tuning;
use ferkd_train::{Budget, Evaluated, Session, SessionEvent, StepTaken};

use super::{Reply, StudentStep, TrainRequest};

/// A student in training.
pub(super) struct Student {
    /// What it learns from.
    pub supervision: Supervision,
    /// Its steps and evaluations.
    pub session: Session,
}

impl Student {
    /// Steps taken.
    pub fn step(&self) -> u64 {
        self.session.trainer().step()
    }

    /// One step; its loss stays on the device. `None` past the end of the run.
    pub async fn advance(&mut self) -> Result<Option<StudentStep>> {
        loop {
            let event = self.session.next(Budget::default()).await.map_err(|error| self.failed(error))?;
            match event {
                SessionEvent::Step(taken) => return Ok(Some(self.said(taken))),
                SessionEvent::Done { .. } | SessionEvent::Stopped => return Ok(None),
                // Losses are read by the round, and no one writes a checkpoint.
                _ => {}
            }
        }
    }

    fn said(&self, taken: StepTaken) -> StudentStep {
        let StepTaken { step, epoch, lr, kinds, .. } = taken;
        // A student that looks at no threshold saw no kinds.
        let mined = self.session.trainer().thresholds().is_some();
        let kinds = if mined { kinds } else { KindCounts::default() };
        StudentStep { supervision: self.supervision, step, epoch, loss: f64::NAN, lr, kinds }
    }

    /// The next slice of an evaluation; what it found, once it is done.
    pub async fn evaluate(&mut self) -> Result<Option<Evaluated>> {
        self.session.request_evaluation();
        match self.session.next(Budget::default()).await.map_err(|error| self.failed(error))? {
            SessionEvent::Evaluation { found, .. } => Ok(Some(*found)),
            _ => Ok(None),
        }
    }

    /// What is said of an evaluation.
    pub fn evaluated(&self, found: Evaluated) -> Reply {
        let trainer = self.session.trainer();
        let predictions = || found.predictions.iter().flatten();
        Reply::Evaluated {
            supervision: self.supervision,
            step: trainer.step(),
            epoch: trainer.epoch(),
            predictions: predictions().map(|prediction| prediction.class).collect(),
            confidences: predictions().map(|prediction| prediction.p).collect(),
            samples: found.extra.iter().map(|prediction| (prediction.class, prediction.p)).collect(),
            loss: found.report.loss,
        }
    }

    /// What a window says of a session's error.
    pub fn failed(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Numeric {
            return error;
        }
        let problem = format!("{}: {}", self.supervision.name(), error.problem());
        Error::new(ErrorKind::Numeric, "training", problem).remedy("lower the learning rate, and train anew")
    }
}

/// The settings that `ferkd train` would run such a student with.
pub(super) fn config(request: &TrainRequest, supervision: Supervision) -> TrainConfig {
    let Tuning { thresholds, confidence, epsilon, lr } = request.tuning;
    TrainConfig {
        supervision,
        epochs: request.epochs,
        lr: Some(lr),
        epsilon: Epsilon::Value(epsilon),
        confidence,
        low: Some(Threshold::At(thresholds.low)),
        mid: Some(Threshold::At(thresholds.mid)),
        high: Some(Threshold::At(thresholds.high)),
        mix: (supervision == Supervision::FerkdSelfmix).then_some(request.mix),
        // When students are evaluated is decided for all of them together.
        eval_every: request.epochs.max(1),
        ..student_config(Path::new(""), request.seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::{REGIONS_PER_STEP, WARMUP_EPOCHS};

    #[test]
    fn the_interface_says_of_epochs_and_warm_up_what_the_demos_settings_are() {
        let demo = student_config(Path::new(""), 0);
        assert_eq!((demo.regions_per_step, demo.warmup_epochs), (REGIONS_PER_STEP, Some(WARMUP_EPOCHS)));
    }
}
