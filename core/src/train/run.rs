//! A run: the loop around the trainer, and the folder it leaves behind.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use burn::tensor::Tensor;

use crate::atomic;
use crate::classifier::read;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::events::{Event, Listener};
use crate::lock::FolderLock;
use crate::mining::{KindCounts, Thresholds};
use crate::train::config::{Supervision, TrainConfig};
use crate::train::eval::EvalReport;
use crate::train::metrics;
use crate::train::parallel::settings::same_settings;
use crate::train::parallel::{Meeting, follow};
use crate::train::report::{read_metrics, run_report};
use crate::train::trainer::{StepOutput, Trainer};
use crate::weights::{Precision, StateDict};

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrainSummary {
    /// What the student learned from.
    pub supervision: Supervision,
    /// Steps done.
    pub steps: u64,
    /// Epochs done.
    pub epochs: f64,
    /// Training loss of the last interval, in nats.
    pub train_loss: f64,
    /// Top-1 accuracy at the end, in 0..=1; none without validation images.
    pub accuracy: Option<f64>,
    /// Top-5 accuracy at the end, in 0..=1.
    pub top5: Option<f64>,
    /// Best top-1 accuracy of all evaluations, in 0..=1.
    pub best_accuracy: Option<f64>,
    /// Mining thresholds as confidences.
    pub thresholds: Option<Thresholds>,
    /// Regions of each kind that were trained on: discarded, context, important, trivial.
    pub kinds: KindCounts,
    /// How often no region of an image had survived mining, so that one was kept nevertheless.
    pub fallbacks: u64,
    /// Parameters of the student.
    pub parameters: usize,
    /// Seconds of this sitting.
    pub time_s: f64,
}

/// What a checkpoint remembers besides tensors.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Progress {
    step: u64,
    /// Lines of `metrics.jsonl`: bytes would differ from run to run, since lines hold times.
    metrics_lines: u64,
    /// Checksum of these lines without their times.
    metrics_xxh3: u64,
    best_accuracy: Option<f64>,
    train_loss: f64,
    kinds: KindCounts,
    fallbacks: u64,
    /// Steps since the last metric: the bits of their losses, and what they trained on.
    window: Window,
}

/// Steps since the last metric.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
struct Window {
    loss_bits: Vec<u32>,
    regions: u64,
    kinds: KindCounts,
    fallbacks: u64,
}

/// Key of a checkpoint's first tensor-free field.
const PROGRESS: &str = "progress.json";
const LAST: &str = "last.safetensors";
/// File that a trainer locks in its run's folder.
const LOCK: &str = "trainer.lock";

/// A run's folder.
struct Run {
    folder: PathBuf,
    metrics: fs::File,
    progress: Progress,
    _lock: FolderLock,
    /// Losses that are still on the device, with step and learning rate.
    pending: Vec<(u64, f64, Tensor<1>)>,
}

/// Trains one student under one supervision; writes the run folder `folder`.
///
/// A folder that holds a run already is refused, unless `resume` is set: then it goes on exactly.
///
/// # Errors
/// Whatever [`Trainer::new`] refuses; a loss that is no number (it names step and learning rate);
/// [`ErrorKind::Interrupted`] when `stop` was set, after a checkpoint.
pub fn train(
    config: &TrainConfig,
    folder: &Path,
    resume: bool,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    train_with(Trainer::new(config.clone())?, folder, resume, stop, listen)
}

/// The same with a trainer that is made already: several runs can share their inputs.
///
/// # Errors
/// Those of [`train`].
pub fn train_with(
    mut trainer: Trainer,
    folder: &Path,
    resume: bool,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    let opened = Run::open(folder, resume, &mut trainer);
    let mut run = opened.inspect_err(|error| trainer.leave(error))?;
    trainer.together(listen, |trainer, listen| run.all(trainer, stop, listen))
}

/// The same by several processes: `meeting` says which of them this is. Node 1 alone looks at `folder` and `resume`,
/// evaluates, and hands its state to the others when they have met.
///
/// # Errors
/// Those of [`train`]; nodes that do not come or do not belong together; a node that is gone, which ends the others.
pub fn train_together(
    config: &TrainConfig,
    folder: &Path,
    resume: bool,
    meeting: Meeting,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    let mut trainer = Trainer::new(config.clone())?;
    let leads = meeting.node().leads();
    trainer.meet(meeting, stop, listen)?;
    if leads { train_with(trainer, folder, resume, stop, listen) } else { follow(trainer, stop, listen) }
}

