//! What a window knows of the students: their curves and their guesses, folded from the engine's replies.

use ferkd::mining::KindCounts;
use ferkd::train::config::Supervision;

use crate::engine::{Reply, StudentStep};

/// The students of the lesson at hand.
#[derive(Debug, Clone, Default)]
pub struct LessonState {
    /// Whether a lesson has begun.
    pub has_begun: bool,
    /// Whether students go on by themselves.
    pub is_playing: bool,
    /// Steps of every student's run.
    pub steps: u64,
    /// Parameters of a student.
    pub parameters: usize,
    /// The students, in the order in which they were asked for.
    pub students: Vec<StudentState>,
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
    /// Held-out trials: epoch and share of right first guesses in 0..=1.
    pub accuracy: Vec<[f64; 2]>,
    /// Its last first guess for each held-out image.
    pub guesses: Vec<u32>,
    /// Regions of each kind that it saw.
    pub kinds: KindCounts,
    /// Learning rate of its last step.
    pub lr: f64,
}

impl LessonState {
    /// Takes a reply in.
    pub fn hear(&mut self, reply: Reply) {
        match reply {
            Reply::Lesson { steps, parameters } => {
                *self = Self { has_begun: true, steps, parameters, ..Self::default() };
            }
            Reply::Step(steps) => steps.iter().for_each(|step| self.take(step)),
            Reply::Tried { supervision, epoch, guesses, .. } => {
                let student = self.student(supervision);
                student.guesses = guesses;
                let right = scene_truths().iter().zip(&student.guesses).filter(|(a, b)| a == b).count();
                student.accuracy.push([epoch, right as f64 / student.guesses.len().max(1) as f64]);
            }
            Reply::Paused => self.is_playing = false,
            _ => {}
        }
    }

    fn take(&mut self, step: &StudentStep) {
        let student = self.student(step.supervision);
        (student.step, student.lr) = (step.step + 1, step.lr);
        student.loss.push([step.epoch, step.loss]);
        student.kinds.merge(&step.kinds);
    }

    fn student(&mut self, supervision: Supervision) -> &mut StudentState {
        let at = match self.students.iter().position(|student| student.supervision == supervision) {
            Some(at) => at,
            None => {
                self.students.push(StudentState {
                    supervision,
                    step: 0,
                    loss: Vec::new(),
                    accuracy: Vec::new(),
                    guesses: Vec::new(),
                    kinds: KindCounts::default(),
                    lr: 0.0,
                });
                self.students.len() - 1
            }
        };
        &mut self.students[at]
    }
}

/// The right class of every held-out scene, in the order of guesses.
pub fn scene_truths() -> &'static [u32] {
    use std::sync::OnceLock;
    static TRUTHS: OnceLock<Vec<u32>> = OnceLock::new();
    TRUTHS.get_or_init(|| {
        use ferkd::demo::scenes::{Half, SceneMaker};
        // Digits are embedded: reading them cannot fail, and a test of core says so.
        let Ok(maker) = SceneMaker::new(0) else { return Vec::new() };
        let mut names: Vec<String> = maker.digits(Half::HeldOut).map(|digit| maker.name(digit, 0)).collect();
        names.sort_unstable();
        let class = |name: &String| name.split('/').next().and_then(|c| c.parse().ok()).unwrap_or_default();
        names.iter().map(class).collect()
    })
}
