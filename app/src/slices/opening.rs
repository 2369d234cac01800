//! A store or a run whose bytes are still on their way: what it is shows once its first blocks are here.

use ferkd::store::{MANIFEST, ReadAt, Store};
use ferkd::{Error, Result};
use web_time::{Duration, Instant};

use super::{Blocks, TAIL};
use crate::dataset::{DataSet, Pictures};
use crate::experiment::Data;
use crate::run::{CONFIG, METRICS, RunView};
use crate::state::State;

/// Time between two looks at a growing run's log.
const LOOK: Duration = Duration::from_secs(1);

/// Something that is being opened.
pub struct Opening {
    name: String,
    blocks: Blocks,
    is_live: bool,
}

impl Opening {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// Where the log of a run comes from.
#[derive(Clone)]
pub struct Log {
    blocks: Blocks,
    /// Whether what has been written since can be read too.
    pub is_live: bool,
    asked: Option<Instant>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("is_live", &self.is_live).finish_non_exhaustive()
    }
}

impl Log {
    /// Looks at the log again in the next frame, whenever it was looked at last.
    pub fn look_again(&mut self) {
        self.asked = None;
    }
}

/// Whether a file is there.
fn is_there(blocks: &Blocks, file: &str) -> Result<bool> {
    match blocks.size(file) {
        Ok(_) => Ok(true),
        Err(error) if error.is_pending() => Err(error),
        Err(error) => match blocks.is_missing(file) {
            true => Ok(false),
            false => Err(error),
        },
    }
}

impl State {
    /// Opens the store or the run that some files are. `is_live`: whether a log can be read again as it grows.
    pub fn open_blocks(&mut self, name: impl Into<String>, blocks: Blocks, is_live: bool) {
        self.opening = Some(Opening { name: name.into(), blocks, is_live });
    }

    /// Goes on opening what is on its way; once a frame.
    pub(crate) fn go_on_opening(&mut self) {
        let Some(opening) = self.opening.take() else { return };
        match self.try_opening(&opening) {
            Err(error) if error.is_pending() => self.opening = Some(opening),
            Err(error) => self.complain(error),
            Ok(()) => {}
        }
    }

    fn try_opening(&mut self, opening: &Opening) -> Result<()> {
        let blocks = &opening.blocks;
        let (is_run, is_store) = (is_there(blocks, METRICS), is_there(blocks, MANIFEST));
        // Both are asked for at once.
        let (is_run, is_store) = (is_run?, is_store?);
        if !is_run && !is_store {
            let problem = format!("there is neither {MANIFEST} of a label store nor {METRICS} of a run");
            return Err(
                Error::damaged(&*opening.name, problem).remedy("name the folder of a store or of a run")
            );
        }
        let config = match is_run && is_there(blocks, CONFIG)? {
            true => {
                let len = blocks.size(CONFIG)?.min(1 << 20);
                Some(blocks.read_at(CONFIG, 0, len as usize)?)
            }
            false => None,
        };
        if is_store {
            let store = Store::open_slices(Box::new(blocks.clone()))?;
            self.insert(Data::Yours, DataSet::of_store(&*opening.name, store, Pictures::None));
            self.look_at(Data::Yours);
        }
        if is_run {
            let mut run = RunView::new(&*opening.name);
            if let Some(bytes) = config
                && let Err(error) = run.configure(&format!("{}/{CONFIG}", opening.name), bytes)
            {
                self.complain(error);
            }
            run.log = Some(Log { blocks: blocks.clone(), is_live: opening.is_live, asked: None });
            run.is_followed = true;
            self.take_run(run);
        }
        Ok(())
    }

    /// Reads what the log of the run has grown by, where it comes in blocks; once a frame.
    pub(crate) fn follow_log(&mut self) {
        let Some(run) = self.run.as_mut().filter(|run| run.is_followed) else { return };
        let Some(mut log) = run.log.take() else { return };
        let failed = match log.blocks.take_tail(METRICS) {
            None => None,
            Some(Err(error)) => Some(error),
            Some(Ok((_, size))) if size < run.read => {
                // A run that is resumed writes its log anew.
                run.restart();
                log.asked = None;
                None
            }
            Some(Ok((bytes, size))) => {
                let is_more = run.read + (bytes.len() as u64) < size && bytes.len() as u64 == TAIL;
                let failed = run.grow(&bytes).err();
                if is_more {
                    log.asked = None;
                } else if !log.is_live {
                    run.is_followed = false;
                }
                failed
            }
        };
        if failed.is_some() {
            run.is_followed = false;
        } else if run.is_followed && log.asked.is_none_or(|asked| asked.elapsed() >= LOOK) {
            log.asked = Some(Instant::now());
            log.blocks.ask_tail(METRICS, run.read);
        }
        run.log = Some(log);
        if let Some(error) = failed {
            self.complain(error);
        }
    }
}
