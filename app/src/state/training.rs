//! What is known of the students in training, folded from the engine's replies.

use std::sync::Arc;

use ferkd_train::config::Supervision;
use ferkd_train::trainer::Tuning;

use super::student::StudentState;
use crate::engine::{JobId, Reply, TrainRequest};
use crate::scenes::held_out;
use crate::snapshot::Record;

/// The students that are trained side by side.
#[derive(Debug, Clone, Default)]
pub struct Training {
    /// Whether students are about to be drawn.
    pub is_opening: bool,
    /// Whether training has begun.
    pub has_begun: bool,
    /// Whether students go on by themselves.
    pub is_playing: bool,
    /// Whether a step of them was asked for and is not done.
    pub is_stepping: bool,
    /// Steps of every student's run.
    pub steps: u64,
    /// Parameters of a student.
    pub parameters: usize,
    /// The students, in the order in which they were asked for.
    pub students: Vec<StudentState>,
    /// What was asked for last.
    pub asked: Option<TrainRequest>,
    /// Steps that students had taken when training began: those of trained students that it went on from.
    pub begun_at: u64,
    /// How students stood when what regions count as changed last.
    pub retuned: Option<Retuned>,
    /// How students that were trained before fared, and from which step they can go on.
    pub record: Option<Arc<Record>>,
    /// The limit of steps per second that the engine knows.
    pub(super) pace: u32,
}

/// Whether regions are mined and calibrated alike under two settings, whatever the learning rate.
pub(super) fn adapt_alike(one: &Tuning, other: &Tuning) -> bool {
    Tuning { lr: other.lr, ..*one } == *other
}

/// How students stood when thresholds, confidence or epsilon changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Retuned {
    /// Steps that they had taken.
    pub step: u64,
    /// Accuracy of each student then, in 0..=1, where it had been evaluated.
    pub accuracy: Vec<(Supervision, f64)>,
}

/// What has become of a student since thresholds, confidence or epsilon changed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// What it learns from.
    pub supervision: Supervision,
    /// Its accuracy before, in 0..=1.
    pub before: f64,
    /// Its accuracy now, in 0..=1.
    pub now: f64,
}

impl Training {
    /// Whether every step of the run is taken.
    pub fn is_over(&self) -> bool {
        self.steps > 0 && self.students.iter().all(|student| student.step >= self.steps)
    }

    /// Steps that every student has taken.
    pub fn step(&self) -> u64 {
        self.students.iter().map(|student| student.step).min().unwrap_or(0)
    }

    /// Epochs that every student has seen.
    pub fn epoch(&self) -> f64 {
        let epochs = self.asked.as_ref().map_or(0, |asked| asked.epochs);
        epochs as f64 * self.step() as f64 / self.steps.max(1) as f64
    }

    /// Takes a reply in.
    pub fn hear(&mut self, reply: Reply) {
        match reply {
            // Of a request that another has taken the place of.
            Reply::TrainingOpened { number, .. }
                if self.asked.as_ref().is_some_and(|asked| asked.number != number) => {}
            Reply::TrainingOpened { supervisions, steps, step, parameters, .. } => {
                (self.is_opening, self.has_begun) = (false, true);
                (self.steps, self.begun_at, self.parameters) = (steps, step, parameters);
                let record = self.record.clone().filter(|record| step > 0 && record.step == step);
                let student = |supervision| match &record {
                    Some(record) => StudentState::trained(supervision, record),
                    None => StudentState::new(supervision),
                };
                self.students = supervisions.into_iter().map(student).collect();
                self.note_other_settings();
            }
            Reply::Step(steps) => {
                for step in steps {
                    if let Some(student) = self.student(step.supervision) {
                        student.take(&step);
                    }
                }
            }
            Reply::Evaluated { supervision, step, epoch, predictions, confidences, samples, .. } => {
                let right =
                    held_out().iter().zip(&predictions).filter(|(scene, taken)| scene.class == **taken);
                let share = right.count() as f64 / predictions.len().max(1) as f64;
                let Some(student) = self.student(supervision) else { return };
                student.accuracy.push([epoch, share]);
                student.evaluated_at = step;
                (student.predictions, student.confidences, student.samples) =
                    (predictions, confidences, samples);
            }
            // In the order of the engine: what was pressed meanwhile is answered after this.
            Reply::Playing(None) => self.is_playing = true,
            Reply::Playing(Some(_)) => self.is_stepping = true,
            Reply::Paused => (self.is_playing, self.is_stepping) = (false, false),
            // Students begin from the start, and nothing is said of others.
            Reply::Failed { job: Some(JobId::Snapshot), .. } => self.record = None,
            Reply::Failed { job: Some(JobId::Training), .. } => {
                (self.is_opening, self.is_playing, self.is_stepping) = (false, false, false);
            }
            _ => {}
        }
    }

