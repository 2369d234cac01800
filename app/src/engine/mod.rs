//! What computes: the teacher and the students, on one device, away from the window's thread where there are
//! threads. The window sends [`Request`]s and hears [`Reply`]s; it never waits for one.
//!
//! One [`core::Core`] does the work everywhere. It runs on a thread of its own on a desktop, between two frames of a
//! page on WebGPU, and in a Web Worker of a page without it; requests and replies are plain data, so that a worker's
//! messages can carry them. What is said stands here, who says it in the modules: they import this file, it imports
//! none of them.

pub mod core;
mod cutter;
pub mod engine_group;
mod held_out;
pub mod live;
pub mod onnx;
#[cfg(not(target_family = "wasm"))]
pub mod onnx_here;
pub mod opening;
mod pace;
mod student;
mod teacher;
#[cfg(test)]
mod tests;
#[cfg(not(target_family = "wasm"))]
pub mod thread;
pub mod training_data;

use ferkd_data::classes::ClassSpace;
use ferkd_data::pixels::{Filter, Normalisation};
use ferkd_method::label::TopK;
use ferkd_method::mining::KindCounts;
use ferkd_method::region::Region;
use ferkd_method::selfmix::Mix;
use ferkd_train::config::Supervision;
use ferkd_train::trainer::Tuning;
use serde::{Deserialize, Serialize};

/// A picture as it travels: RGB bytes of shape (height, width, 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Its bytes.
    pub rgb: Vec<u8>,
}

/// Regions of one picture to be labelled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LabelJob {
    /// Comes back with the labels.
    pub id: u64,
    /// Name of the teacher.
    pub teacher: String,
    /// Names the picture, so that it travels once.
    pub key: u64,
    /// The picture, the first time.
    pub picture: Option<Picture>,
    /// The regions, in pixels of the picture.
    pub regions: Vec<Region>,
    /// The identifiers of the classes that labels refer to; all of the teacher's if empty.
    pub classes: Vec<String>,
    /// Temperature of the softmax.
    pub temperature: f32,
    /// Classes kept of each label (K).
    pub k: usize,
}

/// An ONNX file, and the files beside it that hold its weights, by their names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnnxBytes {
    /// What it is called.
    pub name: String,
    /// Its bytes.
    pub file: Vec<u8>,
    /// The other files.
    pub beside: Vec<(String, Vec<u8>)>,
}

/// A network in an ONNX file as a teacher: the file, and what the reader says of it. Its name is the file's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OnnxTeacher {
    /// The file.
    pub bytes: OnnxBytes,
    /// Side of its input in pixels.
    pub side: u32,
    /// How regions are resized.
    pub filter: Filter,
    /// How bytes become numbers.
    pub normalisation: Normalisation,
    /// The classes of its outputs, in their order. Where none are named, a thousand are ImageNet's, and others are
    /// called by their numbers.
    pub classes: Option<ClassSpace>,
    /// Whether what comes out are probabilities.
    pub gives_probabilities: bool,
}

/// How students are to be trained; the rest are the demo's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainRequest {
    /// Which of the window's requests it is: the reply says the same, so that one that was on its way when another
    /// request was made is known.
    pub number: u64,
    /// What each student learns from.
    pub supervisions: Vec<Supervision>,
    /// Epochs of a run.
    pub epochs: usize,
    /// Seed of weights, order and mixing.
    pub seed: u64,
    /// How regions are mixed under `ferkd+selfmix`.
    pub mix: Mix,
    /// What may change on the way.
    pub tuning: Tuning,
    /// Regions of the scenes, by image and number, that students are asked about whenever they are evaluated.
    pub samples: Vec<(u64, u32)>,
}

/// What a window asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Take up a teacher's weights.
    Teacher {
        /// Its name.
        name: String,
        /// Its weights file.
        weights: Vec<u8>,
    },
    /// Take up a network in an ONNX file as a teacher.
    Onnx(OnnxTeacher),
    /// Let a teacher go, by its name.
    Forget(String),
    /// Take up the labels of the demo's scenes: a packed store.
    Scenes(Vec<u8>),
    /// Take up students that were trained before: a [`Snapshot`](crate::snapshot::Snapshot)'s file.
    Snapshot(Vec<u8>),
    /// Label regions.
    Label(LabelJob),
    /// Begin a training session: students from the start.
    Learn(TrainRequest),
    /// Begin a training session with the students that were trained before. Where they cannot be had, a failure says
    /// why, and students begin from the start.
    Resume(TrainRequest),
    /// Change what may change on the way.
    Tune(Tuning),
    /// Go on by so many steps of every student, or without end.
    Play(Option<u64>),
    /// Take so many steps of every student per second at most; as many as it can if 0.
    Pace(u32),
    /// Stop once every student has taken the step at hand.
    Pause,
    /// Take no step beyond so many of a run, until more are allowed: engines that share students keep together by it.
    Hold(u64),
}

