//! What is known of the students in training, folded from the engine's replies.

use ferkd_method::mining::KindCounts;
use ferkd_train::config::Supervision;

use crate::engine::{JobId, Reply, StudentStep, TrainRequest};
use crate::scenes::{HeldOutScene, held_out};

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
    /// The limit of steps per second that the engine knows.
    pub(super) pace: u32,
}

/// One student.
#[derive(Debug, Clone)]
pub struct StudentState {
    /// What it learns from.
    pub supervision: Supervision,
    /// Steps taken.
    pub step: u64,
    /// Loss by step: epoch and nats.
    pub loss: Vec<[f64; 2]>,
    /// The same, smoothed.
    pub smooth_loss: Vec<[f64; 2]>,
    /// Held-out evaluations: epoch and share of right top-1 predictions in 0..=1.
    pub accuracy: Vec<[f64; 2]>,
    /// Its last top-1 prediction for each held-out scene.
    pub predictions: Vec<u32>,
    /// The probability that it gave each of them.
    pub confidences: Vec<f32>,
    /// Its last top-1 prediction for each sample region, and the probability that it gave it.
    pub samples: Vec<(u32, f32)>,
    /// Regions of each kind that it saw; none where it looks at no threshold.
    pub kinds: KindCounts,
    /// Learning rate of its last step.
    pub lr: f64,
    smoother: Smoother,
}

/// An exponential mean that begins at the first value.
#[derive(Debug, Clone, Copy, Default)]
struct Smoother {
    sum: f64,
    weight: f64,
}

impl Smoother {
    /// Weight that a value keeps with each further one: about the last twenty count.
    const KEEP: f64 = 0.95;

    fn add(&mut self, value: f64) -> f64 {
        self.sum = Self::KEEP * self.sum + (1.0 - Self::KEEP) * value;
        self.weight = Self::KEEP * self.weight + (1.0 - Self::KEEP);
        self.sum / self.weight
    }
}

impl StudentState {
    fn new(supervision: Supervision) -> Self {
        Self {
            supervision,
            step: 0,
            loss: Vec::new(),
            smooth_loss: Vec::new(),
            accuracy: Vec::new(),
            predictions: Vec::new(),
            confidences: Vec::new(),
            samples: Vec::new(),
            kinds: KindCounts::default(),
            lr: 0.0,
            smoother: Smoother::default(),
        }
    }

    /// The held-out scenes of class `truth` that it takes for class `prediction`.
    pub fn taken_for(&self, truth: u32, prediction: u32) -> impl Iterator<Item = usize> + '_ {
        let cell = move |(_, (scene, taken)): &(usize, (&HeldOutScene, &u32))| {
            scene.class == truth && **taken == prediction
        };
        held_out().iter().zip(&self.predictions).enumerate().filter(cell).map(|(i, _)| i)
    }
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

    /// Takes a reply in.
    pub fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::TrainingOpened { supervisions, steps, parameters } => {
                (self.is_opening, self.has_begun) = (false, true);
                (self.steps, self.parameters) = (steps, parameters);
                self.students = supervisions.into_iter().map(StudentState::new).collect();
            }
            Reply::Step(steps) => steps.iter().for_each(|step| self.take(step)),
            Reply::Evaluated { supervision, epoch, predictions, confidences, samples, .. } => {
                let right =
                    held_out().iter().zip(&predictions).filter(|(scene, taken)| scene.class == **taken);
                let share = right.count() as f64 / predictions.len().max(1) as f64;
                let Some(student) = self.student(supervision) else { return };
                student.accuracy.push([epoch, share]);
                (student.predictions, student.confidences, student.samples) =
                    (predictions, confidences, samples);
            }
            // In the order of the engine: what was pressed meanwhile is answered after this.
            Reply::Playing(None) => self.is_playing = true,
            Reply::Playing(Some(_)) => self.is_stepping = true,
            Reply::Paused => (self.is_playing, self.is_stepping) = (false, false),
            Reply::Failed { job: Some(JobId::Training), .. } => {
                (self.is_opening, self.is_playing, self.is_stepping) = (false, false, false);
            }
            _ => {}
        }
    }

    fn take(&mut self, step: &StudentStep) {
        let Some(student) = self.student(step.supervision) else { return };
        (student.step, student.lr) = (step.step + 1, step.lr);
        student.loss.push([step.epoch, step.loss]);
        let smooth = student.smoother.add(step.loss);
        student.smooth_loss.push([step.epoch, smooth]);
        student.kinds.merge(&step.kinds);
    }

    fn student(&mut self, supervision: Supervision) -> Option<&mut StudentState> {
        self.students.iter_mut().find(|student| student.supervision == supervision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replies_fold_into_curves_and_cells() {
        let mut training = Training { is_opening: true, ..Training::default() };
        training.hear(Reply::TrainingOpened {
            supervisions: vec![Supervision::Ferkd],
            steps: 2,
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
}