impl Run {
    /// The whole loop, from wherever the trainer stands.
    fn all(&mut self, trainer: &mut Trainer, stop: &AtomicBool, listen: Listener) -> Result<TrainSummary> {
        let begun = Instant::now();
        let config = trainer.config().clone();
        let (first, steps) = (trainer.step(), trainer.steps());
        let job = format!("training with {}{}", config.supervision.name(), trainer.company());
        listen(&Event::Started { job: job.clone(), total: steps, unit: "steps".into(), done: first });
        crate::device::first_use(&config.device, listen);
        let mut clock = (Instant::now(), first, 0u64);
        let mut last_eval: Option<EvalReport> = None;
        for batch in trainer.batches() {
            let batch = batch?;
            let output = trainer.advance_with(&batch, stop.load(Ordering::Relaxed))?;
            let all_stop = output.stops;
            self.note(output, batch.total as u64, batch.kinds, batch.fallbacks);
            clock.2 += batch.total as u64;
            let (step, epoch) = (trainer.step(), trainer.epoch());
            let ends = step == steps;

            if ends || step % config.log_every == 0 {
                let seconds = clock.0.elapsed().as_secs_f64();
                let regions_per_s = clock.2 as f64 / seconds;
                let eta_s = seconds / (step - clock.1) as f64 * (steps - step) as f64;
                self.flush()?;
                let metric = self.metric(step, steps, epoch, trainer, regions_per_s, eta_s);
                self.write(&metric)?;
                listen(&metric);
                clock = (Instant::now(), step, 0);
            }
            let evaluates = trainer.can_evaluate() && (ends || crosses(epoch, trainer, config.eval_every));
            if evaluates {
                self.flush()?;
                let report = trainer.evaluate()?;
                let best = self.progress.best_accuracy.is_none_or(|b| report.top1 > b);
                let (top1, top5, loss) = (report.top1, report.top5, report.loss);
                let event = Event::Evaluation { step, epoch, top1, top5, loss, best };
                self.write(&event)?;
                listen(&event);
                if best {
                    self.progress.best_accuracy = Some(top1);
                    trainer.weights().write(&self.checkpoint_path("best.safetensors"), Precision::F32)?;
                }
                last_eval = Some(report);
            }
            // Before the checkpoint that says how far the run has come: a run killed in between writes it again.
            if config.keep_every > 0 && crosses(epoch, trainer, config.keep_every) {
                self.flush()?;
                let path = self.checkpoint_path(&format!("step-{step:07}.safetensors"));
                trainer.weights().write(&path, Precision::F32)?;
            }
            // With others, all leave after the same step.
            let stopped = if trainer.share().of > 1 { all_stop } else { stop.load(Ordering::Relaxed) };
            let periodic = config.checkpoint_every > 0 && step % config.checkpoint_every == 0;
            if ends || evaluates || periodic || stopped {
                let path = self.checkpoint(trainer)?;
                listen(&Event::Checkpoint { step, path: path.display().to_string() });
            }
            if stopped && !ends {
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    self.folder.display().to_string(),
                    format!("stopped after step {step} of {steps}; a checkpoint is written"),
                )
                .remedy("go on with the same command and --resume"));
            }
        }
        trainer.finished(&self.folder.display().to_string())?;
        // A run that was finished before is evaluated again, so that its summary is whole.
        if last_eval.is_none() && trainer.can_evaluate() {
            last_eval = Some(trainer.evaluate()?);
        }
        let summary = self.summary(trainer, last_eval.as_ref(), begun.elapsed().as_secs_f64());
        let events = read_metrics(&self.folder.join("metrics.jsonl"))?;
        let page = run_report(trainer, &summary, &events)?;
        atomic::write(self.folder.join("report.html"), page.as_bytes())?;
        // Last: where a summary is, the run is whole.
        write_json(&self.folder.join("summary.json"), &summary)?;
        listen(&Event::Done { job, time_s: summary.time_s });
        Ok(summary)
    }

    /// Creates the folder, or takes up what it holds.
    fn open(folder: &Path, resume: bool, trainer: &mut Trainer) -> Result<Self> {
        let name = folder.display().to_string();
        let last = folder.join("checkpoints").join(LAST);
        let written = toml::to_string(trainer.config())
            .map_err(|e| Error::usage("configuration", format!("it cannot be written: {e}")))?;
        let path = folder.join("config.toml");
        if resume && !path.exists() {
            return Err(Error::usage(name, "there is no run to resume").remedy("leave --resume out"));
        }
        let checkpoints = folder.join("checkpoints");
        fs::create_dir_all(&checkpoints).at(&checkpoints)?;
        let lock = FolderLock::acquire(folder, LOCK, "training in this folder")?;
        let mut progress = Progress::default();
        if path.exists() {
            if !resume {
                return Err(Error::usage(name, "a run is there already")
                    .remedy("go on with --resume, or choose another folder with --run"));
            }
            same_settings(&path, &written)?;
            if last.exists() {
                progress = restore(trainer, &last)?;
            }
        }
        atomic::write(&path, written.as_bytes())?;
        write_json(&folder.join("environment.json"), &Environment::of(trainer))?;
        let path = folder.join("metrics.jsonl");
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).at(&path)?;
        // What was written after the checkpoint will be written again.
        let kept = metrics::kept(&path, progress.metrics_lines, progress.metrics_xxh3)?;
        log.set_len(kept).at(&path)?;
        Ok(Self { folder: folder.to_owned(), metrics: log, progress, _lock: lock, pending: Vec::new() })
    }

    fn note(&mut self, output: StepOutput, regions: u64, kinds: KindCounts, fallbacks: u64) {
        let add = |to: &mut KindCounts| to.0.iter_mut().zip(kinds.0).for_each(|(a, b)| *a += b);
        self.pending.push((output.step, output.lr, output.loss));
        self.progress.window.regions += regions;
        self.progress.window.fallbacks += fallbacks;
        add(&mut self.progress.window.kinds);
        self.progress.fallbacks += fallbacks;
        add(&mut self.progress.kinds);
    }

    /// Reads the losses of the last steps back; one that is no number stops the run.
    fn flush(&mut self) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (places, losses): (Vec<_>, Vec<_>) =
            self.pending.drain(..).map(|(s, lr, loss)| ((s, lr), loss)).unzip();
        for (loss, (step, lr)) in read(Tensor::cat(losses, 0))?.into_iter().zip(places) {
            if !loss.is_finite() {
                let problem = format!("the loss is {loss} at step {step}, learning rate {lr:.3e}");
                return Err(Error::new(ErrorKind::Numeric, self.folder.display().to_string(), problem)
                    .remedy("lower lr, warm up longer, or set clip-norm; the last checkpoint is sound"));
            }
            self.progress.window.loss_bits.push(loss.to_bits());
        }
        Ok(())
    }

    /// The metric of the steps since the last one.
    fn metric(
        &mut self,
        step: u64,
        steps: u64,
        epoch: f64,
        trainer: &Trainer,
        regions_per_s: f64,
        eta_s: f64,
    ) -> Event {
        let window = std::mem::take(&mut self.progress.window);
        let sum: f64 = window.loss_bits.iter().map(|&b| f64::from(f32::from_bits(b))).sum();
        let loss = sum / window.loss_bits.len().max(1) as f64;
        self.progress.train_loss = loss;
        let Window { regions, kinds, fallbacks, .. } = window;
        let lr = trainer.rate(step.saturating_sub(1));
        Event::Metric { step, steps, epoch, loss, lr, regions, kinds, fallbacks, regions_per_s, eta_s }
    }

    /// Appends a line to `metrics.jsonl`.
    fn write(&mut self, event: &Event) -> Result<()> {
        let path = self.folder.join("metrics.jsonl");
        let mut line = serde_json::to_vec(event).map_err(|e| Error::damaged(&path, e.to_string()))?;
        line.push(b'\n');
        self.metrics.write_all(&line).at(&path)?;
        self.progress.metrics_lines += 1;
        self.progress.metrics_xxh3 = metrics::chained(self.progress.metrics_xxh3, event);
        Ok(())
    }

    fn checkpoint_path(&self, name: &str) -> PathBuf {
        self.folder.join("checkpoints").join(name)
    }

    /// Writes everything that going on takes: one file, there whole or not at all.
    fn checkpoint(&mut self, trainer: &Trainer) -> Result<PathBuf> {
        self.flush()?;
        self.metrics.sync_data().at(self.folder.join("metrics.jsonl"))?;
        self.progress.step = trainer.step();
        let mut dict = trainer.state()?;
        put_progress(&mut dict, &self.progress);
        let path = self.checkpoint_path(LAST);
        dict.write(&path, Precision::F32)?;
        Ok(path)
    }

    fn summary(&self, trainer: &Trainer, eval: Option<&EvalReport>, time_s: f64) -> TrainSummary {
        TrainSummary {
            supervision: trainer.config().supervision,
            steps: trainer.step(),
            epochs: trainer.epoch(),
            train_loss: self.progress.train_loss,
            accuracy: eval.map(|e| e.top1),
            top5: eval.map(|e| e.top5),
            best_accuracy: self.progress.best_accuracy,
            thresholds: trainer.thresholds(),
            kinds: self.progress.kinds,
            fallbacks: self.progress.fallbacks,
            parameters: trainer.parameters(),
            time_s,
        }
    }
}

