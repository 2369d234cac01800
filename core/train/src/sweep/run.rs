//! The runs of a sweep: several at a time, each in its own folder, none done twice.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use serde::Serialize;

use crate::image_check::{ImageCheck, check_validation, without_broken};
use crate::inputs::{Inputs, image_lists};
use crate::labelling::label;
use crate::parallel::settings::{data, same_run};
use crate::run::train_with;
use crate::sweep::analysis::Analysis;
use crate::sweep::config::SweepPlan;
use crate::sweep::finished::Finished;
use crate::sweep::progress::Progress;
use crate::sweep::table::write_results;
use crate::sweep::task::{Task, tasks};
use crate::tensorboard::Board;
use crate::trainer::Trainer;
use ferkd_data::events::{Event, Listener};
use ferkd_data::images::ImageList;
use ferkd_data::lock::FolderLock;
use ferkd_data::store::{LOCK, Store};
use ferkd_data::threads::{self, spawn_in};
use ferkd_method::error::{Error, ErrorKind, IoContext, Result};

/// What a sweep did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SweepSummary {
    /// Runs of the sweep.
    pub runs: usize,
    /// Runs that were done now; the others were there already.
    pub runs_now: usize,
    /// Arms.
    pub arms: usize,
    /// Regions that the teacher labelled now.
    pub labelled_regions: u64,
    /// Held-out images.
    pub validation_images: u64,
    /// Files with the results.
    pub files: Vec<String>,
    /// What they say.
    #[serde(skip)]
    pub analysis: Analysis,
    /// Seconds that it took.
    pub time_s: f64,
}

/// Labels the images once, does every run that is missing in the folder `out`, and writes the tables.
///
/// Stopped at any moment, the same call goes on: finished runs are kept, an interrupted one is resumed.
///
/// # Errors
/// The first that a run meets (the others are stopped then); [`ErrorKind::Interrupted`] when `stop` was set.
pub fn sweep(plan: &SweepPlan, out: &Path, stop: &AtomicBool, listen: Listener) -> Result<SweepSummary> {
    let begun = Instant::now();
    // Beside the numbers stands what they are the numbers of.
    std::fs::create_dir_all(out).at(out)?;
    let _lock = FolderLock::acquire(out, LOCK, "sweeping there")?;
    ferkd_data::atomic::write(out.join("sweep.toml"), plan.written.as_bytes())?;
    let store = out.join("store");
    let mut labelled_regions = 0;
    let store = match &plan.store {
        Some(there) => Some(there.clone()),
        None if plan.needs_store() => {
            let done = label(&plan.images, &plan.teacher, &store, &plan.label, stop, listen)?;
            labelled_regions = done.labelled_regions;
            Some(store)
        }
        None => None,
    };
    let tasks = tasks(plan, out, store.as_deref());
    let shared = Shared::open(plan, store.as_deref(), Some(out), stop, listen)?;
    let (there, missing): (Vec<Task>, Vec<Task>) = tasks.iter().cloned().partition(Task::is_finished);
    shared.check(&there)?;
    let runs_now = missing.len();
    shared.teach(plan, missing, there.len(), stop, listen)?;

    let (analysis, finished) = shared.analysis(plan, &tasks)?;
    let files = write_results(plan, &finished, &analysis, out)?;
    Ok(SweepSummary {
        runs: tasks.len(),
        runs_now,
        arms: plan.arms.len(),
        labelled_regions,
        validation_images: analysis.validation_images,
        files: files.iter().map(|path| path.display().to_string()).collect(),
        analysis,
        time_s: begun.elapsed().as_secs_f64(),
    })
}

/// What the runs show that are finished in the folder `out`; starts none, writes nothing.
///
/// # Errors
/// Images that cannot be listed, a run folder of other settings or that is damaged, or no finished run.
pub fn look(plan: &SweepPlan, out: &Path) -> Result<Analysis> {
    let store = plan.store.clone().or_else(|| plan.needs_store().then(|| out.join("store")));
    let mut tasks = tasks(plan, out, store.as_deref());
    tasks.retain(Task::is_finished);
    if tasks.is_empty() {
        return Err(Error::usage(out.display().to_string(), "no run of this sweep is finished there")
            .remedy("run the sweep first, without --tables"));
    }
    let shared = Shared::list(plan, store.as_deref())?;
    shared.check(&tasks)?;
    Ok(shared.analysis(plan, &tasks)?.0)
}

