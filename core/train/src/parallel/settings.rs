//! Whether two runs train the same: a run that is resumed, and the nodes of one run.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::TrainConfig;
use crate::trainer::Trainer;
use ferkd_method::error::{Error, Result};
use ferkd_nn::weights::{Precision, StateDict};

/// The device, the prefetching and how often things are written may change.
const RUNTIME_ONLY_KEYS: [&str; 5] = ["device", "prefetch", "cache-mb", "checkpoint-every", "keep-every"];

/// Refuses to go on with other settings than those of the run whose `config.toml` is at `path`.
pub(crate) fn same_settings(path: &Path, now: &str) -> Result<()> {
    // Settings that a later version added are at their defaults in older runs.
    let before: TrainConfig = ferkd_data::config::resolve(&[ferkd_data::config::read_layer(path)?])?;
    let before = ferkd_data::config::table(&before)?;
    let now: toml::Table = now.parse().map_err(|e| Error::usage("configuration", format!("{e}")))?;
    let differences = differences(&before, &now);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::mismatch(
        path.display().to_string(),
        format!("the run was begun with other settings; {differences}"),
    )
    .remedy("resume with the settings it was begun with, or begin another run"))
}

/// The settings that decide what is trained and differ, as text; empty where none does.
pub(super) fn differences(there: &toml::Table, now: &toml::Table) -> String {
    let keys: BTreeSet<&String> = there.keys().chain(now.keys()).collect();
    let show = |v: Option<&toml::Value>| v.map_or("unset".into(), ToString::to_string);
    let differences: Vec<String> = keys
        .into_iter()
        .filter(|k| !RUNTIME_ONLY_KEYS.contains(&k.as_str()) && there.get(*k) != now.get(*k))
        .map(|k| format!("{k}: {} there, {} now", show(there.get(k)), show(now.get(k))))
        .collect();
    differences.join("; ")
}

/// What has to be the same on all nodes: settings, and in the place of paths, which may differ from machine to
/// machine, a checksum of what is there.
///
/// # Errors
/// Weights that cannot be read back.
pub(super) fn shared(trainer: &Trainer) -> Result<toml::Table> {
    let mut table = ferkd_data::config::table(trainer.config())?;
    RUNTIME_ONLY_KEYS.iter().chain(&["val", "images", "store", "weights", "teacher"]).for_each(|key| {
        table.remove(*key);
    });
    let mut put = |key: &str, value: String| drop(table.insert(key.to_owned(), value.into()));
    put("images (SHA-256 of their names)", trainer.batcher().images.digest());
    if let Some(store) = trainer.store() {
        put("store (SHA-256 of its checksums)", store.digest().to_owned());
    }
    if let Some(teacher) = trainer.teacher() {
        put("teacher (SHA-256)", teacher.sha256.clone());
    }
    if trainer.config().weights.is_some() {
        let bytes = StateDict::of(trainer.student())?.to_bytes(Precision::F32)?;
        put("weights (SHA-256)", ferkd_data::digest::sha256(&bytes));
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_an_older_run_lacks_are_at_their_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        let now = toml::to_string(&TrainConfig::default()).unwrap();
        let older: String = now
            .lines()
            .filter(|line| !line.starts_with("drop-path"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_ne!(older, now);
        std::fs::write(&path, &older).unwrap();
        same_settings(&path, &now).unwrap();
        let other = now.replace("epochs = 300", "epochs = 301");
        let error = same_settings(&path, &other).unwrap_err().to_string();
        assert!(error.contains("epochs: 300 there, 301 now"), "{error}");
    }
}
