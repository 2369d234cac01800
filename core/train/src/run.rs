//! The run folder: a session's host that writes its events, checkpoints and report into a folder. Of several processes
//! that train together the first one has it; the others take the same steps and write nothing.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::Serialize;

use crate::config::TrainConfig;
use crate::eval::EvalReport;
use crate::image_check::{ImageCheck, left_out};
use crate::meter::Meter;
use crate::metrics::{self, Written};
use crate::parallel::processes::{self, Processes};
use crate::parallel::settings::{inputs, keep_inputs, same_run};
use crate::run_report::{read_metrics, run_report};
use crate::session::Session;
use crate::session_event::{Budget, Checkpoint, SessionEvent};
pub use crate::summary::TrainSummary;
use crate::trainer::Trainer;
use ferkd_data::atomic;
use ferkd_data::events::{Event, Listener, warn};
use ferkd_data::lock::FolderLock;
use ferkd_data::store::SKIPPED;
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};
use ferkd_nn::weights::{Precision, StateDict};

const LAST: &str = "last.safetensors";
/// The log of a run.
pub(crate) const METRICS: &str = "metrics.jsonl";
/// File that a trainer locks in its run's folder.
const LOCK: &str = "trainer.lock";

/// What a session's events are told to.
struct Run {
    /// Where they are written; nowhere in any process but the first.
    files: Option<Files>,
}

/// A run's folder.
struct Files {
    folder: PathBuf,
    metrics: fs::File,
    written: Written,
    _lock: FolderLock,
}

/// Trains one student under one supervision; writes the run folder `folder`.
///
/// A folder that holds a run already is refused, unless `resume` is set: then it goes on exactly.
///
/// # Errors
/// Whatever [`Trainer::new`] refuses; a loss that is not finite (it names step and learning rate);
/// [`ErrorKind::Interrupted`] when `stop` was set, after a checkpoint.
pub fn train(
    config: &TrainConfig,
    folder: &Path,
    resume: bool,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    let claim = claim_to_check(config, folder, resume)?;
    let kept = claim.as_ref().map(|_| folder);
    let check = ImageCheck { folder: kept, validates: true, stop, listen: &mut *listen };
    train_claimed(Trainer::open(config.clone(), check)?, folder, resume, claim, stop, listen)
}

/// The same with a trainer that is made already: several runs can share their inputs.
///
/// # Errors
/// Those of [`train`].
pub fn train_with(
    trainer: Trainer,
    folder: &Path,
    resume: bool,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    train_claimed(trainer, folder, resume, None, stop, listen)
}

fn train_claimed(
    trainer: Trainer,
    folder: &Path,
    resume: bool,
    claim: Option<Claim>,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    trainer.check_parts()?;
    let Claim { lock, resumes } = claim.map_or_else(|| Claim::of(folder, resume), Ok)?;
    let Opened { session, inputs, written } = Opened::of(folder, resumes, trainer)?;
    // Only now: what a checkpoint that is refused lies beside stays as it is.
    keep_inputs(folder, &inputs)?;
    let files = Files::begin(folder, written, lock, session.trainer())?;
    drive(session, Run { files: Some(files) }, stop, listen)
}

/// Reads `folder` as [`train_with`] does before the first step, and changes nothing in it: how many steps are done.
///
/// # Errors
/// What [`train`] says of a run that is there, or is not, and of what it holds. Whether something else trains in it is not
/// looked at.
pub fn check_folder(trainer: Trainer, folder: &Path, resume: bool) -> Result<u64> {
    let resumes = holds_run(folder, resume)?;
    trainer.check_parts()?;
    let opened = Opened::of(folder, resumes, trainer)?;
    if resumes {
        metrics::kept(&folder.join(METRICS), opened.written)?;
    }
    Ok(opened.session.trainer().step())
}

/// All of a session, once every process has the first one's state.
fn drive(mut session: Session, mut run: Run, stop: &AtomicBool, listen: Listener) -> Result<TrainSummary> {
    let mut ended = session.trainer_mut().share_state().and_then(|()| run.all(&mut session, stop, listen));
    if let Some(files) = &run.files {
        ended = ended.map_err(|error| advise(error, &session, &files.folder));
    }
    match &ended {
        Err(error) if error.kind() != ErrorKind::Interrupted => {
            listen(&Event::Failed { job: "training".into(), error: error.to_string() });
        }
        // All have come to the same end; none leaves while the first one still writes.
        _ => session.trainer_mut().wait_for_all(),
    }
    ended
}