/// What a sweep would find.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SweepOutlook {
    /// Images to train on, as they are listed.
    pub images: u64,
    /// Held-out images.
    pub validation_images: u64,
    /// Runs that are finished.
    pub runs_done: usize,
    /// Whether there are no labels yet that the images could be compared with: they are made first.
    pub labels_first: bool,
    /// What is worth a word, of all arms; each once.
    pub warnings: Vec<String>,
}

/// Looks at everything that [`sweep`] looks at before its first run; starts none, writes nothing.
///
/// # Errors
/// What a run of an arm would end with before its first step: images that cannot be used or are not those that were
/// labelled, settings that do not go together; finished runs of other settings; [`ErrorKind::Interrupted`] when `stop`
/// was set.
pub fn look_ahead(plan: &SweepPlan, out: &Path, stop: &AtomicBool, listen: Listener) -> Result<SweepOutlook> {
    let own = out.join("store");
    let store = match &plan.store {
        Some(there) => Some(there.clone()),
        // One that is not whole is gone on with.
        None => Some(own).filter(|own| plan.needs_store() && Store::open(own).is_ok()),
    };
    let shared = Shared::open(plan, store.as_deref(), None, stop, listen)?;
    let mut found = SweepOutlook {
        images: shared.images.len() as u64,
        validation_images: shared.validation.as_ref().map_or(0, ImageList::len) as u64,
        labels_first: store.is_none() && plan.needs_store(),
        ..SweepOutlook::default()
    };
    let tasks = tasks(plan, out, store.as_deref());
    let done: Vec<Task> = tasks.iter().filter(|task| task.is_finished()).cloned().collect();
    shared.check(&done)?;
    found.runs_done = done.len();
    for arm in 0..plan.arms.len() {
        let Some(task) = tasks.iter().find(|task| task.arm == arm) else { continue };
        if found.labels_first && task.config.supervision.needs_store() {
            continue;
        }
        let trainer = shared.trainer(task)?;
        for warning in trainer.warnings() {
            if !found.warnings.contains(warning) {
                found.warnings.push(warning.clone());
            }
        }
    }
    Ok(found)
}

fn other_settings(error: Error) -> Error {
    Error::new(error.kind(), "sweep", error.to_string())
        .remedy("take another --out, or remove the runs of the older settings")
}

/// What all runs share: images decoded once, for all of them.
struct Shared {
    images: ImageList,
    validation: Option<ImageList>,
    /// What these are, and the store's labels, for [`same_run`].
    data: toml::Table,
    waiting: Mutex<VecDeque<Task>>,
    /// Tells all runs to stop.
    halt: AtomicBool,
}

impl Shared {
    /// Lists the images.
    fn list(plan: &SweepPlan, store: Option<&Path>) -> Result<Self> {
        let first = plan.arms.first().ok_or_else(|| Error::usage("sweep", "it has no arm"))?;
        let (images, validation) = image_lists(&first.config)?;
        Self::of(images, validation, store)
    }

    fn of(images: ImageList, validation: Option<ImageList>, store: Option<&Path>) -> Result<Self> {
        let store = store.map(Store::open).transpose()?;
        let trained = store.as_ref().map(|store| store.labelled(images.clone())).transpose()?;
        let data = data(trained.as_ref().unwrap_or(&images), validation.as_ref(), store.as_ref());
        let waiting = Mutex::new(VecDeque::new());
        Ok(Self { images, validation, data, waiting, halt: AtomicBool::new(false) })
    }

    /// Lists the images, and looks at them once for all runs; what is found is kept in the folder `out`.
    fn open(
        plan: &SweepPlan,
        store: Option<&Path>,
        out: Option<&Path>,
        stop: &AtomicBool,
        listen: Listener,
    ) -> Result<Self> {
        let Self { mut images, validation, .. } = Self::list(plan, store)?;
        let skips = plan.arms.first().is_some_and(|arm| arm.config.skip_bad);
        let check = &mut ImageCheck { folder: out, validates: true, stop, listen };
        if skips && store.is_none() {
            images = without_broken(images, check)?.0;
        }
        if let Some(list) = &validation {
            check_validation(list, skips, check.listen)?;
        }
        Self::of(images, validation, store)
    }

