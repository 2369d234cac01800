//! The demo's students, several at a time: a network as small as theirs keeps no more than one core busy.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Instant;

use crate::config::{Supervision, TrainConfig};
use crate::demo::settings::SUPERVISIONS;
use crate::run::{TrainSummary, train};
use crate::run_report::read_metrics;
use ferkd_data::events::{Event, Listener};
use ferkd_data::threads::{self, spawn_in};
use ferkd_method::error::{Error, ErrorKind, Result};

/// A student that was taught.
pub(super) struct Student {
    /// What it learned from.
    pub supervision: Supervision,
    /// How it did.
    pub summary: TrainSummary,
    /// Its accuracy on the held-out scenes, in 0..=1.
    pub accuracy: f64,
    /// What happened meanwhile.
    pub events: Vec<Event>,
}

/// Teaches a student under each supervision, in `runs/` of the folder `out`.
///
/// # Errors
/// The first one that a student meets; the others are stopped then.
pub(super) fn teach(
    out: &Path,
    config: &TrainConfig,
    stop: &AtomicBool,
    listen: Listener,
) -> Result<Vec<Student>> {
    let cores = rayon::current_num_threads();
    let workers = cores.min(SUPERVISIONS.len());
    // The slowest first: it asks the teacher at every step.
    let mut waiting: Vec<Supervision> = SUPERVISIONS.into();
    waiting.sort_by_key(|s| s.needs_teacher());
    let queue = Queue {
        out,
        config,
        threads: (cores / workers).max(1),
        waiting: Mutex::new(waiting),
        halt: AtomicBool::new(false),
    };
    let (send, receive) = mpsc::channel();
    let mut students = Vec::new();
    let mut failure: Option<Error> = None;
    std::thread::scope(|scope| {
        let queue = &queue;
        let start = |send: mpsc::Sender<_>| {
            let thread = spawn_in(scope, move || queue.work(&send));
            thread.inspect_err(|_| queue.halt.store(true, Ordering::Relaxed))
        };
        let threads: Vec<_> = (0..workers).map(|_| start(send.clone())).collect();
        drop(send);
        pass_on(&receive, stop, &queue.halt, listen);
        for thread in threads {
            let done = thread
                .and_then(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            match done {
                Ok(done) => students.extend(done),
                // An interruption says less than the error that caused it.
                Err(error) if failure.as_ref().is_none_or(|f| f.kind() == ErrorKind::Interrupted) => {
                    failure = Some(error);
                }
                Err(_) => {}
            }
        }
    });
    students.sort_by_key(|s| place(s.supervision));
    failure.map_or(Ok(students), Err)
}

/// What the threads share.
struct Queue<'a> {
    out: &'a Path,
    config: &'a TrainConfig,
    /// Threads of one student.
    threads: usize,
    /// Supervisions that no thread has taken up yet; the last is taken first.
    waiting: Mutex<Vec<Supervision>>,
    /// Tells all students to stop.
    halt: AtomicBool,
}

impl Queue<'_> {
    /// Trains one student after the other, until none waits.
    fn work(&self, events: &mpsc::Sender<(Supervision, Event)>) -> Result<Vec<Student>> {
        let pool = threads::pool(self.threads).inspect_err(|_| self.halt.store(true, Ordering::Relaxed))?;
        let mut done = Vec::new();
        loop {
            let next = self.waiting.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop();
            let Some(supervision) = next else { return Ok(done) };
            let trained = pool.install(|| self.student(supervision, events));
            done.push(trained.inspect_err(|_| self.halt.store(true, Ordering::Relaxed))?);
        }
    }

    fn student(
        &self,
        supervision: Supervision,
        events: &mpsc::Sender<(Supervision, Event)>,
    ) -> Result<Student> {
        let run = self.out.join("runs").join(supervision.name());
        let settings = TrainConfig { supervision, ..self.config.clone() };
        let summary = train(&settings, &run, false, &self.halt, &mut |event| {
            // The other end closes only when the demo has failed.
            let _ = events.send((supervision, event.clone()));
        })?;
        let accuracy = summary.accuracy.ok_or_else(|| {
            Error::mismatch(run.display().to_string(), "the student was not evaluated on the held-out scenes")
        })?;
        Ok(Student { supervision, summary, accuracy, events: read_metrics(&run.join("metrics.jsonl"))? })
    }
}

/// A supervision's place in the demo's order.
fn place(supervision: Supervision) -> usize {
    SUPERVISIONS.iter().position(|&other| other == supervision).unwrap_or_default()
}

/// Makes one stream of the students' streams: their steps together.
fn pass_on(
    events: &mpsc::Receiver<(Supervision, Event)>,
    stop: &AtomicBool,
    halt: &AtomicBool,
    listen: Listener,
) {
    let begun = Instant::now();
    let job = format!("{} students", SUPERVISIONS.len());
    let mut steps = [0; SUPERVISIONS.len()];
    let mut all = 0;
    for (supervision, event) in events {
        if stop.load(Ordering::Relaxed) {
            halt.store(true, Ordering::Relaxed);
        }
        match event {
            Event::Started { total, unit, .. } if all == 0 => {
                // Under every supervision the number of steps is the same.
                all = total * SUPERVISIONS.len() as u64;
                listen(&Event::Started { job: job.clone(), total: all, unit, done: 0 });
            }
            Event::Metric { step, .. } => {
                steps[place(supervision)] = step;
                let done: u64 = steps.iter().sum();
                let units_per_s = done as f64 / begun.elapsed().as_secs_f64().max(1e-9);
                let eta_s = (all - done) as f64 / units_per_s;
                listen(&Event::Progress { done, total: all, units_per_s, eta_s });
            }
            _ => {}
        }
    }
    if !stop.load(Ordering::Relaxed) && all > 0 {
        listen(&Event::Done { job, time_s: begun.elapsed().as_secs_f64() });
    }
}
