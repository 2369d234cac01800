//! TensorBoard's event files beside `metrics.jsonl`: the same numbers, heard from the same events.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use ferkd_data::events::Event;
use ferkd_data::tensorboard::{PREFIX, restart, scalars, version};
use ferkd_method::error::{IoContext, Result};
use ferkd_method::mining::RegionKind;

/// A listener that writes what a run says into its folder, where that is asked for.
#[derive(Debug)]
pub struct Board {
    folder: Option<PathBuf>,
    file: Option<EventFile>,
}

impl Board {
    /// A listener for the run in `folder`; it writes nothing if it is not `asked`.
    pub fn new(folder: &Path, asked: bool) -> Self {
        Self { folder: asked.then(|| folder.to_owned()), file: None }
    }

    /// Writes an event's numbers; what a person should know if it cannot, once: training goes on.
    pub fn hear(&mut self, event: &Event) -> Option<Event> {
        let folder = self.folder.as_deref()?;
        let done = match (event, &mut self.file) {
            (Event::Started { unit, done, .. }, None) if unit == "steps" => {
                EventFile::create(folder, *done).map(|file| self.file = Some(file))
            }
            (event, Some(file)) => file.add(event),
            (_, None) => Ok(()),
        };
        let error = done.err()?;
        (self.folder, self.file) = (None, None);
        Some(Event::Notice { text: format!("warning: nothing more is written for TensorBoard: {error}") })
    }
}

/// An event file of a run, one for each time that the run is gone on with.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Begins a file in a run's folder, for what comes after step `step`: TensorBoard forgets what the folder's other
    /// files say of later ones.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn create(folder: &Path, step: u64) -> Result<Self> {
        let time = now_s();
        // In the order of time, which is the order that TensorBoard reads them in.
        let path = folder.join(format!("{PREFIX}{:010}.{step:010}.ferkd", time as u64));
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(&path).at(&path)?;
        let mut created = Self { path, file };
        created.write(&version(time))?;
        if step > 0 {
            created.write(&restart(time, step + 1))?;
        }
        Ok(created)
    }

    /// Writes the numbers of a metric or an evaluation; other events have none.
    ///
    /// # Errors
    /// A file that cannot be written to.
    pub fn add(&mut self, event: &Event) -> Result<()> {
        match event {
            Event::Metric { step, epoch, loss, lr, kinds, fallbacks, regions_per_s, .. } => {
                let mut values = vec![
                    ("train/loss", *loss),
                    ("train/learning_rate", *lr),
                    ("train/epoch", *epoch),
                    ("train/regions_per_s", *regions_per_s),
                ];
                if kinds.total() > 0 {
                    let (tags, shares) = (RegionKind::ALL.map(tag), kinds.shares());
                    values.extend(tags.into_iter().zip(shares));
                    values.push(("mining/fallbacks", *fallbacks as f64));
                }
                self.write(&scalars(now_s(), *step, &values))
            }
            Event::Evaluation { step, top1, top5, loss, .. } => {
                let values = [("val/top1", *top1), ("val/top5", *top5), ("val/loss", *loss)];
                self.write(&scalars(now_s(), *step, &values))
            }
            _ => Ok(()),
        }
    }

    /// A record at once, so that a run that is killed leaves whole ones.
    fn write(&mut self, record: &[u8]) -> Result<()> {
        self.file.write_all(record).at(&self.path)
    }
}

/// A kind's share of the regions.
fn tag(kind: RegionKind) -> &'static str {
    match kind {
        RegionKind::Discarded => "mining/discarded",
        RegionKind::Context => "mining/context",
        RegionKind::Important => "mining/important",
        RegionKind::Trivial => "mining/trivial",
    }
}

/// Seconds since 1970.
fn now_s() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64())
}
