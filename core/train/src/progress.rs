//! How far a session has come, besides its tensors; and how a checkpoint keeps that, as text among its metadata.

use serde::{Deserialize, Serialize};

use ferkd_method::error::{Error, ErrorKind, Result};
use ferkd_method::mining::KindCounts;
use ferkd_nn::weights::StateDict;

/// Key of a checkpoint's metadata that holds the progress; weights alone have none.
const PROGRESS: &str = "ferkd.progress";

/// Name of the tensor that held it in version 0.1, one byte a number.
pub(super) const OLD_PROGRESS: &str = "optimizer.progress.json";

/// How far a session has come.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done when it was written.
    step: u64,
    /// Best top-1 accuracy of all evaluations, in 0..=1.
    pub best_accuracy: Option<f64>,
    /// Mean loss of the last interval between two metrics, in nats.
    pub train_loss: f64,
    /// Regions of each kind that were trained on.
    pub kinds: KindCounts,
    /// How often no region of an image had survived mining, so that one was kept nevertheless.
    pub fallbacks: u64,
    /// Whether an evaluation is due before the next step.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) evaluation_due: bool,
    /// Steps since the last metric.
    window: Window,
}

/// Steps since the last metric.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Window {
    /// The bits of their losses.
    loss_bits: Vec<u32>,
    regions: u64,
    kinds: KindCounts,
    fallbacks: u64,
}

/// Training, averaged over the steps since the last metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Metrics {
    /// Steps done.
    pub step: u64,
    /// Steps in all.
    pub steps: u64,
    /// Epochs done, with fractions.
    pub epoch: f64,
    /// Mean training loss, in nats.
    pub loss: f64,
    /// Learning rate of the last step.
    pub lr: f64,
    /// Regions trained on.
    pub regions: u64,
    /// Regions of each kind among them: discarded, context, important, trivial.
    pub kinds: KindCounts,
    /// Images of which no region had survived mining.
    pub fallbacks: u64,
}

impl Progress {
    /// Takes note of what a step trained on.
    pub(super) fn note_step(&mut self, regions: u64, kinds: &KindCounts, fallbacks: u64) {
        self.kinds.merge(kinds);
        self.fallbacks += fallbacks;
        self.window.regions += regions;
        self.window.kinds.merge(kinds);
        self.window.fallbacks += fallbacks;
    }

    /// Takes note of a step's loss.
    ///
    /// # Errors
    /// A loss that is not finite; `origin` is what the error calls the run, and the step is named with its learning
    /// rate.
    pub(super) fn note_loss(&mut self, loss: f32, step: u64, lr: f64, origin: &str) -> Result<()> {
        if !loss.is_finite() {
            let problem = format!("the loss is {loss} at step {step}, learning rate {lr:.3e}");
            return Err(Error::new(ErrorKind::Numeric, origin, problem)
                .remedy("lower lr, warm up longer, or set clip-norm; the last checkpoint is sound"));
        }
        self.window.loss_bits.push(loss.to_bits());
        Ok(())
    }

    /// Takes note of an evaluation's top-1 accuracy, in 0..=1; whether it is the best so far.
    pub(super) fn note_accuracy(&mut self, top1: f64) -> bool {
        let is_best = self.best_accuracy.is_none_or(|best| top1 > best);
        if is_best {
            self.best_accuracy = Some(top1);
        }
        is_best
    }

    /// The steps since the last metric, whose losses are known; the next ones begin another.
    pub(super) fn metrics(&mut self, step: u64, steps: u64, epoch: f64, lr: f64) -> Metrics {
        let Window { loss_bits, regions, kinds, fallbacks } = std::mem::take(&mut self.window);
        let sum: f64 = loss_bits.iter().map(|&bits| f64::from(f32::from_bits(bits))).sum();
        let loss = sum / loss_bits.len().max(1) as f64;
        self.train_loss = loss;
        Metrics { step, steps, epoch, loss, lr, regions, kinds, fallbacks }
    }

    /// Writes it into a checkpoint that is made after `step` steps.
    pub(super) fn put(&mut self, step: u64, dict: &mut StateDict) -> Result<()> {
        self.step = step;
        let text = serde_json::to_string(self).map_err(|e| Error::mismatch("progress", e.to_string()))?;
        dict.metadata.insert(PROGRESS.into(), text);
        Ok(())
    }

