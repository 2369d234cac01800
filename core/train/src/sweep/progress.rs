//! One stream of events made of those of all runs of a sweep.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use crate::sweep::task::Task;
use ferkd_data::batches::plan::BatchPlan;
use ferkd_data::events::{Event, Listener};
use ferkd_method::error::Result;

/// One stream made of the runs' streams.
pub(super) struct Progress {
    job: String,
    total: u64,
}

impl Progress {
    /// Of the runs that are `missing`, on so many images; `before` others are done.
    ///
    /// # Errors
    /// Settings of which no plan of steps can be made.
    pub fn new(missing: &[Task], images: usize, before: usize) -> Result<Self> {
        let mut total = 0;
        for task in missing {
            let config = &task.config;
            total += BatchPlan::new(images, config.batch, config.length(), config.seed)?.steps();
        }
        let job = match before {
            0 => format!("{} runs", missing.len()),
            n => format!("{} runs, {n} others being there", missing.len()),
        };
        Ok(Self { job, total })
    }

    /// Steps of all runs together, as long as events come.
    pub fn pass_on(
        &self,
        events: &mpsc::Receiver<(PathBuf, Event)>,
        stop: &AtomicBool,
        halt: &AtomicBool,
        listen: Listener,
    ) {
        let begun = Instant::now();
        let total = self.total;
        let mut at: BTreeMap<PathBuf, u64> = BTreeMap::new();
        let (mut done, mut skipped) = (0, 0);
        let mut said = BTreeSet::new();
        listen(&Event::Started { job: self.job.clone(), total, unit: "steps".into(), done: 0 });
        for (run, event) in events {
            if stop.load(Ordering::Relaxed) {
                halt.store(true, Ordering::Relaxed);
            }
            match event {
                // What an interrupted run had done before says nothing of today's speed.
                Event::Started { done: before, .. } => {
                    skipped += before;
                    done += before;
                    at.insert(run, before);
                }
                Event::Metric { step, .. } => {
                    done += step - at.insert(run, step).unwrap_or(0).min(step);
                    let units_per_s = (done - skipped) as f64 / begun.elapsed().as_secs_f64().max(1e-9);
                    let eta_s = total.saturating_sub(done) as f64 / units_per_s.max(1e-9);
                    listen(&Event::Progress { done, total, units_per_s, eta_s });
                }
                // Runs on one store have the same to say.
                Event::Notice { text } if said.insert(text.clone()) => listen(&Event::Notice { text }),
                _ => {}
            }
        }
        if !halt.load(Ordering::Relaxed) {
            listen(&Event::Done { job: self.job.clone(), time_s: begun.elapsed().as_secs_f64() });
        }
    }
}
