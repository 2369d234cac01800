//! Students side by side: the core's own trainers, on the demo's scenes, step by step.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use ferkd::classifier::{Classifier, read_async};
use ferkd::data::images::ImageList;
use ferkd::demo::settings::student_config;
use ferkd::label::softmax;
use ferkd::pixels::{OrientationRule, centre_resize};
use ferkd::train::config::{Supervision, TrainConfig};
use ferkd::train::trainer::{Inputs, Trainer, Tuning};
use ferkd::{Error, Result};

use super::{Lesson, Reply, StudentStep};
use crate::dataset::{DataSet, unpack};

/// Held-out images that go through a student at once.
const BATCH: usize = 64;

/// Students that learn side by side.
pub struct School {
    students: Vec<Student>,
    held_out: HeldOut,
    /// Steps to go; `None` is without end.
    left: Option<u64>,
    /// Steps between two trials.
    try_every: u64,
}

struct Student {
    supervision: Supervision,
    trainer: Trainer,
    order: Option<(u64, Vec<u32>)>,
}

/// The held-out images as a student sees them.
struct HeldOut {
    side: usize,
    /// Planar pixels: shape (N, 3, side, side).
    pixels: Vec<f32>,
    truths: Vec<u32>,
}

impl School {
    /// Draws the students' weights. `labels` is the scenes' store, packed; `teacher` gives the online teacher, to the supervisions that ask one.
    ///
    /// # Errors
    /// Settings that contradict each other, a store that is not the scenes', or a teacher that is missing.
    pub fn open(
        lesson: &Lesson,
        labels: &[u8],
        teacher: &dyn Fn() -> Result<Classifier>,
        device: &Device,
    ) -> Result<Self> {
        let scenes = DataSet::scenes(labels)?;
        let (images, validation) =
            scenes.scenes_in_memory().ok_or_else(|| Error::usage("training", "these are no scenes"))??;
        let mut students = Vec::new();
        let mut held_out = None;
        for &supervision in &lesson.supervisions {
            let config = TrainConfig {
                supervision,
                epochs: lesson.epochs,
                lr: Some(lesson.tuning.lr),
                epsilon: lesson.tuning.epsilon,
                confidence: lesson.tuning.confidence,
                low: Some(lesson.tuning.thresholds.low),
                mid: Some(lesson.tuning.thresholds.mid),
                high: Some(lesson.tuning.thresholds.high),
                ..student_config(Path::new(""), lesson.seed)
            };
            let inputs = Inputs {
                images: images.clone(),
                validation: None,
                store: Some(unpack(labels, "scenes-store.tar")?),
                teacher: if supervision.needs_teacher() { Some(teacher()?) } else { None },
            };
            let mut trainer = Trainer::with_inputs(config, inputs, device.clone())?;
            trainer.retune(&lesson.tuning);
            if held_out.is_none() {
                held_out = Some(HeldOut::of(&validation, &trainer)?);
            }
            students.push(Student { supervision, trainer, order: None });
        }
        let held_out = held_out.ok_or_else(|| {
            Error::usage("training", "no supervision is chosen").remedy("choose one or more")
        })?;
        let steps = students.first().map_or(1, |student| student.trainer.steps());
        let try_every = (steps / (lesson.epochs as u64).max(1)).max(1);
        Ok(Self { students, held_out, left: Some(0), try_every })
    }

    /// Steps of every run.
    pub fn steps(&self) -> u64 {
        self.students.iter().map(|student| student.trainer.steps()).max().unwrap_or(0)
    }

    /// Parameters of a student.
    pub fn parameters(&self) -> usize {
        self.students.first().map_or(0, |student| student.trainer.parameters())
    }

    /// Whether there are steps to go.
    pub fn is_playing(&self) -> bool {
        self.left != Some(0)
    }

    /// Goes on by so many steps, or without end.
    pub fn play(&mut self, steps: Option<u64>) {
        self.left = steps;
    }

    /// Stops.
    pub fn pause(&mut self) {
        self.left = Some(0);
    }

