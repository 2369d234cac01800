//! What computes: the teacher and the students, on one device, away from the window's thread where there are
//! threads. The window sends [`Request`]s and hears [`Reply`]s; it never waits for one.
//!
//! One [`Core`] does the work everywhere. It runs on a thread of its own on a desktop, between two frames of a page
//! on WebGPU, and in a Web Worker of a page without it; requests and replies are plain data, so that a worker's
//! messages can carry them.

mod core;
mod cutter;
mod pace;
mod school;
#[cfg(test)]
mod tests;
#[cfg(not(target_family = "wasm"))]
mod thread;
mod trial;

use ferkd::label::TopK;
use ferkd::mining::KindCounts;
use ferkd::region::Region;
use ferkd::selfmix::Mix;
use ferkd::train::config::Supervision;
use ferkd::train::trainer::Tuning;
use serde::{Deserialize, Serialize};

pub use self::core::Core;
pub(crate) use self::core::{LABELLING, TRAINING};
#[cfg(not(target_family = "wasm"))]
pub use thread::ThreadEngine;

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
    /// The identifiers of the classes that labels speak of; all of the teacher's if empty.
    pub classes: Vec<String>,
    /// Temperature of the softmax.
    pub temperature: f32,
    /// Classes kept of each label (K).
    pub k: usize,
}

/// How students are to be trained; the rest are the demo's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
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
    /// Regions of the scenes, by image and number, that students are asked about whenever they are tried.
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
    /// Take up the labels of the demo's scenes: a packed store.
    Scenes(Vec<u8>),
    /// Label regions.
    Label(LabelJob),
    /// Begin a lesson: students from the start.
    Learn(Lesson),
    /// Change what may change on the way.
    Tune(Tuning),
    /// Go on by so many steps of every student, or without end.
    Play(Option<u64>),
    /// Take so many steps of every student per second at most; as many as it can if 0.
    Pace(u32),
    /// Stop once every student has taken the step at hand.
    Pause,
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
    /// A lesson has begun.
    Lesson {
        /// Its students, in order.
        supervisions: Vec<Supervision>,
        /// Steps of every student's run.
        steps: u64,
        /// Parameters of a student.
        parameters: usize,
    },
    /// Students took a step each.
    Step(Vec<StudentStep>),
    /// A student was tried on the held-out images.
    Tried {
        /// What it learns from.
        supervision: Supervision,
        /// Steps that it had taken.
        step: u64,
        /// Epochs that it had seen.
        epoch: f64,
        /// Its first guess for each held-out image, in their order.
        guesses: Vec<u32>,
        /// The probability that it gives each of these guesses.
        confidences: Vec<f32>,
        /// Its first guess for each of the lesson's sample regions, and the probability that it gives it.
        samples: Vec<(u32, f32)>,
        /// Mean cross-entropy against the ground truth, in nats.
        loss: f64,
    },
    /// Training goes on: by so many steps more, or without end.
    Playing(Option<u64>),
    /// Training has stopped; all steps are done or it was asked to.
    Paused,
    /// Something failed: what was tried, and why.
    Failed {
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