    /// Takes note that what regions count as has changed: from the next step on students learn by it.
    pub(super) fn note_retuned(&mut self) {
        let standing = |student: &StudentState| Some((student.supervision, student.accuracy.last()?[1]));
        let accuracy = self.students.iter().filter_map(standing).collect();
        self.retuned = Some(Retuned { step: self.step(), accuracy });
    }

    /// Trained students that go on under other thresholds than their own: that is a change, too.
    fn note_other_settings(&mut self) {
        let Some((asked, record)) = self.asked.as_ref().zip(self.record.clone()) else { return };
        if self.begun_at == 0 || adapt_alike(&asked.tuning, &record.tuning) {
            return;
        }
        let standing = |student: &StudentState| {
            let trained = record.student(student.supervision)?;
            Some((student.supervision, record.accuracy(trained.right)))
        };
        let accuracy = self.students.iter().filter_map(standing).collect();
        self.retuned = Some(Retuned { step: self.begun_at, accuracy });
    }

    /// What has become of every student since thresholds, confidence or epsilon changed; nothing until all of them
    /// took further steps and were evaluated.
    pub fn effect(&self) -> Vec<Effect> {
        let Some(retuned) = &self.retuned else { return Vec::new() };
        let of = |student: &StudentState| {
            let (supervision, before) =
                *retuned.accuracy.iter().find(|(supervision, _)| *supervision == student.supervision)?;
            let now = student.accuracy.last().filter(|_| student.evaluated_at > retuned.step)?[1];
            Some(Effect { supervision, before, now })
        };
        self.students.iter().map(of).collect::<Option<Vec<_>>>().unwrap_or_default()
    }

