//! How a session begins: one student after the other, so that a page can draw between two of them.

use std::sync::Arc;

use burn::tensor::Device;
use ferkd_method::{Error, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_train::config::Supervision;
use ferkd_train::trainer::Trainer;
use ferkd_train::{EvalSet, Inputs, Session};

use super::TrainRequest;
use super::held_out::eval_set;
use super::live::LiveSession;
use super::student::{Student, config};
use super::training_data::TrainingData;
use crate::dataset::unpack;
use crate::snapshot::{FILE, Snapshot};

/// Gives the online teacher, to the supervisions that ask one.
pub type Teacher<'a> = &'a dyn Fn() -> Result<Classifier>;

/// A session that is on its way.
pub struct Opening {
    request: TrainRequest,
    /// Students that were trained before, to go on from.
    snapshot: Option<Snapshot>,
    /// Those that are ready.
    students: Vec<Student>,
    /// What they are evaluated on.
    set: Option<Arc<EvalSet>>,
}

impl Opening {
    /// Students from the start.
    pub fn new(request: TrainRequest) -> Self {
        Self { request, snapshot: None, students: Vec::new(), set: None }
    }

    /// Students that were trained before, which go on exactly as if they had never stopped.
    ///
    /// # Errors
    /// Students of other settings or labels.
    pub fn resuming(request: TrainRequest, snapshot: Snapshot, data: &TrainingData) -> Result<Self> {
        let record = &snapshot.record;
        if record.labels_sha256 != data.labels_sha256() {
            return Err(other("its students learned from other labels of the scenes"));
        }
        if !record.fits(&request.supervisions, request.epochs, request.seed, request.mix) {
            return Err(other(format!(
                "its students are of {} epochs, seed {} and their own supervisions and mixing",
                record.epochs, record.seed
            )));
        }
        Ok(Self { snapshot: Some(snapshot), ..Self::new(request) })
    }

    /// The next student; the session, once all are ready.
    ///
    /// # Errors
    /// Settings that contradict each other, no supervision at all, a teacher that is missing, students of another
    /// network.
    pub fn advance(
        &mut self,
        data: &TrainingData,
        teacher: Teacher<'_>,
        device: &Device,
    ) -> Result<Option<LiveSession>> {
        if let Some(&supervision) = self.request.supervisions.get(self.students.len()) {
            let student = self.student(supervision, data, teacher, device)?;
            self.students.push(student);
        }
        if self.students.len() < self.request.supervisions.len() {
            return Ok(None);
        }
        LiveSession::of(std::mem::take(&mut self.students), self.request.epochs).map(Some)
    }

    fn student(
        &mut self,
        supervision: Supervision,
        data: &TrainingData,
        teacher: Teacher<'_>,
        device: &Device,
    ) -> Result<Student> {
        let inputs = Inputs {
            images: data.images.clone(),
            validation: None,
            store: Some(unpack(&data.labels, "scenes-store.tar")?),
            teacher: if supervision.needs_teacher() { Some(teacher()?) } else { None },
        };
        let mut trainer = Trainer::with_inputs(config(&self.request, supervision), inputs, device.clone())?;
        if self.set.is_none() {
            let labels = unpack(&data.labels, "scenes-store.tar")?;
            let on = eval_set(&data.validation, &data.images, &labels, &self.request.samples, &trainer)?;
            self.set = Some(Arc::new(on));
        }
        trainer.validate_on(self.set.clone());
        let name = supervision.name();
        let session = match &self.snapshot {
            Some(snapshot) => Session::resume(trainer, name, snapshot.checkpoint(supervision)?, FILE)?,
            None => Session::new(trainer, name),
        };
        // A page has no threads, and a window's engine is one already.
        let student = Student { supervision, session: session.without_prefetch() };
        let Some(record) = self.snapshot.as_ref().map(|snapshot| &snapshot.record) else {
            return Ok(student);
        };
        let (step, steps) = (student.step(), student.session.trainer().steps());
        if (step, steps) != (record.step, record.steps) {
            return Err(other(format!(
                "{name} stands at step {step} of {steps}, not at {} of {}",
                record.step, record.steps
            )));
        }
        Ok(student)
    }
}

/// A snapshot of something else than what is asked for.
fn other(problem: impl Into<String>) -> Error {
    Error::mismatch(FILE, problem).remedy("train anew, or take up the settings that it was made under")
}

/// Opens a session of students from the start, at once.
///
/// # Errors
/// Those of [`Opening::advance`].
pub fn open(
    request: &TrainRequest,
    data: &TrainingData,
    teacher: Teacher<'_>,
    device: &Device,
) -> Result<LiveSession> {
    at_once(Opening::new(request.clone()), data, teacher, device)
}

/// Opens a session of students that were trained before, at once.
///
/// # Errors
/// Those of [`Opening::resuming`] and [`Opening::advance`].
pub fn resume(
    request: &TrainRequest,
    snapshot: Snapshot,
    data: &TrainingData,
    teacher: Teacher<'_>,
    device: &Device,
) -> Result<LiveSession> {
    at_once(Opening::resuming(request.clone(), snapshot, data)?, data, teacher, device)
}

fn at_once(
    mut opening: Opening,
    data: &TrainingData,
    teacher: Teacher<'_>,
    device: &Device,
) -> Result<LiveSession> {
    loop {
        if let Some(live) = opening.advance(data, teacher, device)? {
            return Ok(live);
        }
    }
}