/// The same by several processes: `processes` says which of them this is. The first alone looks at `folder` and
/// `resume`, evaluates, and hands its state to the others.
///
/// # Errors
/// Those of [`train`], and processes that do not belong together. What fails in one process is to be told and then to
/// end all of them: see [`processes::abort`].
pub fn train_together(
    config: &TrainConfig,
    folder: &Path,
    resume: bool,
    processes: Processes,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<TrainSummary> {
    let (leads, name) = (processes.leads(), processes.to_string());
    let config = TrainConfig { device: processes.devices(&config.device)?, ..config.clone() };
    let claim = if leads { claim_to_check(&config, folder, resume)? } else { None };
    let kept = claim.as_ref().map(|_| folder);
    let check = ImageCheck { folder: kept, validates: leads, stop, listen: &mut *listen };
    let mut trainer = Trainer::open(config, check)?;
    trainer.join(processes)?;
    let ended = if leads {
        train_claimed(trainer, folder, resume, claim, stop, listen)
    } else {
        trainer.check_parts()?;
        // The first process evaluates.
        trainer.validate_on(None);
        drive(Session::new(trainer, name), Run { files: None }, stop, listen)
    };
    if ended.as_ref().err().is_none_or(|error| error.kind() == ErrorKind::Interrupted) {
        processes::finish();
    }
    ended
}

/// A run's folder is claimed before images are looked at where that takes long and leaves something there; else when
/// everything that can be wrong has been checked.
fn claim_to_check(config: &TrainConfig, folder: &Path, resume: bool) -> Result<Option<Claim>> {
    config.skip_bad.then(|| Claim::of(folder, resume)).transpose()
}

/// What to do about an image that ended a run.
fn advise(error: Error, session: &Session, folder: &Path) -> Error {
    let (images, store) = (&session.trainer().batcher().images, session.trainer().store());
    let is_ours = || (0..images.len()).any(|i| images.label_of(i) == error.subject());
    let instead = match error.kind() {
        ErrorKind::Damaged if session.is_evaluating() => "leave such images out with --resume --skip-bad",
        // A store's images have their places in it.
        ErrorKind::Damaged if is_ours() && store.is_some() => "label the images again with --skip-bad",
        ErrorKind::Damaged if is_ours() => "begin another run with --skip-bad, which leaves such images out",
        _ => return error,
    };
    let saved = match folder.join("checkpoints").join(LAST).exists() {
        true => "a checkpoint is written: ",
        false => "",
    };
    error.remedy(format!("{saved}replace the file and go on with --resume, or {instead}"))
}

/// A run's folder that is ours to write.
struct Claim {
    lock: FolderLock,
    /// Whether a run is there.
    resumes: bool,
}

impl Claim {
    /// Creates the folder, or takes the run that is there.
    fn of(folder: &Path, resume: bool) -> Result<Self> {
        // Before anything is created. Whether another one trains there is said before that it holds a run.
        if resume {
            holds_run(folder, resume)?;
        }
        let checkpoints = folder.join("checkpoints");
        fs::create_dir_all(&checkpoints).at(&checkpoints)?;
        let lock = FolderLock::acquire(folder, LOCK, "training in this folder")?;
        Ok(Self { lock, resumes: holds_run(folder, resume)? })
    }
}

/// Whether a run is there; it has to be where `resume` is set, and must not where it is not.
///
/// # Errors
/// It is otherwise.
pub fn holds_run(folder: &Path, resume: bool) -> Result<bool> {
    let name = folder.display().to_string();
    match (folder.join("config.toml").exists(), resume) {
        (false, true) => Err(Error::usage(name, "there is no run to resume").remedy("leave --resume out")),
        (true, false) => Err(Error::usage(name, "a run is there already")
            .remedy("go on with --resume, or choose another folder with --run")),
        (is_there, _) => Ok(is_there),
    }
}

/// A run's folder before its first step.
struct Opened {
    /// From the last checkpoint on, if there is one.
    session: Session,
    /// What it is trained on.
    inputs: toml::Table,
    written: Written,
}

impl Opened {
    /// Reads what the folder holds; nothing in it is changed.
    fn of(folder: &Path, resumes: bool, trainer: Trainer) -> Result<Self> {
        let last = folder.join("checkpoints").join(LAST);
        let origin = folder.display().to_string();
        let inputs = inputs(&trainer);
        if resumes {
            same_run(folder, trainer.config(), &inputs)?;
            if last.exists() {
                let mut dict = StateDict::read(&last)?;
                let written = Written::take(&mut dict, &last)?;
                let session = Session::resume(trainer, origin, dict, &last.display().to_string())?;
                return Ok(Self { session, inputs, written });
            }
        }
        Ok(Self { session: Session::new(trainer, origin), inputs, written: Written::default() })
    }
}

/// The settings as the run's folder keeps them.
fn settings(trainer: &Trainer) -> Result<String> {
    toml::to_string(trainer.config())
        .map_err(|e| Error::usage("configuration", format!("it cannot be written: {e}")))
}

impl Run {
    /// Drives the session from wherever it stands to its end.
    fn all(&mut self, session: &mut Session, stop: &AtomicBool, listen: Listener) -> Result<TrainSummary> {
        let begun = Instant::now();
        let config = session.trainer().config().clone();
        let (first, steps) = (session.trainer().step(), session.trainer().steps());
        let trainer = session.trainer();
        let job = format!("training with {}{}", config.supervision.name(), trainer.replica_suffix());
        session.trainer().notices().into_iter().for_each(|text| listen(&Event::Notice { text }));
        self.add_features(session, stop, listen)?;
        listen(&Event::Started { job: job.clone(), total: steps, unit: "steps".into(), done: first });
        warn(session.trainer().warnings(), listen);
        ferkd_nn::device::first_use(&config.device, listen);
        if session.trainer().left_out() > 0 {
            let count = session.trainer().left_out();
            let text = format!(
                "{count} images cannot be decoded and are left out; {SKIPPED} in the run's folder lists them"
            );
            listen(&Event::Notice { text });
        }
        let (mut meter, mut passed_over) = (Meter::start(), 0);
        let last = loop {
            session.request_stop(stop.load(Ordering::Relaxed));
            match pollster::block_on(session.next(Budget::default()))? {
                SessionEvent::Step(taken) => meter.count(&taken),
                SessionEvent::Metrics(metrics) => self.log(&meter.event(metrics), listen)?,
                SessionEvent::Features { .. } | SessionEvent::EvalSlice { .. } => {}
                SessionEvent::Evaluation { found, is_best } => {
                    let (step, epoch) = (session.trainer().step(), session.trainer().epoch());
                    let EvalReport { top1, top5, loss, .. } = found.report;
                    self.log(&Event::Evaluation { step, epoch, top1, top5, loss, best: is_best }, listen)?;
                    // The same ones in every evaluation are told once.
                    if found.skipped.len() > passed_over
                        && let Some(set) = session.trainer().validation()
                    {
                        passed_over = found.skipped.len();
                        listen(&Event::Notice { text: left_out(set.images(), &found.skipped) });
                    }
                }
                SessionEvent::Checkpoint(which) => self.save(session, which, listen)?,
                SessionEvent::Stopped => return Err(self.stopped(session)),
                SessionEvent::Done { last } => break last,
            }
        };
        let summary = TrainSummary::of(session, last.as_deref(), begun.elapsed().as_secs_f64());
        warn(&summary.warnings[session.trainer().warnings().len()..], listen);
        if let Some(files) = &self.files {
            files.close(session.trainer(), &summary)?;
        }
        listen(&Event::Done { job, time_s: summary.time_s });
        Ok(summary)
    }

    /// Computes what the last layer sees, where that alone is trained.
    fn add_features(&self, session: &mut Session, stop: &AtomicBool, listen: Listener) -> Result<()> {
        let Some((_, all)) = session.trainer().features_due() else { return Ok(()) };
        let (begun, job) = (Instant::now(), "computing the frozen network's features, once".to_owned());
        listen(&Event::Started { job: job.clone(), total: all as u64, unit: "regions".into(), done: 0 });
        while session.trainer().features_due().is_some() {
            session.request_stop(stop.load(Ordering::Relaxed));
            match pollster::block_on(session.next(Budget::default()))? {
                SessionEvent::Features { done, total } => {
                    let units_per_s = done as f64 / begun.elapsed().as_secs_f64();
                    let eta_s = (total - done) as f64 / units_per_s;
                    let (done, total) = (done as u64, total as u64);
                    listen(&Event::Progress { done, total, units_per_s, eta_s });
                }
                SessionEvent::Stopped => return Err(self.stopped(session)),
                _ => break,
            }
        }
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
        Ok(())
    }

    /// Tells an event, and writes it down.
    fn log(&mut self, event: &Event, listen: Listener) -> Result<()> {
        if let Some(files) = &mut self.files {
            files.log(event)?;
        }
        listen(event);
        Ok(())
    }

    /// Writes a checkpoint that is due.
    fn save(&mut self, session: &mut Session, which: Checkpoint, listen: Listener) -> Result<()> {
        match &mut self.files {
            Some(files) => files.save(session, which, listen),
            None => Ok(()),
        }
    }

    fn stopped(&self, session: &Session) -> Error {
        let (step, steps) = (session.trainer().step(), session.trainer().steps());
        let (origin, who) = match &self.files {
            Some(files) => (files.folder.display().to_string(), "a checkpoint is written"),
            None => ("training".into(), "rank 0 writes a checkpoint"),
        };
        let problem = match step {
            0 => "stopped before the first step".to_owned(),
            _ => format!("stopped after step {step} of {steps}; {who}"),
        };
        Error::new(ErrorKind::Interrupted, origin, problem).remedy("go on with the same command and --resume")
    }
}

impl Files {
    /// Writes the settings, and opens the log where the checkpoint left it.
    fn begin(folder: &Path, written: Written, lock: FolderLock, trainer: &Trainer) -> Result<Self> {
        atomic::write(folder.join("config.toml"), settings(trainer)?.as_bytes())?;
        write_json(&folder.join("environment.json"), &Environment::of(trainer))?;
        let path = folder.join(METRICS);
        let log = fs::OpenOptions::new().create(true).append(true).open(&path).at(&path)?;
        // What was written after the checkpoint will be written again.
        let kept = metrics::kept(&path, written)?;
        log.set_len(kept).at(&path)?;
        Ok(Self { folder: folder.to_owned(), metrics: log, written, _lock: lock })
    }

    /// Appends a line to `metrics.jsonl`.
    fn log(&mut self, event: &Event) -> Result<()> {
        let path = self.folder.join(METRICS);
        let mut line = serde_json::to_vec(event).map_err(|e| Error::damaged(&path, e.to_string()))?;
        line.push(b'\n');
        self.metrics.write_all(&line).at(&path)?;
        self.written.note(event);
        Ok(())
    }

    /// Writes a checkpoint that is due: one file, there whole or not at all.
    fn save(&mut self, session: &mut Session, which: Checkpoint, listen: Listener) -> Result<()> {
        let path = |name: &str| self.folder.join("checkpoints").join(name);
        let weights = |name: &str| session.trainer().weights()?.write(&path(name), Precision::F32);
        match which {
            Checkpoint::Best => weights("best.safetensors"),
            Checkpoint::Numbered(step) => weights(&format!("step-{step:07}.safetensors")),
            Checkpoint::Last => {
                self.metrics.sync_data().at(self.folder.join(METRICS))?;
                let mut dict = pollster::block_on(session.checkpoint())?;
                self.written.put(&mut dict)?;
                let path = path(LAST);
                dict.write(&path, Precision::F32)?;
                let step = session.trainer().step();
                listen(&Event::Checkpoint { step, path: path.display().to_string() });
                Ok(())
            }
        }
    }

    /// Writes the report and the summary.
    fn close(&self, trainer: &Trainer, summary: &TrainSummary) -> Result<()> {
        let events = read_metrics(&self.folder.join(METRICS))?;
        let page = run_report(trainer, summary, &events)?;
        atomic::write(self.folder.join("report.html"), page.as_bytes())?;
        // Last: where a summary is, the run is whole.
        write_json(&self.folder.join("summary.json"), summary)
    }
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
    processes: usize,
    seed: u64,
    parameters: usize,
    macs: u64,
}

impl Environment {
    fn of(trainer: &Trainer) -> Self {
        Self {
            ferkd: env!("CARGO_PKG_VERSION"),
            commit: crate::commit::commit(),
            burn: "0.22.1",
            os: std::env::consts::OS,
            cpu_threads: rayon::current_num_threads(),
            device: trainer.config().device.clone(),
            convolutions: ferkd_nn::device::conv_backend(&trainer.config().device),
            replicas: trainer.replicas(),
            processes: trainer.share().of,
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
