//! Students that were trained before the program was built: what going on from them takes, and how they and those of
//! other seeds fared. One sealed safetensors file holds both; `examples/train_snapshot.rs` makes it.

#[cfg(test)]
pub(crate) mod tests;

use ferkd_method::mining::KindCounts;
use ferkd_method::selfmix::Mix;
use ferkd_method::{Error, Result};
use ferkd_nn::weights::{Precision, StateDict};
use ferkd_train::config::Supervision;
use ferkd_train::trainer::Tuning;
use serde::{Deserialize, Serialize};

/// What errors call the file.
pub const FILE: &str = "students.safetensors";

/// Key of the file's metadata that holds the [`Record`], as JSON.
const KEY: &str = "ferkd.students";

/// What to do about a file that cannot be used.
const REMEDY: &str =
    "take the program's own, or make it again: cargo run --release -p ferkd-app --example train_snapshot";

/// Everything but the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// SHA-256 of the packed labels that the students learned from.
    pub labels_sha256: String,
    /// Epochs of a whole run.
    pub epochs: usize,
    /// Seed of the students whose weights are kept.
    pub seed: u64,
    /// How regions were mixed under `ferkd+selfmix`.
    pub mix: Mix,
    /// Thresholds, confidence, epsilon and learning rate.
    pub tuning: Tuning,
    /// Steps that the students whose weights are kept have taken.
    pub step: u64,
    /// Steps of a whole run.
    pub steps: u64,
    /// Held-out scenes of an evaluation.
    pub scenes: u32,
    /// The students whose weights are kept.
    pub students: Vec<TrainedStudent>,
    /// Whole runs, of several seeds each.
    pub runs: Vec<TrainedRun>,
}

/// A student whose weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TrainedStudent {
    /// What it learned from.
    pub supervision: Supervision,
    /// Held-out scenes whose class it takes for the most probable.
    pub right: u32,
    /// Regions of each kind that it saw; none where it looks at no threshold.
    pub kinds: KindCounts,
}

/// How a student fared from its first step to its last one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainedRun {
    /// What it learned from.
    pub supervision: Supervision,
    /// Seed of weights, order and mixing.
    pub seed: u64,
    /// Its evaluations, in ascending order of steps.
    pub points: Vec<RunPoint>,
}

/// An evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RunPoint {
    /// Steps that were taken.
    pub step: u64,
    /// Held-out scenes that were right.
    pub right: u32,
    /// Mean loss of the steps since the evaluation before, in nats; none before the first step.
    pub loss: Option<f64>,
}

/// Accuracies of several seeds after the same step, in 0..=1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// Steps that were taken.
    pub step: u64,
    /// The lowest.
    pub low: f64,
    /// Their mean.
    pub mean: f64,
    /// The highest.
    pub high: f64,
}

impl Record {
    /// The record of a file, which is looked at as a whole.
    ///
    /// # Errors
    /// Those of [`Snapshot::read`].
    pub fn read(bytes: &[u8]) -> Result<Self> {
        Snapshot::read(bytes).map(|snapshot| snapshot.record)
    }

    /// Whether students under these settings can go on from those whose weights are kept. Thresholds, epsilon and
    /// learning rate may change on the way, so that they may differ.
    pub fn fits(&self, supervisions: &[Supervision], epochs: usize, seed: u64, mix: Mix) -> bool {
        (epochs, seed, mix) == (self.epochs, self.seed, self.mix)
            && supervisions.iter().all(|supervision| self.student(*supervision).is_some())
    }

    /// The student of a supervision whose weights are kept.
    pub fn student(&self, supervision: Supervision) -> Option<&TrainedStudent> {
        self.students.iter().find(|student| student.supervision == supervision)
    }

    /// A number of right scenes as a share in 0..=1.
    pub fn accuracy(&self, right: u32) -> f64 {
        f64::from(right) / f64::from(self.scenes.max(1))
    }

    /// Epochs done after so many steps.
    pub fn epoch(&self, step: u64) -> f64 {
        self.epochs as f64 * step as f64 / self.steps.max(1) as f64
    }

    /// The evaluations of the student whose weights are kept, up to them; the run of its seed.
    pub fn before(&self, supervision: Supervision) -> impl Iterator<Item = &RunPoint> {
        let run = self.runs.iter().find(|run| (run.supervision, run.seed) == (supervision, self.seed));
        run.into_iter().flat_map(|run| &run.points).filter(move |point| point.step <= self.step)
    }

    /// Seeds that a supervision was trained with.
    pub fn seeds(&self, supervision: Supervision) -> usize {
        self.runs_of(supervision).count()
    }