    /// Whether finished runs are of this sweep: the same settings, images and labels.
    fn check(&self, finished: &[Task]) -> Result<()> {
        let same = |task: &Task| same_run(&task.folder, &task.config, &self.data).map_err(other_settings);
        finished.iter().try_for_each(same)
    }

    /// Reads what finished runs left, and looks at it.
    fn analysis(&self, plan: &SweepPlan, tasks: &[Task]) -> Result<(Analysis, Vec<Finished>)> {
        let finished: Vec<Finished> = tasks.iter().map(Task::finished).collect::<Result<_>>()?;
        let images = self.validation.as_ref().map_or(0, ImageList::len) as u64;
        Ok((Analysis::of(plan, &finished, images), finished))
    }

    /// Does the missing runs, several at a time: a network as small as theirs keeps no more than one core busy.
    fn teach(
        &self,
        plan: &SweepPlan,
        missing: Vec<Task>,
        before: usize,
        stop: &AtomicBool,
        listen: Listener,
    ) -> Result<()> {
        if missing.is_empty() {
            return Ok(());
        }
        let cores = rayon::current_num_threads();
        let workers = if plan.jobs == 0 { cores } else { plan.jobs }.min(missing.len());
        let of_a_run = (cores / workers).max(1);
        let progress = Progress::new(&missing, self.images.len(), before)?;
        *lock(&self.waiting) = missing.into();
        let (send, receive) = mpsc::channel();
        let mut failure: Option<Error> = None;
        std::thread::scope(|scope| {
            let start = |send: mpsc::Sender<_>| {
                let thread = spawn_in(scope, move || self.work(of_a_run, plan.tensorboard, &send));
                thread.inspect_err(|_| self.halt.store(true, Ordering::Relaxed))
            };
            let started: Vec<_> = (0..workers).map(|_| start(send.clone())).collect();
            drop(send);
            progress.pass_on(&receive, stop, &self.halt, listen);
            for thread in started {
                let done = thread.and_then(|thread| {
                    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                });
                match done {
                    // An interruption says less than the error that caused it.
                    Err(error) if failure.as_ref().is_none_or(|f| f.kind() == ErrorKind::Interrupted) => {
                        failure = Some(error);
                    }
                    _ => {}
                }
            }
        });
        match failure {
            None => Ok(()),
            Some(error) if error.kind() == ErrorKind::Interrupted => {
                Err(Error::new(ErrorKind::Interrupted, "sweep", "stopped; every run has a checkpoint")
                    .remedy("run the same command again: it goes on where it stopped"))
            }
            Some(error) => Err(threads::of_jobs(error, workers)),
        }
    }

    /// Does one run after the other, until none waits.
    fn work(
        &self,
        of_a_run: usize,
        tensorboard: bool,
        events: &mpsc::Sender<(PathBuf, Event)>,
    ) -> Result<()> {
        let pool = threads::pool(of_a_run).inspect_err(|_| self.halt.store(true, Ordering::Relaxed))?;
        loop {
            // A run that was told to stop ends with an error; one that had just ended must not start another.
            if self.halt.load(Ordering::Relaxed) {
                return Err(Error::new(ErrorKind::Interrupted, "sweep", "stopped between two runs"));
            }
            let next = lock(&self.waiting).pop_front();
            let Some(task) = next else { return Ok(()) };
            let done = pool.install(|| self.run(&task, tensorboard, events));
            done.inspect_err(|_| self.halt.store(true, Ordering::Relaxed))?;
        }
    }

    fn trainer(&self, task: &Task) -> Result<Trainer> {
        let config = &task.config;
        let devices = ferkd_nn::device::open_all(&config.device)?;
        let inputs = Inputs::open(config, self.images.clone(), self.validation.clone(), &devices)?;
        Trainer::on_devices(config.clone(), inputs, devices)
    }

    fn run(&self, task: &Task, tensorboard: bool, events: &mpsc::Sender<(PathBuf, Event)>) -> Result<()> {
        let trainer = self.trainer(task)?;
        let resume = task.folder.join("config.toml").exists();
        let mut board = Board::new(&task.folder, tensorboard);
        train_with(trainer, &task.folder, resume, &self.halt, &mut |event| {
            for event in std::iter::once(event).chain(&board.hear(event)) {
                // The other end closes only when the sweep has failed.
                let _ = events.send((task.folder.clone(), event.clone()));
            }
        })?;
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
