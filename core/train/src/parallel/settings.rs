//! Whether two runs train the same: a run that is resumed, and the processes of one run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::config::TrainConfig;
use crate::trainer::Trainer;
use ferkd_data::atomic;
use ferkd_data::config::{read_layer, resolve, table};
use ferkd_data::digest::sha256;
use ferkd_data::images::ImageList;
use ferkd_data::store::Store;
use ferkd_method::error::{Error, Result};

/// Settings that may differ from sitting to sitting, and from process to process: no weight depends on them. What
/// `skip-bad` leaves out is seen by the images' names.
const RUNTIME_ONLY_KEYS: [&str; 7] =
    ["device", "prefetch", "cache-mb", "log-every", "checkpoint-every", "keep-every", "skip-bad"];

/// Settings that say where something lies: that may differ, and what lies there may not. Here stands what of it is
/// compared.
const PLACES: [(&str, &str); 6] = [
    ("images", "their number, and SHA-256 of their names"),
    ("val", "their number, and SHA-256 of their names"),
    ("store", "SHA-256 of its checksums"),
    ("teacher", "SHA-256 of its weights"),
    ("weights", "XXH3 of their tensors"),
    ("classes-file", "their number, and SHA-256 of their names"),
];

/// File of a run's folder that keeps what lay at these places when it was begun.
const INPUTS: &str = "inputs.toml";

/// Refuses to go on with another run than the one in `folder`, whose settings are in its `config.toml`. `inputs` is
/// what lies now at the places that `config` names, as far as that is known: see [`inputs`].
///
/// # Errors
/// All differences, by name.
pub(crate) fn same_run(folder: &Path, config: &TrainConfig, inputs: &toml::Table) -> Result<()> {
    let path = folder.join("config.toml");
    // Settings that a later version added are at their defaults in older runs.
    let before: TrainConfig = resolve(&[read_layer(&path)?])?;
    let (before, now) = (table(&before)?, table(config)?);
    let kept = folder.join(INPUTS);
    let kept = if kept.exists() { Some(read_layer(&kept)?.1) } else { None };
    let mut all = differences(&before, &now);
    for (key, what) in PLACES {
        match (kept.as_ref().and_then(|kept| kept.get(key)), inputs.get(key)) {
            (Some(there), Some(now)) if there == now => {}
            (Some(there), Some(now)) => {
                all.push(difference(&format!("{key} ({what})"), Some(there), Some(now)));
            }
            // One of them is not known, or not there: the places have to be the same.
            _ if is_same_place(before.get(key), now.get(key)) => {}
            _ => all.push(difference(key, before.get(key), now.get(key))),
        }
    }
    if all.is_empty() {
        return Ok(());
    }
    let problem = format!("the run was begun with other settings; {}", all.join("; "));
    Err(Error::mismatch(path.display().to_string(), problem)
        .remedy("resume with the settings it was begun with, or begin another run"))
}

/// Whether two settings name the same file or folder.
fn is_same_place(a: Option<&toml::Value>, b: Option<&toml::Value>) -> bool {
    let path = |value: &toml::Value| value.as_str().and_then(|path| fs::canonicalize(path).ok());
    match (a, b) {
        (Some(a), Some(b)) => a == b || path(a).is_some_and(|a| path(b) == Some(a)),
        (a, b) => a == b,
    }
}

/// Keeps in a run's folder what it is trained on, for [`same_run`].
///
/// # Errors
/// The system refuses.
pub(crate) fn keep_inputs(folder: &Path, inputs: &toml::Table) -> Result<()> {
    let text = toml::to_string(inputs).map_err(|e| Error::mismatch(INPUTS, e.to_string()))?;
    atomic::write(folder.join(INPUTS), text.as_bytes())
}

/// What lies at the places that the settings name.
pub(crate) fn inputs(trainer: &Trainer) -> toml::Table {
    let validation = trainer.validation().map(crate::eval::EvalSet::images);
    let mut table = data(&trainer.batcher().images, validation, trainer.store());
    let mut put = |key: &str, value: String| drop(table.insert(key.to_owned(), value.into()));
    if let Some(teacher) = trainer.teacher() {
        put("teacher", teacher.sha256.clone());
    }
    if let Some(checksum) = trainer.weights_checksum() {
        put("weights", format!("{checksum:016x}"));
    }
    if trainer.config().classes_file.is_some() {
        let ids = &trainer.card().classes.ids;
        put("classes-file", format!("{} {}", ids.len(), sha256(ids.join("\n").as_bytes())));
    }
    table
}

