//! What lies in the folders of runs and sweeps on this machine, besides a run's log: tables, the logs of a sweep's runs,
//! checkpoints.

use std::fs;
use std::path::{Path, PathBuf};

use ferkd_method::{Error, Result};

use crate::run::{METRICS, RunView};
use crate::sweep::{RESULTS, SweepView};

/// What a sweep is of; it stands in its folder from the start.
const PLAN: &str = "sweep.toml";

/// Longest table and longest log of a finished run that are read, in bytes.
const LONGEST: u64 = 64 << 20;

/// Largest checkpoint that is opened, in bytes.
const LARGEST: u64 = 2 << 30;

/// Whether a folder is a sweep's.
pub fn is_sweep(folder: &Path) -> bool {
    folder.join(PLAN).exists() || folder.join(RESULTS).exists()
}

/// A sweep: its table, where that is written, and the curves of the runs that are finished; and the first thing that is
/// wrong with one of these runs, which is left out.
///
/// # Errors
/// A table that cannot be read, or that is none.
pub fn sweep(folder: &Path) -> Result<(SweepView, Option<Error>)> {
    let mut sweep = SweepView::new(folder.display().to_string());
    let table = folder.join(RESULTS);
    if table.exists() {
        let text = String::from_utf8_lossy(&read(&table, LONGEST)?).into_owned();
        sweep.take_results(&table.display().to_string(), &text)?;
    }
    let mut problem = None;
    for arm in folders(&folder.join("runs")) {
        for run in folders(&arm) {
            let Some((epochs, seed)) = budget_and_seed(&run) else { continue };
            let log = run.join(METRICS);
            if !log.exists() {
                continue;
            }
            let mut view = RunView::new(run.display().to_string());
            if let Err(error) = read(&log, LONGEST).and_then(|bytes| view.grow(&bytes)) {
                problem.get_or_insert(error);
                continue;
            }
            let arm = arm.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            sweep.take_run(&arm, epochs, seed, &view.monitor);
        }
    }
    Ok((sweep, problem))
}

/// Epochs and seed of a run, as its folder in a sweep is called.
fn budget_and_seed(run: &Path) -> Option<(u64, u64)> {
    let (epochs, seed) = run.file_name()?.to_str()?.split_once('-')?;
    Some((epochs.parse().ok()?, seed.parse().ok()?))
}

/// What lies in a folder and is looked for, by name; none where the folder is not there.
fn sorted(folder: &Path, is_one: impl Fn(&PathBuf) -> bool) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_one).collect();
    found.sort();
    found
}

fn folders(at: &Path) -> Vec<PathBuf> {
    sorted(at, |path| path.is_dir())
}

/// The checkpoints of a run, by name.
pub fn checkpoints(run: &Path) -> Vec<PathBuf> {
    sorted(&run.join("checkpoints"), |path| path.extension().is_some_and(|end| end == "safetensors"))
}

/// The bytes of a checkpoint.
///
/// # Errors
/// A file that cannot be read, or that is too large for a window.
pub fn weights(path: &Path) -> Result<Vec<u8>> {
    read(path, LARGEST)
}

fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let size = fs::metadata(path).map_err(|error| Error::io(path, error))?.len();
    if size > most {
        let problem = format!("{size} bytes, and a window reads {most} at the most");
        return Err(Error::usage(path.display().to_string(), problem).remedy("look at it with `ferkd eval`"));
    }
    fs::read(path).map_err(|error| Error::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(accuracy: f64, is_done: bool) -> String {
        let started = r#"{"event":"started","job":"train","total":8,"unit":"steps","done":0}"#;
        let evaluation = format!(
            r#"{{"event":"evaluation","step":8,"epoch":4.0,"top1":{accuracy},"top5":1.0,"loss":1.0,"best":true}}"#
        );
        let done = if is_done { "{\"event\":\"done\",\"job\":\"train\",\"time_s\":1.0}\n" } else { "" };
        format!("{started}\n{evaluation}\n{done}")
    }

    #[test]
    fn a_sweep_that_goes_on_shows_the_runs_that_are_finished() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::write(at.join(PLAN), "").unwrap();
        for (run, text) in [
            ("fkd/4-1", log(0.25, true)),
            ("fkd/4-2", log(0.75, true)),
            ("ferkd/4-1", log(0.5, false)),
            ("ferkd/4-2", "{}\n".into()),
            ("ferkd/notes", log(0.5, true)),
        ] {
            fs::create_dir_all(at.join("runs").join(run)).unwrap();
            fs::write(at.join("runs").join(run).join(METRICS), text).unwrap();
        }
        assert!(is_sweep(at) && !is_sweep(&at.join("runs")));
        let (found, problem) = sweep(at).unwrap();
        let [cell] = &found.cells[..] else { panic!("{found:?}") };
        assert_eq!((cell.arm.as_str(), cell.epochs, found.unfinished), ("fkd", 4, 1));
        assert_eq!(cell.accuracy().unwrap().mean, 0.5);
        assert_eq!(cell.curve().len(), 1);
        let problem = problem.unwrap().to_string();
        assert!(problem.contains("ferkd") && problem.contains("4-2"), "{problem}");
    }

    #[test]
    fn checkpoints_are_those_of_the_run_by_name() {
        let folder = tempfile::tempdir().unwrap();
        assert!(checkpoints(folder.path()).is_empty());
        let at = folder.path().join("checkpoints");
        fs::create_dir(&at).unwrap();
        for name in ["step-0000010.safetensors", "best.safetensors", "last.safetensors.tmp"] {
            fs::write(at.join(name), name).unwrap();
        }
        assert_eq!(
            checkpoints(folder.path()),
            [at.join("best.safetensors"), at.join("step-0000010.safetensors")]
        );
        assert_eq!(weights(&at.join("best.safetensors")).unwrap(), b"best.safetensors");
        assert!(weights(&at.join("none.safetensors")).unwrap_err().to_string().contains("none.safetensors"));
    }
}