/// Whether the step that led to `epoch` was the first at or past a multiple of `every` epochs.
fn crosses(epoch: f64, trainer: &Trainer, every: usize) -> bool {
    let before = trainer.batcher().plan.epoch(trainer.step() - 1);
    let count = |epoch: f64| ((epoch + 1e-9) / every as f64).floor();
    count(epoch) > count(before)
}

/// The progress stands beside the tensors as bytes, one a float, so that one file holds both.
fn put_progress(dict: &mut StateDict, progress: &Progress) {
    // Plain data: serialising it cannot fail.
    let values: Vec<f32> =
        serde_json::to_vec(progress).unwrap_or_default().into_iter().map(f32::from).collect();
    let tensor = crate::weights::HostTensor { shape: vec![values.len()], values };
    dict.tensors.insert(format!("optimizer.{PROGRESS}"), tensor);
}

fn restore(trainer: &mut Trainer, path: &Path) -> Result<Progress> {
    let mut dict = StateDict::read(path)?;
    let tensor = dict.tensors.remove(&format!("optimizer.{PROGRESS}"));
    let bytes =
        tensor.map(|t| t.values.into_iter().map(|v| v as u8).collect::<Vec<u8>>()).unwrap_or_default();
    let progress: Progress = serde_json::from_slice(&bytes).map_err(|e| {
        Error::damaged(path, format!("no checkpoint of a run: {e}")).remedy("delete it to begin the run anew")
    })?;
    trainer.restore(dict, progress.step, &path.display().to_string())?;
    Ok(progress)
}