/// The same of the data alone.
pub(crate) fn data(images: &ImageList, validation: Option<&ImageList>, store: Option<&Store>) -> toml::Table {
    let mut table = toml::Table::new();
    let mut put = |key: &str, value: String| drop(table.insert(key.to_owned(), value.into()));
    let list = |list: &ImageList| format!("{} {}", list.len(), list.digest());
    put("images", list(images));
    if let Some(validation) = validation {
        put("val", list(validation));
    }
    if let Some(store) = store {
        put("store", store.digest().to_owned());
    }
    table
}

/// The settings that decide what is trained and differ, those apart that say where something lies.
pub(super) fn differences(there: &toml::Table, now: &toml::Table) -> Vec<String> {
    let keys: BTreeSet<&String> = there.keys().chain(now.keys()).collect();
    let counts =
        |key: &str| !RUNTIME_ONLY_KEYS.contains(&key) && PLACES.iter().all(|(place, _)| *place != key);
    keys.into_iter()
        .filter(|key| counts(key) && there.get(*key) != now.get(*key))
        .map(|key| difference(key, there.get(key), now.get(key)))
        .collect()
}

fn difference(key: &str, there: Option<&toml::Value>, now: Option<&toml::Value>) -> String {
    let show = |value: Option<&toml::Value>| value.map_or("unset".into(), ToString::to_string);
    format!("{key}: {} there, {} now", show(there), show(now))
}

/// What has to be the same in all processes: settings, and in the place of paths, which may differ from machine to
/// machine, what lies there. Only the first process evaluates.
///
/// # Errors
/// Settings that cannot be written.
pub(super) fn shared(trainer: &Trainer) -> Result<toml::Table> {
    let mut settings = table(trainer.config())?;
    settings
        .retain(|key, _| !RUNTIME_ONLY_KEYS.contains(&key) && PLACES.iter().all(|(place, _)| *place != key));
    let inputs = inputs(trainer);
    for (key, what) in PLACES.into_iter().filter(|(key, _)| *key != "val") {
        if let Some(value) = inputs.get(key) {
            settings.insert(format!("{key} ({what})"), value.clone());
        }
    }
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_an_older_run_lacks_are_at_their_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let now = toml::to_string(&TrainConfig::default()).unwrap();
        let older: String = now
            .lines()
            .filter(|line| !line.starts_with("drop-path"))
            .map(|line| format!("{line}\n"))
            .collect();
        assert_ne!(older, now);
        fs::write(folder.path().join("config.toml"), &older).unwrap();
        let same = |config: &TrainConfig| same_run(folder.path(), config, &toml::Table::new());
        same(&TrainConfig::default()).unwrap();
        let error = same(&TrainConfig { epochs: 301, ..TrainConfig::default() }).unwrap_err().to_string();
        assert!(error.contains("epochs: 300 there, 301 now"), "{error}");
    }

    #[test]
    fn places_are_told_by_what_lies_there_and_in_older_runs_by_where_they_are() {
        let folder = tempfile::tempdir().unwrap();
        let config = |images: &Path| TrainConfig { images: images.to_owned(), ..TrainConfig::default() };
        let (here, there) = (folder.path().join("a"), folder.path().join("b"));
        fs::create_dir(&here).unwrap();
        fs::write(folder.path().join("config.toml"), toml::to_string(&config(&here)).unwrap()).unwrap();
        let lies = |text: &str| toml::Table::from_iter([("images".to_owned(), text.into())]);
        let same = |images: &Path, text: &str| same_run(folder.path(), &config(images), &lies(text));
        // No one kept what lay there.
        same(&here.join("../a/."), "x").unwrap();
        assert!(same(&there, "x").unwrap_err().to_string().contains("images: "));
        keep_inputs(folder.path(), &lies("x")).unwrap();
        same(&there, "x").unwrap();
        let error = same(&here, "y").unwrap_err().to_string();
        assert!(
            error.contains("images (their number") && error.contains("\"x\" there, \"y\" now"),
            "{error}"
        );
        // What is free is free.
        let other = TrainConfig { log_every: 1, cache_mb: 1, skip_bad: true, ..config(&there) };
        same_run(folder.path(), &other, &lies("x")).unwrap();
    }
}
