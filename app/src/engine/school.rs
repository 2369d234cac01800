//! Students side by side: the core's own trainers, on the demo's scenes, step by step.
//!
//! Work comes in small pieces, so that a page can draw between two of them: one step of one student, or a few
//! held-out scenes for one student. A round is a step of every student; pausing waits for its end, so that all
//! students have always taken as many steps.

use std::path::Path;
use std::time::Duration;

use burn::tensor::{Device, Tensor};
use ferkd::classifier::{Classifier, read_async};
use ferkd::data::cache::Budget;
use ferkd::data::images::ImageList;
use ferkd::demo::settings::student_config;
use ferkd::mining::KindCounts;
use ferkd::train::Inputs;
use ferkd::train::config::{Supervision, TrainConfig};
use ferkd::train::trainer::{StepOutput, Trainer, Tuning};
use ferkd::{Error, ErrorKind, Result};
use web_time::Instant;

use super::pace::Pace;
use super::trial::{HeldOut, Trial};
use super::{Lesson, Reply, StudentStep};
use crate::dataset::{DataSet, unpack};

/// Memory for decoded scenes: all of them take less than 10 MiB.
const CACHE_MIB: usize = 32;

/// The scenes and their labels; every lesson is on the same ones.
pub struct Classroom {
    images: ImageList,
    validation: ImageList,
    /// The labels: a packed store.
    labels: Vec<u8>,
}

impl Classroom {
    /// Draws the scenes that `labels`, a packed store, speaks of.
    ///
    /// # Errors
    /// A store that is not the scenes'.
    pub fn new(labels: Vec<u8>) -> Result<Self> {
        let scenes = DataSet::scenes(&labels)?;
        let (images, validation) =
            scenes.scenes_in_memory().ok_or_else(|| Error::usage("training", "these are no scenes"))??;
        Ok(Self { images: images.cached(&Budget::mebibytes(CACHE_MIB)), validation, labels })
    }
}

/// Students that learn side by side.
pub struct School {
    students: Vec<Student>,
    held_out: HeldOut,
    /// Rounds to go; `None` is without end.
    left: Option<u64>,
    /// Steps of the round at hand, whose losses are still on the device.
    taken: Vec<(StudentStep, Tensor<1>)>,
    /// What students take up when the next round begins.
    tuning: Option<Tuning>,
    trial: Option<Trial>,
    /// The step that students were last tried at.
    tried_at: Option<u64>,
    /// Steps between two trials.
    try_every: u64,
    pace: Pace,
    /// Whether something failed, so that a round may be left open.
    has_failed: bool,
}

struct Student {
    supervision: Supervision,
    trainer: Trainer,
    order: Option<(u64, Vec<u32>)>,
}

impl School {
    /// Draws the students' weights. `teacher` gives the online teacher, to the supervisions that ask one.
    ///
    /// # Errors
    /// Settings that contradict each other, no supervision at all, or a teacher that is missing.
    pub fn open(
        lesson: &Lesson,
        classroom: &Classroom,
        teacher: &dyn Fn() -> Result<Classifier>,
        device: &Device,
    ) -> Result<Self> {
        let mut students = Vec::new();
        for &supervision in &lesson.supervisions {
            let inputs = Inputs {
                images: classroom.images.clone(),
                validation: None,
                store: Some(unpack(&classroom.labels, "scenes-store.tar")?),
                teacher: if supervision.needs_teacher() { Some(teacher()?) } else { None },
            };
            let trainer = Trainer::with_inputs(config(lesson, supervision), inputs, device.clone())?;
            students.push(Student { supervision, trainer, order: None });
        }
        let first = students.first().ok_or_else(|| {
            Error::usage("training", "no supervision is chosen").remedy("choose one or more")
        })?;
        let labels = unpack(&classroom.labels, "scenes-store.tar")?;
        let held_out = HeldOut::of(&classroom.validation, &first.trainer)?.with_regions(
            &classroom.images,
            &labels,
            &lesson.samples,
            &first.trainer,
        )?;
        let try_every = (first.trainer.steps() / (lesson.epochs as u64).max(1)).max(1);
        Ok(Self {
            students,
            held_out,
            left: Some(0),
            taken: Vec::new(),
            tuning: None,
            // Curves begin with what chance alone gives.
            trial: Some(Trial::planned()),
            tried_at: None,
            try_every,
            pace: Pace::default(),
            has_failed: false,
        })
    }

    /// Steps of every run.
    pub fn steps(&self) -> u64 {
        self.students.iter().map(|student| student.trainer.steps()).max().unwrap_or(0)
    }

    /// Parameters of a student.
    pub fn parameters(&self) -> usize {
        self.students.first().map_or(0, |student| student.trainer.parameters())
    }

    /// Steps that the student with the fewest has taken.
    fn step(&self) -> u64 {
        self.students.iter().map(|student| student.trainer.step()).min().unwrap_or(0)
    }

    fn is_between_rounds(&self) -> bool {
        self.students.iter().all(|student| student.trainer.step() == self.step())
    }

    /// Whether there is work to go on with.
    pub fn is_playing(&self) -> bool {
        let goes_on = self.left != Some(0) || !self.is_between_rounds();
        !self.has_failed && (self.trial.is_some() || goes_on)
    }

    /// How long it is until the next step may begin.
    pub fn wait(&self) -> Duration {
        match self.trial.is_none() && self.is_between_rounds() {
            true => self.pace.wait(Instant::now()),
            false => Duration::ZERO,
        }
    }

