//! A store, a run or a sweep whose bytes are still on their way: what it is shows once its first blocks are here.

use ferkd_data::store::{MANIFEST, ReadAt, Store};
use ferkd_method::{Error, Result};

use crate::dataset::{DataSet, Pictures};
use crate::run::{CONFIG, METRICS, RunView};
use crate::slices::Blocks;
use crate::slices::log::Log;
use crate::sweep::{RESULTS, SweepView};

/// Longest configuration that is read, in bytes.
const LONGEST_CONFIG: u64 = 1 << 20;

/// Longest table of a sweep that is read, in bytes.
const LONGEST_TABLE: u64 = 64 << 20;

/// Something that is being opened.
pub struct Opening {
    name: String,
    blocks: Blocks,
    is_live: bool,
}

/// What it turned out to be: a store, a run, both in one folder, or a sweep's table.
#[derive(Default)]
pub(crate) struct Opened {
    /// The store.
    pub set: Option<DataSet>,
    /// The run, followed from now on.
    pub run: Option<RunView>,
    /// The sweep.
    pub sweep: Option<SweepView>,
    /// What is wrong with the run's configuration; its curves are shown all the same.
    pub problem: Option<Error>,
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

impl Opening {
    /// Files that a store or a run is in. `is_live`: whether a log can be read again as it grows.
    pub fn new(name: impl Into<String>, blocks: Blocks, is_live: bool) -> Self {
        Self { name: name.into(), blocks, is_live }
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens it, as far as its bytes are here.
    ///
    /// # Errors
    /// A pending one while they are on their way; a folder that holds neither, or a damaged store.
    pub(crate) fn open(&self) -> Result<Opened> {
        let blocks = &self.blocks;
        let (is_run, is_store) = (is_there(blocks, METRICS), is_there(blocks, MANIFEST));
        // Both are asked for at once.
        let (is_run, is_store) = (is_run?, is_store?);
        if !is_run && !is_store {
            return self.open_sweep();
        }
        let config = match is_run && is_there(blocks, CONFIG)? {
            true => {
                let len = blocks.size(CONFIG)?.min(LONGEST_CONFIG);
                Some(blocks.read_at(CONFIG, 0, len as usize)?)
            }
            false => None,
        };
        let mut opened = Opened::default();
        if is_store {
            let store = Store::open_slices(Box::new(blocks.clone()))?;
            opened.set = Some(DataSet::of_store(&*self.name, store, Pictures::None));
        }
        if is_run {
            let mut run = RunView::new(&*self.name);
            if let Some(bytes) = config {
                opened.problem = run.configure(&format!("{}/{CONFIG}", self.name), bytes).err();
            }
            run.log = Some(Log::new(blocks.clone(), self.is_live));
            run.is_followed = true;
            opened.run = Some(run);
        }
        Ok(opened)
    }
    /// Opens the table of a sweep, which is asked for where nothing else is there.
    fn open_sweep(&self) -> Result<Opened> {
        if !is_there(&self.blocks, RESULTS)? {
            let problem = format!(
                "there is neither {MANIFEST} of a label store, {METRICS} of a run nor {RESULTS} of a sweep"
            );
            return Err(Error::damaged(&*self.name, problem).remedy("name the folder of one of them"));
        }
        let len = self.blocks.size(RESULTS)?;
        let file = format!("{}/{RESULTS}", self.name);
        if len > LONGEST_TABLE {
            return Err(Error::damaged(file, format!("longer than {LONGEST_TABLE} bytes")));
        }
        let bytes = self.blocks.read_at(RESULTS, 0, len as usize)?;
        let mut sweep = SweepView::new(&*self.name);
        sweep.take_results(&file, &String::from_utf8_lossy(&bytes))?;
        Ok(Opened { sweep: Some(sweep), ..Opened::default() })
    }
}