    /// How far the seeds of a supervision lie apart, after every step that all of them were evaluated at.
    pub fn spread(&self, supervision: Supervision) -> Vec<Spread> {
        let Some(first) = self.runs_of(supervision).next() else { return Vec::new() };
        let at = |step: u64| -> Option<Spread> {
            let of_run = |run: &TrainedRun| {
                let point = run.points.iter().find(|point| point.step == step)?;
                Some(self.accuracy(point.right))
            };
            let shares = self.runs_of(supervision).map(of_run).collect::<Option<Vec<f64>>>()?;
            let (low, high) =
                (shares.iter().copied().fold(1.0, f64::min), shares.iter().copied().fold(0.0, f64::max));
            Some(Spread { step, low, mean: shares.iter().sum::<f64>() / shares.len() as f64, high })
        };
        first.points.iter().filter_map(|point| at(point.step)).collect()
    }

    fn runs_of(&self, supervision: Supervision) -> impl Iterator<Item = &TrainedRun> {
        self.runs.iter().filter(move |run| run.supervision == supervision)
    }

    /// That its numbers can be.
    fn check(&self) -> Result<()> {
        let broken = |problem: &str| Err(Error::damaged(FILE, problem).remedy(REMEDY));
        if self.scenes == 0 || self.epochs == 0 || !(1..=self.steps).contains(&self.step) {
            return broken("its record has no scenes, no epochs, or a step beyond the run's");
        }
        let ascends = |run: &TrainedRun| run.points.is_sorted_by(|a, b| a.step < b.step);
        let points = || self.runs.iter().flat_map(|run| &run.points);
        if !self.runs.iter().all(ascends) || points().any(|point| point.step > self.steps) {
            return broken("the steps of a run in its record do not ascend, or go beyond its end");
        }
        let kept = self.students.iter().map(|student| student.right);
        if points().map(|point| point.right).chain(kept).any(|right| right > self.scenes) {
            return broken("more scenes are right in its record than there are");
        }
        Ok(())
    }
}

/// A file of trained students.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// Everything but the weights.
    pub record: Record,
    /// A checkpoint of each student of the record, in its order.
    checkpoints: Vec<StateDict>,
}

impl Snapshot {
    /// A record with a checkpoint of each of its students, in its order.
    ///
    /// # Errors
    /// Another number of checkpoints, numbers that cannot be.
    pub fn new(record: Record, checkpoints: Vec<StateDict>) -> Result<Self> {
        record.check()?;
        if record.students.len() != checkpoints.len() {
            let problem = format!("{} students, {} checkpoints", record.students.len(), checkpoints.len());
            return Err(Error::mismatch(FILE, problem).remedy(REMEDY));
        }
        Ok(Self { record, checkpoints })
    }

    /// Reads a file.
    ///
    /// # Errors
    /// A damaged file, or one of something else.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let mut all = StateDict::from_bytes(bytes, FILE)?;
        let text = all.metadata.remove(KEY);
        let text =
            text.ok_or_else(|| Error::mismatch(FILE, "these are no trained students").remedy(REMEDY))?;
        let record: Record = serde_json::from_str(&text)
            .map_err(|error| Error::damaged(FILE, format!("its record: {error}")).remedy(REMEDY))?;
        let checkpoint = |student: &TrainedStudent| {
            let prefix = prefix(student.supervision);
            let mut checkpoint = all.split_off(&prefix);
            let of_student = all.metadata.iter();
            let of_student = of_student
                .filter_map(|(key, text)| Some((key.strip_prefix(&prefix)?.to_owned(), text.clone())));
            checkpoint.metadata = of_student.collect();
            match checkpoint.tensors.is_empty() {
                true => {
                    Err(Error::damaged(FILE, format!("it has no weights of {}", student.supervision.name()))
                        .remedy(REMEDY))
                }
                false => Ok(checkpoint),
            }
        };
        let checkpoints = record.students.iter().map(checkpoint).collect::<Result<Vec<_>>>()?;
        Self::new(record, checkpoints)
    }

    /// The bytes of the file, in 32 bits: going on is exact.
    ///
    /// # Errors
    /// A tensor whose shape and length disagree.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut all = StateDict::default();
        for (student, checkpoint) in self.record.students.iter().zip(&self.checkpoints) {
            let prefix = prefix(student.supervision);
            let metadata =
                checkpoint.metadata.iter().map(|(key, text)| (format!("{prefix}{key}"), text.clone()));
            all.metadata.extend(metadata);
            all.absorb(&prefix, checkpoint.clone());
        }
        let text =
            serde_json::to_string(&self.record).map_err(|error| Error::mismatch(FILE, error.to_string()))?;
        all.metadata.insert(KEY.into(), text);
        all.to_bytes(Precision::F32)
    }

    /// The checkpoint of a student.
    ///
    /// # Errors
    /// There is no such student.
    pub fn checkpoint(&self, supervision: Supervision) -> Result<StateDict> {
        let at = self.record.students.iter().position(|student| student.supervision == supervision);
        let found = at.and_then(|at| self.checkpoints.get(at)).cloned();
        found.ok_or_else(|| {
            Error::mismatch(FILE, format!("it has no student of {}", supervision.name())).remedy(REMEDY)
        })
    }
}

/// What the names of a student's tensors begin with.
fn prefix(supervision: Supervision) -> String {
    format!("{}/", supervision.name())
}
