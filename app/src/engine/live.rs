//! Students side by side: each is a session of the core, on the demo's scenes, step by step.
//!
//! Work comes in small pieces, so that a page can draw between two of them: one step of one student, or a few
//! held-out scenes for one student. A round is a step of every student; pausing waits for its end, so that all
//! students have always taken as many steps.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use burn::tensor::{Device, Tensor};
use ferkd_data::images::ImageList;
use ferkd_data::images::cache::Budget as CacheBudget;
use ferkd_method::calibration::Epsilon;
use ferkd_method::mining::{KindCounts, Threshold};
use ferkd_method::{Error, ErrorKind, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_nn::device::read::read_async;
use ferkd_train::config::{Supervision, TrainConfig};
use ferkd_train::demo::settings::student_config;
use ferkd_train::trainer::{Trainer, Tuning};
use ferkd_train::{Budget, EvalSet, Evaluated, Inputs, Session, SessionEvent, StepTaken};
use web_time::Instant;

use super::held_out::eval_set;
use super::pace::Pace;
use super::{Reply, StudentStep, TrainRequest};
use crate::dataset::{DataSet, unpack};

/// Memory for decoded scenes: all of them take less than 10 MiB.
const CACHE_MIB: usize = 32;

/// The scenes and their labels; all students are trained on the same ones.
pub struct TrainingData {
    images: ImageList,
    validation: ImageList,
    /// The labels: a packed store.
    labels: Vec<u8>,
}

impl TrainingData {
    /// Draws the scenes that `labels`, a packed store, speaks of.
    ///
    /// # Errors
    /// A store that is not the scenes'.
    pub fn new(labels: Vec<u8>) -> Result<Self> {
        let scenes = DataSet::scenes(&labels)?;
        let (images, validation) =
            scenes.scenes_in_memory().ok_or_else(|| Error::usage("training", "these are not scenes"))??;
        Ok(Self { images: images.cached(&CacheBudget::mebibytes(CACHE_MIB)), validation, labels })
    }
}

/// Students that are trained side by side.
pub struct LiveSession {
    students: Vec<Student>,
    /// Rounds to go; `None` is without end.
    left: Option<u64>,
    /// Steps of the round at hand, whose losses are still on the device.
    taken: Vec<StudentStep>,
    /// What students take up when the next round begins.
    tuning: Option<Tuning>,
    /// The evaluation of all students that is due.
    evaluation: Option<Evaluation>,
    /// The step that students were last evaluated at.
    evaluated_at: Option<u64>,
    /// Steps between two evaluations.
    evaluate_every: u64,
    pace: Pace,
    /// Whether something failed, so that a round may be left open.
    has_failed: bool,
}

/// How far an evaluation of all students has come.
#[derive(Debug, Clone, Copy, Default)]
struct Evaluation {
    /// Whether it is on the plan, rather than made because students rest.
    is_planned: bool,
    /// The student that is evaluated now.
    student: usize,
}

impl Evaluation {
    const PLANNED: Self = Self { is_planned: true, student: 0 };
}

struct Student {
    supervision: Supervision,
    session: Session,
}

impl LiveSession {
    /// Draws the students' weights. `teacher` gives the online teacher, to the supervisions that ask one.
    ///
    /// # Errors
    /// Settings that contradict each other, no supervision at all, or a teacher that is missing.
    pub fn open(
        request: &TrainRequest,
        data: &TrainingData,
        teacher: &dyn Fn() -> Result<Classifier>,
        device: &Device,
    ) -> Result<Self> {
        let mut students = Vec::new();
        let mut set: Option<Arc<EvalSet>> = None;
        for &supervision in &request.supervisions {
            let inputs = Inputs {
                images: data.images.clone(),
                validation: None,
                store: Some(unpack(&data.labels, "scenes-store.tar")?),
                teacher: if supervision.needs_teacher() { Some(teacher()?) } else { None },
            };
            let mut trainer = Trainer::with_inputs(config(request, supervision), inputs, device.clone())?;
            if set.is_none() {
                let labels = unpack(&data.labels, "scenes-store.tar")?;
                let on = eval_set(&data.validation, &data.images, &labels, &request.samples, &trainer)?;
                set = Some(Arc::new(on));
            }
            trainer.validate_on(set.clone());
            // A page has no threads, and a window's engine is one already.
            let session = Session::new(trainer, supervision.name()).without_prefetch();
            students.push(Student { supervision, session });
        }
        let first = students.first().ok_or_else(|| {
            Error::usage("training", "no supervision is chosen").remedy("choose one or more")
        })?;
        let evaluate_every = (first.session.trainer().steps() / (request.epochs as u64).max(1)).max(1);
        Ok(Self {
            students,
            left: Some(0),
            taken: Vec::new(),
            tuning: None,
            // Curves begin with what chance alone gives.
            evaluation: Some(Evaluation::PLANNED),
            evaluated_at: None,
            evaluate_every,
            pace: Pace::default(),
            has_failed: false,
        })
    }

    /// Steps of every run.
    pub fn steps(&self) -> u64 {
        self.students.iter().map(|student| student.session.trainer().steps()).max().unwrap_or(0)
    }

    /// Parameters of a student.
    pub fn parameters(&self) -> usize {
        self.students.first().map_or(0, |student| student.session.trainer().parameters())
    }

    /// Steps that the student with the fewest has taken.
    fn step(&self) -> u64 {
        self.students.iter().map(Student::step).min().unwrap_or(0)
    }

    fn is_between_rounds(&self) -> bool {
        self.students.iter().all(|student| student.step() == self.step())
    }

    /// Whether there is work to go on with.
    pub fn is_playing(&self) -> bool {
        let goes_on = self.left != Some(0) || !self.is_between_rounds();
        !self.has_failed && (self.evaluation.is_some() || goes_on)
    }

    /// How long it is until the next step may begin.
    pub fn wait(&self) -> Duration {
        match self.evaluation.is_none() && self.is_between_rounds() {
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
        if self.evaluation.is_some_and(|evaluation| !evaluation.is_planned) {
            self.cancel_evaluation();
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
        (self.left, self.has_failed) = (Some(0), true);
        self.cancel_evaluation();
        self.taken.clear();
    }

    fn cancel_evaluation(&mut self) {
        self.evaluation = None;
        self.students.iter_mut().for_each(|student| student.session.cancel_evaluation());
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
    /// What a session meets; a loss that is not finite.
    pub async fn advance(&mut self, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        if let Some(evaluation) = self.evaluation {
            return self.evaluate(evaluation, reply).await;
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
                self.students.iter_mut().for_each(|student| student.session.retune(&tuning));
            }
        }
        let step = self.step();
        if let Some(student) = self.students.iter_mut().find(|student| student.step() == step)
            && let Some(taken) = student.advance().await?
        {
            self.taken.push(taken);
        }
        if self.is_between_rounds() { self.close_round(reply).await } else { Ok(()) }
    }

    /// Reads all losses of a round at once: the device is waited for one time.
    async fn close_round(&mut self, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        let mut steps = std::mem::take(&mut self.taken);
        if steps.is_empty() {
            self.rest(reply);
            return Ok(());
        }
        let unread: Vec<Tensor<1>> = self.students.iter().filter_map(|s| s.session.unread()).collect();
        let losses = read_async(Tensor::cat(unread, 0)).await?;
        let mut losses = &*losses;
        for student in &mut self.students {
            let count = student.session.unread().map_or(0, |unread| unread.dims()[0]);
            let own;
            (own, losses) = losses.split_at(count);
            student.session.note_losses(own).map_err(|error| student.failed(error))?;
            let step = steps.iter_mut().find(|step| step.supervision == student.supervision);
            if let (Some(step), Some(&loss)) = (step, own.last()) {
                step.loss = loss.into();
            }
        }
        reply(Reply::Step(steps));
        let (step, ends) = (self.step(), self.step() >= self.steps());
        self.left = if ends { Some(0) } else { self.left.map(|left| left.saturating_sub(1)) };
        if ends || step.is_multiple_of(self.evaluate_every) {
            self.evaluation = Some(Evaluation::PLANNED);
        }
        if self.left == Some(0) {
            self.rest(reply);
        }
        Ok(())
    }

    /// Says that training has stopped; what is shown then is of the students as they are.
    fn rest(&mut self, reply: &mut dyn FnMut(Reply)) {
        self.left = Some(0);
        if self.evaluation.is_none() && self.evaluated_at != Some(self.step()) {
            self.evaluation = Some(Evaluation::default());
        }
        reply(Reply::Paused);
    }

    /// The next slice of an evaluation of all students.
    async fn evaluate(&mut self, at: Evaluation, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        let Some(student) = self.students.get_mut(at.student) else { return Ok(()) };
        let Some(found) = student.evaluate().await? else { return Ok(()) };
        reply(student.evaluated(found));
        self.evaluation = Some(Evaluation { student: at.student + 1, ..at });
        if at.student + 1 == self.students.len() {
            (self.evaluation, self.evaluated_at) = (None, Some(self.step()));
        }
        Ok(())
    }

    /// Leaves out the evaluation at hand: on a software adapter it takes as long as many steps.
    #[cfg(test)]
    pub(super) fn skip_evaluation(&mut self) {
        self.evaluation = None;
    }

    #[cfg(test)]
    pub(super) fn trainers(&self) -> impl Iterator<Item = &Trainer> {
        self.students.iter().map(|student| student.session.trainer())
    }
}

impl Student {
    /// Steps taken.
    fn step(&self) -> u64 {
        self.session.trainer().step()
    }

    /// One step; its loss stays on the device. `None` past the end of the run.
    async fn advance(&mut self) -> Result<Option<StudentStep>> {
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
    async fn evaluate(&mut self) -> Result<Option<Evaluated>> {
        self.session.request_evaluation();
        match self.session.next(Budget::default()).await.map_err(|error| self.failed(error))? {
            SessionEvent::Evaluation { found, .. } => Ok(Some(*found)),
            _ => Ok(None),
        }
    }

    fn evaluated(&self, found: Evaluated) -> Reply {
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
    fn failed(&self, error: Error) -> Error {
        if error.kind() != ErrorKind::Numeric {
            return error;
        }
        let problem = format!("{}: {}", self.supervision.name(), error.problem());
        Error::new(ErrorKind::Numeric, "training", problem).remedy("lower the learning rate, and reset")
    }
}

/// The settings that `ferkd train` would run such a student with.
fn config(request: &TrainRequest, supervision: Supervision) -> TrainConfig {
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
        // Small steps: a frame waits for each (the demo takes larger ones).
        batch: 32,
        regions_per_step: 4,
        // When students are evaluated is decided for all of them together.
        eval_every: request.epochs.max(1),
        ..student_config(Path::new(""), request.seed)
    }
}
