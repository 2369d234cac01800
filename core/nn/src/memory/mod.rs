//! How much memory a training step takes, counted before anything is computed.
//!
//! The network's forward pass is walked as burn computes it, and every tensor that autodiff would keep is counted;
//! then the backward pass, in which these go and gradients come. Nothing is measured or fitted. `docs/memory.md` has
//! what was measured beside it.

mod backward;
mod convolution;
mod heap;
mod layers;
mod network;
mod tape;

use serde::Serialize;

pub use tape::Conditions;

use crate::models::Model;
use network::ForwardPass;
use tape::Tape;

/// A student in training, and how it is trained.
#[derive(Debug)]
pub struct Training<'a> {
    /// The student; its weights need not be there.
    pub student: &'a Model,
    /// Side of its input, in pixels.
    pub side: usize,
    /// Its outputs.
    pub classes: usize,
    /// Regions of a step.
    pub batch: usize,
    /// Parts that a batch is computed in.
    pub accumulate: usize,
    /// Whether the last layer alone is trained.
    pub frozen: bool,
    /// Whether branches are left out at random.
    pub drop_path: bool,
    /// Tensors of a parameter's size that the optimizer remembers: 1 for SGD with momentum, 2 for AdamW.
    pub moments: u64,
    /// Whether an average of the weights is kept.
    pub average: bool,
    /// The online teacher and the side of its input, in pixels.
    pub teacher: Option<(&'a Model, usize)>,
    /// Batches prepared ahead.
    pub prefetch: usize,
    /// How the device computes.
    pub conditions: Conditions,
}

/// When most memory is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Moment {
    /// In the forward or the backward pass.
    Backward,
    /// When the optimizer makes new weights.
    Update,
    /// When the average takes the new weights in.
    Average,
}

/// Memory of a training step, in bytes: what each part takes at the moment when all of them together take most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemoryEstimate {
    /// Weights and running statistics, and new ones beside them while they are made.
    pub weights_bytes: u64,
    /// Gradients of the weights.
    pub gradients_bytes: u64,
    /// What the optimizer remembers.
    pub optimizer_bytes: u64,
    /// The average of the weights.
    pub average_bytes: u64,
    /// The online teacher's weights.
    pub teacher_bytes: u64,
    /// The pixels of the regions that are computed at once; on a device with memory of its own the whole step's, and those
    /// of the next one.
    pub batch_bytes: u64,
    /// Activations that are kept for the backward pass.
    pub activations_bytes: u64,
    /// What is needed for a moment: results and gradients on their way, other layouts of a picture.
    pub workspace_bytes: u64,
    /// All of the above: the peak on the device.
    pub total_bytes: u64,
    /// When that is.
    pub peak: Moment,
    /// Activations that are kept when the forward pass is over.
    pub kept_bytes: u64,
    /// Pixels of batches that are prepared, waiting and in use, in the host's memory, and features that are kept there.
    pub host_bytes: u64,
}

/// Bytes of a number of weights, gradients, optimizer and pixels.
const NUMBER: u64 = 4;