/// Which work a request belongs to: a failure names it, so that it ends nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum JobId {
    /// A teacher's weights, by its name.
    Teacher(String),
    /// The labels of the demo's scenes.
    Scenes,
    /// Students that were trained before.
    Snapshot,
    /// A [`LabelJob`], by its number.
    Label(u64),
    /// Training: there is one at a time.
    Training,
}

impl Request {
    /// The work that it belongs to.
    pub fn job(&self) -> JobId {
        match self {
            Self::Teacher { name, .. } | Self::Forget(name) => JobId::Teacher(name.clone()),
            Self::Onnx(teacher) => JobId::Teacher(teacher.bytes.name.clone()),
            Self::Scenes(_) => JobId::Scenes,
            Self::Snapshot(_) => JobId::Snapshot,
            Self::Label(job) => JobId::Label(job.id),
            Self::Learn(_)
            | Self::Resume(_)
            | Self::Tune(_)
            | Self::Play(_)
            | Self::Pace(_)
            | Self::Pause
            | Self::Hold(_) => JobId::Training,
        }
    }
}

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Teacher(name) => write!(f, "loading {name}"),
            Self::Scenes => f.write_str("loading the scenes' labels"),
            Self::Snapshot => f.write_str("going on from trained students"),
            Self::Label(_) => f.write_str("labelling"),
            Self::Training => f.write_str("training"),
        }
    }
}

/// What a window is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Reply {
    /// What computes, in words.
    Device(String),
    /// A teacher is ready.
    Teacher {
        /// Its name.
        name: String,
        /// Its classes' identifiers, in the order of its outputs.
        ids: Vec<String>,
        /// Their names.
        names: Vec<String>,
    },
    /// Labels of a job's regions, in order.
    Labels {
        /// The job's.
        id: u64,
        /// The top K of each region.
        labels: Vec<TopK>,
        /// Seconds that they took.
        time_s: f64,
    },
    /// A training session is open.
    TrainingOpened {
        /// The request that it answers: [`TrainRequest::number`].
        number: u64,
        /// Its students, in order.
        supervisions: Vec<Supervision>,
        /// Steps of every student's run.
        steps: u64,
        /// Steps that every student has taken already.
        step: u64,
        /// Parameters of a student.
        parameters: usize,
    },
    /// Students took a step each.
    Step(Vec<StudentStep>),
    /// A student was evaluated on the held-out images.
    Evaluated {
        /// What it learns from.
        supervision: Supervision,
        /// Steps that it had taken.
        step: u64,
        /// Epochs that it had seen.
        epoch: f64,
        /// Its top-1 prediction for each held-out image, in their order.
        predictions: Vec<u32>,
        /// The probability that it gives each of these predictions.
        confidences: Vec<f32>,
        /// Its top-1 prediction for each of the request's sample regions, and the probability that it gives it.
        samples: Vec<(u32, f32)>,
        /// Mean cross-entropy against the ground truth, in nats.
        loss: f64,
    },
    /// Training goes on: by so many steps more, or without end.
    Playing(Option<u64>),
    /// Training has stopped; all steps are done or it was asked to.
    Paused,
    /// A request failed: whose it was, what was tried, and why.
    Failed {
        /// The job that it belonged to; none where the request itself could not be read.
        job: Option<JobId>,
        /// What was tried.
        what: String,
        /// Why it failed, and what to do.
        error: String,
    },
}

/// One step of one student.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StudentStep {
    /// What it learns from.
    pub supervision: Supervision,
    /// Number of the step, from 0.
    pub step: u64,
    /// Epochs done after it.
    pub epoch: f64,
    /// Its loss in nats.
    pub loss: f64,
    /// Its learning rate.
    pub lr: f64,
    /// Regions of each kind that it saw.
    pub kinds: KindCounts,
}

/// Where an engine's requests go in and its replies come out.
pub trait Engine {
    /// Asks for something; never blocks.
    fn send(&mut self, request: Request);
    /// What it has said since the last call; never blocks.
    fn replies(&mut self) -> Vec<Reply>;
}