    /// Takes it out of a checkpoint, with the number of steps done; `origin` is what errors call the file.
    ///
    /// # Errors
    /// A file that is not a run's checkpoint.
    pub(super) fn take(dict: &mut StateDict, origin: &str) -> Result<(Self, u64)> {
        let text = take_text(dict, origin)?;
        let progress: Self = serde_json::from_str(&text).map_err(|e| damaged(origin, e.to_string()))?;
        let step = progress.step;
        Ok((progress, step))
    }
}

fn damaged(origin: &str, problem: String) -> Error {
    Error::damaged(origin, format!("not a checkpoint of a run: {problem}"))
        .remedy("delete it to begin the run again")
}

/// The text that a checkpoint keeps its progress as; version 0.1 kept it as a tensor.
fn take_text(dict: &mut StateDict, origin: &str) -> Result<String> {
    let tensor = dict.tensors.remove(OLD_PROGRESS);
    if let Some(text) = dict.metadata.remove(PROGRESS) {
        return Ok(text);
    }
    let Some(tensor) = tensor else { return Err(damaged(origin, "it does not say its progress".into())) };
    old_text(&tensor.values).ok_or_else(|| damaged(origin, "invalid progress: expected text".into()))
}

/// The text that version 0.1 kept as one byte a number.
pub(super) fn old_text(values: &[f32]) -> Option<String> {
    let byte = |&value: &f32| (value.fract() == 0.0 && (0.0..256.0).contains(&value)).then_some(value as u8);
    String::from_utf8(values.iter().map(byte).collect::<Option<Vec<u8>>>()?).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use ferkd_nn::weights::{HostTensor, Precision};

    /// The progress of a run of version 0.1, as its checkpoint held it.
    const OLD: &str = r#"{"step":7,"metrics_lines":3,"metrics_xxh3":12345678901234567890,"best_accuracy":0.5,
        "train_loss":1.25,"kinds":[1,2,3,4],"fallbacks":5,
        "window":{"loss_bits":[1065353216],"regions":8,"kinds":[0,1,1,0],"fallbacks":1}}"#;

    #[test]
    fn progress_is_text_and_that_of_older_checkpoints_is_read_too() {
        let values: Vec<f32> = OLD.bytes().map(f32::from).collect();
        let tensor = HostTensor { shape: vec![values.len()], values };
        let mut old = StateDict::default();
        old.tensors.insert(OLD_PROGRESS.into(), tensor);
        let (mut progress, step) = Progress::take(&mut old, "old").unwrap();
        assert_eq!((step, progress.best_accuracy, progress.fallbacks), (7, Some(0.5), 5));
        assert!(old.tensors.is_empty(), "it is no part of an optimizer's state");

        let mut new = StateDict::default();
        progress.put(8, &mut new).unwrap();
        assert!(new.tensors.is_empty() && new.metadata[PROGRESS].contains("\"step\":8"));
        let bytes = new.to_bytes(Precision::F32).unwrap();
        let (again, step) =
            Progress::take(&mut StateDict::from_bytes(&bytes, "new").unwrap(), "new").unwrap();
        assert_eq!((again, step), (progress.clone(), 8));

        let metrics = progress.metrics(7, 9, 3.5, 0.1);
        assert_eq!((metrics.loss, metrics.regions, metrics.kinds), (1.0, 8, KindCounts([0, 1, 1, 0])));
        assert_eq!(progress.metrics(7, 9, 3.5, 0.1).regions, 0);
    }

    #[test]
    fn a_file_without_progress_is_named() {
        for values in [None, Some(vec![256.0]), Some(vec![0.5]), Some(vec![-1.0]), Some(vec![f32::NAN])] {
            let mut dict = StateDict::default();
            if let Some(values) = values {
                dict.tensors.insert(OLD_PROGRESS.into(), HostTensor { shape: vec![1], values });
            }
            let error = Progress::take(&mut dict, "a.safetensors").unwrap_err().to_string();
            assert!(error.starts_with("a.safetensors: not a checkpoint of a run"), "{error}");
        }
        let mut dict = StateDict::default();
        dict.metadata.insert(PROGRESS.into(), "{\"step\":".into());
        assert!(Progress::take(&mut dict, "a").unwrap_err().to_string().contains("again"));
    }

    #[test]
    fn a_loss_that_is_not_finite_is_an_error_that_says_where() {
        let mut progress = Progress::default();
        progress.note_loss(1.0, 0, 0.1, "run").unwrap();
        let error = progress.note_loss(f32::NAN, 4, 0.1, "run").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Numeric);
        let error = error.to_string();
        assert!(
            error.starts_with("run: ") && error.contains("step 4") && error.contains("1.000e-1"),
            "{error}"
        );
    }
}