/// What a run ran on.
#[derive(Debug, Serialize)]
struct Environment {
    ferkd: &'static str,
    commit: &'static str,
    burn: &'static str,
    os: &'static str,
    cpu_threads: usize,
    device: String,
    /// Who computes convolutions on CUDA.
    #[serde(skip_serializing_if = "Option::is_none")]
    convolutions: Option<String>,
    /// Devices of this process, and processes, that train together.
    replicas: usize,
    nodes: usize,
    seed: u64,
    parameters: usize,
    macs: u64,
}

impl Environment {
    fn of(trainer: &Trainer) -> Self {
        Self {
            ferkd: env!("CARGO_PKG_VERSION"),
            commit: env!("FERKD_COMMIT"),
            burn: "0.22.1",
            os: std::env::consts::OS,
            cpu_threads: rayon::current_num_threads(),
            device: trainer.config().device.clone(),
            convolutions: crate::device::convolves(&trainer.config().device),
            replicas: trainer.replicas(),
            nodes: trainer.share().of,
            seed: trainer.config().seed,
            parameters: trainer.parameters(),
            macs: trainer.student().macs(trainer.card().side as usize),
        }
    }
}

/// Writes a value as readable JSON, atomically.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|e| Error::damaged(path, e.to_string()))?;
    bytes.push(b'\n');
    atomic::write(path, &bytes)
}