    fn student(&mut self, supervision: Supervision) -> Option<&mut StudentState> {
        self.students.iter_mut().find(|student| student.supervision == supervision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::StudentStep;
    use ferkd_method::mining::KindCounts;

    #[test]
    fn replies_fold_into_curves_and_cells() {
        let mut training = Training { is_opening: true, ..Training::default() };
        training.hear(Reply::TrainingOpened {
            number: 0,
            supervisions: vec![Supervision::Ferkd],
            steps: 2,
            step: 0,
            parameters: 9,
        });
        for (step, loss) in [(0, 2.0), (1, 1.0)] {
            let kinds = KindCounts([0, 1, 3, 0]);
            let epoch = step as f64 + 1.0;
            training.hear(Reply::Step(vec![StudentStep {
                supervision: Supervision::Ferkd,
                step,
                epoch,
                loss,
                lr: 0.1,
                kinds,
            }]));
        }
        let predictions: Vec<u32> =
            held_out().iter().map(|scene| if scene.class == 3 { 8 } else { scene.class }).collect();
        let threes = held_out().iter().filter(|scene| scene.class == 3).count();
        let confidences = vec![0.5; predictions.len()];
        let (supervision, step, epoch, loss) = (Supervision::Ferkd, 2, 2.0, 0.3);
        let samples = vec![(3, 0.5)];
        training.hear(Reply::Evaluated { supervision, step, epoch, predictions, confidences, samples, loss });
        let student = &training.students[0];
        assert_eq!(student.loss, [[1.0, 2.0], [2.0, 1.0]]);
        let smooth = student.smooth_loss[1][1];
        assert!(smooth > 1.4 && smooth < 1.5, "both count nearly alike at first: {smooth}");
        assert_eq!(student.kinds, KindCounts([0, 2, 6, 0]));
        assert_eq!(student.taken_for(3, 8).count(), threes);
        assert_eq!(student.taken_for(3, 3).count(), 0);
        assert_eq!(student.samples, [(3, 0.5)]);
        assert_eq!(student.accuracy, [[2.0, 1.0 - threes as f64 / held_out().len() as f64]]);
        assert!(training.is_over() && training.has_begun && !training.is_opening);
    }
    fn evaluated(supervision: Supervision, step: u64, epoch: f64, right: usize) -> Reply {
        let predictions = held_out().iter().enumerate();
        let predictions: Vec<u32> =
            predictions.map(|(i, scene)| if i < right { scene.class } else { scene.class + 1 }).collect();
        let confidences = vec![0.5; predictions.len()];
        Reply::Evaluated {
            supervision,
            step,
            epoch,
            predictions,
            confidences,
            samples: Vec::new(),
            loss: 1.0,
        }
    }

    #[test]
    fn trained_students_go_on_at_their_step_with_the_curves_that_led_there() {
        let record = Arc::new(crate::snapshot::tests::snapshot().record);
        let mut training = Training { record: Some(record), ..Training::default() };
        let opened = |step| Reply::TrainingOpened {
            number: 0,
            supervisions: vec![Supervision::Ferkd],
            steps: 20,
            step,
            parameters: 9,
        };
        training.hear(opened(10));
        assert_eq!((training.step(), training.begun_at), (10, 10));
        let student = &training.students[0];
        assert_eq!(student.accuracy, [[0.0, 0.1]], "that of its own step is still to be measured");
        assert_eq!(
            (student.smooth_loss.clone(), student.kinds),
            (vec![[2.0, 1.0]], KindCounts([0, 1, 3, 0]))
        );
        training.hear(evaluated(Supervision::Ferkd, 10, 2.0, held_out().len()));
        assert_eq!(training.students[0].accuracy, [[0.0, 0.1], [2.0, 1.0]]);
        // New students begin with nothing.
        training.hear(opened(0));
        assert!(training.students[0].accuracy.is_empty() && training.step() == 0);
        let (job, what, error) = (Some(JobId::Snapshot), String::new(), String::new());
        training.hear(Reply::Failed { job, what, error });
        assert_eq!(training.record, None, "nothing is shown of a file that cannot be used");
    }

    #[test]
    fn an_effect_is_known_once_all_students_were_evaluated_after_the_change() {
        let mut training = Training::default();
        let supervisions = vec![Supervision::Fkd, Supervision::Ferkd];
        training.hear(Reply::TrainingOpened {
            number: 0,
            supervisions: supervisions.clone(),
            steps: 20,
            step: 0,
            parameters: 9,
        });
        let (fifth, half) = (held_out().len() / 5, held_out().len() / 2);
        supervisions.iter().for_each(|&of| training.hear(evaluated(of, 0, 0.0, fifth)));
        training.note_retuned();
        assert!(training.effect().is_empty());
        for (step, right) in [(0, half), (4, half)] {
            supervisions.iter().for_each(|&of| training.hear(evaluated(of, step, 1.0, right)));
            assert_eq!(training.effect().len(), if step == 0 { 0 } else { 2 });
        }
        let share = |right: usize| right as f64 / held_out().len() as f64;
        let effect = Effect { supervision: Supervision::Ferkd, before: share(fifth), now: share(half) };
        assert_eq!(training.effect()[1], effect);
    }
}