    /// Takes up other settings from the next step on.
    pub fn tune(&mut self, tuning: &Tuning) {
        self.students.iter_mut().for_each(|student| student.trainer.retune(tuning));
    }

    /// One step of every student, and a trial when it is time.
    ///
    /// # Errors
    /// What a trainer meets; a loss that is no number.
    pub async fn advance(&mut self, reply: &mut dyn FnMut(Reply)) -> Result<()> {
        let mut taken = Vec::new();
        for student in &mut self.students {
            let batcher = student.trainer.batcher().clone();
            let Some(batch) = batcher.batch(student.trainer.step(), &mut student.order)? else { continue };
            let output = student.trainer.advance(&batch)?;
            taken.push((student.supervision, student.trainer.epoch(), batch.kinds, output));
        }
        // All students' work is on the device before the first number is waited for.
        let mut steps = Vec::new();
        for (supervision, epoch, kinds, output) in taken {
            let loss = f64::from(read_async(output.loss).await?.first().copied().unwrap_or(f32::NAN));
            if !loss.is_finite() {
                let problem = format!("the loss of {} is {loss} at step {}", supervision.name(), output.step);
                return Err(Error::new(ferkd::ErrorKind::Numeric, "training", problem)
                    .remedy("lower the learning rate, and reset"));
            }
            steps.push(StudentStep { supervision, step: output.step, epoch, loss, lr: output.lr, kinds });
        }
        let done = steps.is_empty();
        if let Some(left) = &mut self.left {
            *left = left.saturating_sub(1);
        }
        let reached = steps.iter().map(|s| s.step + 1).max().unwrap_or(0);
        if !done {
            reply(Reply::Step(steps));
        }
        if !done && (reached.is_multiple_of(self.try_every) || reached == self.steps()) {
            for student in &self.students {
                let (guesses, loss) = self.held_out.guesses(&student.trainer).await?;
                let (step, epoch) = (student.trainer.step(), student.trainer.epoch());
                reply(Reply::Tried { supervision: student.supervision, step, epoch, guesses, loss });
            }
        }
        if done {
            self.left = Some(0);
        }
        if !self.is_playing() {
            reply(Reply::Paused);
        }
        Ok(())
    }
}

impl HeldOut {
    fn of(images: &ImageList, trainer: &Trainer) -> Result<Self> {
        let view = trainer.batcher().student;
        let folders = trainer.card().classes.map_folders(images.folders(), "the student")?;
        let mut pixels = vec![0.0; images.len() * view.size()];
        let mut truths = Vec::with_capacity(images.len());
        for (i, out) in pixels.chunks_mut(view.size()).enumerate() {
            let picture = images.decode(i, OrientationRule::Apply)?.image;
            view.normalisation.write_chw(&centre_resize(&picture, view.side, view.filter)?, view.side, out);
            let class = images.folder(i).and_then(|folder| folders.get(folder as usize));
            truths.push(class.copied().unwrap_or_default());
        }
        Ok(Self { side: view.side as usize, pixels, truths })
    }

    /// A student's first guess for each image, and its mean cross-entropy in nats.
    async fn guesses(&self, trainer: &Trainer) -> Result<(Vec<u32>, f64)> {
        let model = trainer.student().valid();
        let size = 3 * self.side * self.side;
        let device = trainer.device().clone().inner();
        let mut guesses = Vec::with_capacity(self.truths.len());
        let mut loss = 0.0;
        for (pixels, truths) in self.pixels.chunks(BATCH * size).zip(self.truths.chunks(BATCH)) {
            let data = TensorData::new(pixels.to_vec(), [truths.len(), 3, self.side, self.side]);
            let logits = read_async(model.forward(Tensor::<4>::from_data(data, &device))).await?;
            for (row, &truth) in logits.chunks(logits.len() / truths.len()).zip(truths) {
                let probabilities = softmax(row, 1.0)?;
                loss -= f64::from(probabilities[truth as usize]).max(1e-12).ln();
                let best = (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
                guesses.push(best as u32);
            }
        }
        Ok((guesses, loss / self.truths.len().max(1) as f64))
    }
}