/// Counts the memory of a training step, of the second step or a later one.
pub fn estimate(what: &Training) -> MemoryEstimate {
    let weights = NUMBER * what.student.elements();
    let trained =
        NUMBER * if what.frozen { what.student.head_parameters() } else { what.student.parameters() as u64 };
    let largest = NUMBER * what.student.largest_parameter();
    let pixels = |side: usize| NUMBER * (3 * side * side) as u64;
    let rows = what.batch.div_ceil(what.accumulate) as u64;

    let optimizer = what.moments * trained;
    let average = if what.average { weights } else { 0 };
    let teacher = what.teacher.map_or(0, |(model, _)| NUMBER * model.elements());

    // The passes of one part; with several, the gradients of those before are there already.
    let (tape, kept) = passes(what, rows);
    let held = tape.heap.peak();
    let sum = if what.accumulate > 1 { trained } else { 0 };
    let picture = pixels(what.side) / NUMBER * what.conditions.width;
    // A device with memory of its own has the whole step's, and the next step's on their way; nothing is sent ahead in a
    // browser.
    let sent = what.conditions.threads.is_none() && !cfg!(target_family = "wasm");
    let ahead = if sent { what.batch as u64 * picture } else { 0 };
    let part = if what.accumulate > 1 || !sent { rows * picture } else { 0 };
    let batch = 2 * ahead + part;
    let passes = MemoryEstimate {
        weights_bytes: weights,
        gradients_bytes: sum + held.gradients,
        optimizer_bytes: optimizer,
        average_bytes: average,
        teacher_bytes: teacher,
        batch_bytes: batch,
        activations_bytes: held.kept,
        workspace_bytes: held.work,
        total_bytes: 0,
        peak: Moment::Backward,
        kept_bytes: kept,
        host_bytes: what.batch as u64 * {
            let teacher = what.teacher.map_or(0, |(_, side)| pixels(side));
            // Pixels are made in f32, and rounded when a batch is whole.
            let unrounded = if what.conditions.width < NUMBER { pixels(what.side) } else { 0 };
            // Two copies of what is sent, one of them where the device reads it.
            let copies = if sent { 2 * picture } else { 0 };
            (what.prefetch as u64 + 2) * (picture + teacher) + unrounded + copies
        },
    };
    // New weights are made one by one beside the old ones, and each gradient goes when it has been used.
    let update = MemoryEstimate {
        gradients_bytes: tape.heap.held().gradients.max(trained),
        batch_bytes: ahead,
        activations_bytes: 0,
        workspace_bytes: if what.conditions.threads.is_some() { largest } else { 4 * largest },
        peak: Moment::Update,
        ..passes.clone()
    };
    let averaged = MemoryEstimate {
        gradients_bytes: 0,
        average_bytes: 2 * average,
        workspace_bytes: largest,
        peak: Moment::Average,
        ..update.clone()
    };
    most_of(most_of(passes.summed(), update.summed()), averaged.summed())
}

/// The larger one, the first of equals.
fn most_of(a: MemoryEstimate, b: MemoryEstimate) -> MemoryEstimate {
    if b.total_bytes > a.total_bytes { b } else { a }
}

impl MemoryEstimate {
    fn summed(self) -> Self {
        let total_bytes = self.weights_bytes
            + self.gradients_bytes
            + self.optimizer_bytes
            + self.average_bytes
            + self.teacher_bytes
            + self.batch_bytes
            + self.activations_bytes
            + self.workspace_bytes;
        Self { total_bytes, ..self }
    }
}

/// Walks both passes over `rows` pictures; also what is kept when the forward pass is over.
fn passes(what: &Training, rows: u64) -> (Tape, u64) {
    let Conditions { width, .. } = what.conditions;
    let mut tape = Tape::new(rows, what.conditions);
    let images = tape.input(rows * (3 * what.side * what.side) as u64, width);
    let student = ForwardPass { side: what.side, frozen: what.frozen, drops: what.drop_path };
    let logits = tape.logits(what.student, images, student);
    let classes = what.classes as u64;
    let loss = match what.teacher {
        None => tape.cross_entropy(logits, classes),
        Some((teacher, side)) => {
            // The CPU takes one picture a thread through a convolutional teacher.
            let threads = what.conditions.threads.filter(|_| teacher.droppable().is_none());
            tape.rows = threads.map_or(rows, |threads| threads.min(rows));
            tape.track(false);
            let images = tape.input(tape.rows * (3 * side * side) as u64, NUMBER);
            drop(tape.logits(teacher, images, ForwardPass { side, frozen: true, drops: false }));
            let theirs = tape.input(rows * classes, NUMBER);
            tape.rows = rows;
            tape.track(true);
            tape.distillation(logits, theirs, classes)
        }
    };
    drop(loss);
    let kept = tape.heap.held().kept;
    tape.backward();
    (tape, kept)
}
