//! Students side by side: each is a session of the core, on the demo's scenes, step by step.
//!
//! Work comes in small pieces, so that a page can draw between two of them: one step of one student, or a few
//! held-out scenes for one student. A round is a step of every student; pausing waits for its end, so that all
//! students have always taken as many steps.

use std::time::Duration;

use burn::tensor::Tensor;
use ferkd_method::{Error, Result};
use ferkd_nn::device::read::read_async;
#[cfg(not(target_family = "wasm"))]
use ferkd_nn::weights::StateDict;
#[cfg(test)]
use ferkd_train::trainer::Trainer;
use ferkd_train::trainer::Tuning;
use web_time::Instant;

use super::pace::Pace;
use super::student::Student;
use super::{Reply, StudentStep};

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
    /// The step that no round goes beyond.
    hold: u64,
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

impl LiveSession {
    /// Students that are ready, of runs of so many epochs; they rest, and are evaluated as they are.
    ///
    /// # Errors
    /// No student at all.
    pub(super) fn of(students: Vec<Student>, epochs: usize) -> Result<Self> {
        let first = students.first().ok_or_else(|| {
            Error::usage("training", "no supervision is chosen").remedy("choose one or more")
        })?;
        let evaluate_every = (first.session.trainer().steps() / (epochs as u64).max(1)).max(1);
        Ok(Self {
            students,
            left: Some(0),
            taken: Vec::new(),
            tuning: None,
            // Curves begin with what chance alone gives, or with what was learned before.
            evaluation: Some(Evaluation::PLANNED),
            evaluated_at: None,
            evaluate_every,
            pace: Pace::default(),
            hold: u64::MAX,
            has_failed: false,
        })
    }

    /// Steps of every run.
    pub fn steps(&self) -> u64 {
        self.students.iter().map(|student| student.session.trainer().steps()).max().unwrap_or(0)
    }

    /// Steps between two evaluations.
    pub fn evaluate_every(&self) -> u64 {
        self.evaluate_every
    }

    /// Parameters of a student.
    pub fn parameters(&self) -> usize {
        self.students.first().map_or(0, |student| student.session.trainer().parameters())
    }

    /// Steps that the student with the fewest has taken.
    pub fn step(&self) -> u64 {
        self.students.iter().map(Student::step).min().unwrap_or(0)
    }

    fn is_between_rounds(&self) -> bool {
        self.students.iter().all(|student| student.step() == self.step())
    }

    /// Whether there is work to go on with.
    pub fn is_playing(&self) -> bool {
        let goes_on = (self.left != Some(0) && !self.is_held()) || !self.is_between_rounds();
        !self.has_failed && (self.evaluation.is_some() || goes_on)
    }

    /// Whether students stand at the step that they are not to go beyond, though more are to come.
    fn is_held(&self) -> bool {
        self.step() >= self.hold && self.step() < self.steps()
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

    /// Lets no round begin at or beyond a step, until it is told of a later one. Students rest meanwhile without a word.
    pub fn hold(&mut self, step: u64) {
        self.hold = step;
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
            if self.is_held() {
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

    /// Everything that going on exactly takes, of each student in order; between two rounds. Reading weights back
    /// waits for the device: not for a page.
    ///
    /// # Errors
    /// A round that is not closed, a device that cannot be read from.
    #[cfg(not(target_family = "wasm"))]
    pub async fn checkpoints(&mut self) -> Result<Vec<StateDict>> {
        if !self.is_between_rounds() {
            return Err(
                Error::usage("training", "students are in the middle of a step").remedy("pause first")
            );
        }
        let mut found = Vec::new();
        for student in &mut self.students {
            found.push(student.session.checkpoint().await?);
        }
        Ok(found)
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