    /// Goes on by so many rounds more, or without end.
    pub fn play(&mut self, rounds: Option<u64>) {
        self.has_failed = false;
        self.left = match (self.left, rounds) {
            (Some(left), Some(more)) => Some(left.saturating_add(more)),
            (_, rounds) => rounds,
        };
        if self.trial.as_ref().is_some_and(|trial| !trial.is_planned) {
            self.trial = None;
        }
    }

    /// Stops when the round at hand is done.
    pub fn pause(&mut self, reply: &mut dyn FnMut(Reply)) {
        self.left = Some(0);
        if self.is_between_rounds() {
            self.rest(reply);
        }
    }

    /// Stops at once: something failed.
    pub fn halt(&mut self) {
        (self.left, self.trial, self.has_failed) = (Some(0), None, true);
        self.taken.clear();
    }

    /// Takes up other settings from the next round on.
    pub fn tune(&mut self, tuning: &Tuning) {
        self.tuning = Some(*tuning);
    }

    /// Limits the rounds per second; no limit if 0.
    pub fn limit(&mut self, steps_per_s: u32) {
        self.pace.limit(steps_per_s);
    }

    /// The next piece of work, if it is time for one.
    ///
    /// # Errors
    /// What a trainer meets; a loss that is no number.
    pub async fn advance(&mut self, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        if let Some(trial) = self.trial.take() {
            return self.go_on_trying(trial, reply).await;
        }
        if self.is_between_rounds() {
            if self.left == Some(0) || self.step() >= self.steps() {
                self.rest(reply);
                return Ok(());
            }
            let now = Instant::now();
            if !self.pace.wait(now).is_zero() {
                return Ok(());
            }
            self.pace.begin(now);
            if let Some(tuning) = self.tuning.take() {
                self.students.iter_mut().for_each(|student| student.trainer.retune(&tuning));
            }
        }
        let step = self.step();
        if let Some(student) = self.students.iter_mut().find(|student| student.trainer.step() == step)
            && let Some(taken) = student.advance()?
        {
            self.taken.push(taken);
        }
        if self.is_between_rounds() { self.close_round(reply).await } else { Ok(()) }
    }

    /// Reads all losses of a round at once: the device is waited for one time.
    async fn close_round(&mut self, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        if self.taken.is_empty() {
            self.rest(reply);
            return Ok(());
        }
        let (mut steps, losses): (Vec<_>, Vec<_>) = self.taken.drain(..).unzip();
        for (step, loss) in steps.iter_mut().zip(read_async(Tensor::cat(losses, 0)).await?) {
            step.loss = loss.into();
            if !loss.is_finite() {
                let (name, number) = (step.supervision.name(), step.step);
                let problem = format!("the loss of {name} is {loss} at step {number}");
                return Err(Error::new(ErrorKind::Numeric, "training", problem)
                    .remedy("lower the learning rate, and reset"));
            }
        }
        reply(Reply::Step(steps));
        let (step, ends) = (self.step(), self.step() >= self.steps());
        self.left = if ends { Some(0) } else { self.left.map(|left| left.saturating_sub(1)) };
        if ends || step.is_multiple_of(self.try_every) {
            self.trial = Some(Trial::planned());
        }
        if self.left == Some(0) {
            self.rest(reply);
        }
        Ok(())
    }

    /// Says that training has stopped; what is shown then is of the students as they are.
    fn rest(&mut self, reply: &mut dyn FnMut(Reply)) {
        self.left = Some(0);
        if self.trial.is_none() && self.tried_at != Some(self.step()) {
            self.trial = Some(Trial::default());
        }
        reply(Reply::Paused);
    }

    async fn go_on_trying(&mut self, mut trial: Trial, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        let Some(student) = self.students.get(trial.student) else { return Ok(()) };
        if let Some(tried) = self.held_out.go_on(&mut trial, &student.trainer).await? {
            reply(tried);
            trial.student += 1;
        }
        if trial.student < self.students.len() {
            self.trial = Some(trial);
        } else {
            self.tried_at = Some(self.step());
        }
        Ok(())
    }

    /// Leaves out the trial at hand: on a software adapter it takes as long as many steps.
    #[cfg(test)]
    pub(super) fn skip_trials(&mut self) {
        self.trial = None;
    }

    #[cfg(test)]
    pub(super) fn trainers(&self) -> impl Iterator<Item = &Trainer> {
        self.students.iter().map(|student| &student.trainer)
    }
}

impl Student {
    /// One step; its loss stays on the device. `None` past the end of the run.
    fn advance(&mut self) -> Result<Option<(StudentStep, Tensor<1>)>> {
        let batcher = self.trainer.batcher().clone();
        let Some(batch) = batcher.batch(self.trainer.step(), &mut self.order)? else { return Ok(None) };
        let StepOutput { step, lr, loss, .. } = self.trainer.advance(&batch)?;
        // A student that looks at no threshold saw no kinds.
        let kinds = if self.trainer.thresholds().is_some() { batch.kinds } else { KindCounts::default() };
        let (supervision, epoch) = (self.supervision, self.trainer.epoch());
        Ok(Some((StudentStep { supervision, step, epoch, loss: f64::NAN, lr, kinds }, loss)))
    }
}

/// The settings that `ferkd train` would run such a student with.
fn config(lesson: &Lesson, supervision: Supervision) -> TrainConfig {
    let Tuning { thresholds, confidence, epsilon, lr } = lesson.tuning;
    TrainConfig {
        supervision,
        epochs: lesson.epochs,
        lr: Some(lr),
        epsilon,
        confidence,
        low: Some(thresholds.low),
        mid: Some(thresholds.mid),
        high: Some(thresholds.high),
        mix: (supervision == Supervision::FerkdSelfmix).then_some(lesson.mix),
        ..student_config(Path::new(""), lesson.seed)
    }
}
