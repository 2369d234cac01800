//! A run's folder as a target: corrupted in one of its files, it is read as for going on with it, exported and read for
//! a report; one in 256 is trained.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use burn::tensor::Device;
use ferkd_method::{Error, Result};
use ferkd_nn::classifier::Classifier;
use ferkd_tests::smallest_run;
use ferkd_train::inputs::image_lists;
use ferkd_train::run::check_folder;
use ferkd_train::run_report::read_metrics;
use ferkd_train::{Inputs, TrainConfig, Trainer, train};

use crate::packed::{NAME, pack, unpack};
use crate::seeds::put;
use crate::small_store::images;

/// What going on with a run reads; the rest of its folder is written again.
const READ: [&str; 4] = ["config.toml", "inputs.toml", "metrics.jsonl", "checkpoints/last.safetensors"];

/// What reads a run.
type Read = Box<dyn FnMut(&[u8]) -> Result<()>>;

/// A finished run on two pictures, as one file, and what reads it.
///
/// # Errors
/// It cannot be trained or written.
pub fn target(scratch: &Path) -> Result<(Vec<u8>, Read)> {
    images(scratch)?;
    let folder = scratch.join("run").join(NAME);
    // As small as it gets, for all of it is read each time; and its own classes, so that none are looked up in ImageNet's.
    let classes = scratch.join("classes.txt");
    put(&classes, b"3\n7\n")?;
    let config =
        TrainConfig { width: Some(1), classes_file: Some(classes), ..smallest_run(&scratch.join("images")) };
    let stop = AtomicBool::new(false);
    train(&config, &folder, false, &stop, &mut |_| ())?;
    let mut parts = Vec::new();
    for name in READ {
        let path = folder.join(name);
        parts.push((name.to_owned(), fs::read(&path).map_err(|e| Error::io(path, e))?));
    }
    let (images, validation) = image_lists(&config)?;
    let read = move |bytes: &[u8]| {
        write_files(&folder, bytes)?;
        let device = Device::flex();
        let inputs =
            Inputs { images: images.clone(), validation: validation.clone(), store: None, teacher: None };
        let trainer = Trainer::with_inputs(config.clone(), inputs, device.clone())?;
        // What one reader refuses, another one may still take.
        let mut resumed = check_folder(trainer, &folder, true).map(drop);
        // Of so many folders one is trained, which takes far longer than reading it.
        if bytes.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)) == 0 {
            resumed = train(&config, &folder, true, &stop, &mut |_| ()).map(drop);
        }
        let exported = Classifier::load(&folder.to_string_lossy(), &device).map(drop);
        let reported = read_metrics(&folder.join("metrics.jsonl")).map(drop);
        resumed.and(exported).and(reported)
    };
    Ok((pack(&parts), Box::new(read)))
}

/// Puts the files of a packed run into its folder, in place of whatever is there.
fn write_files(folder: &PathBuf, bytes: &[u8]) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    let checkpoints = folder.join("checkpoints");
    fs::create_dir_all(&checkpoints).map_err(|e| Error::io(&checkpoints, e))?;
    for (name, mut content) in unpack(bytes) {
        // The checksum is left out of every other checkpoint, so that what is corrupted reaches the readers behind it.
        if name.ends_with("safetensors") && content.len().is_multiple_of(2) {
            const SEAL: &[u8] = b"\"xxh3\"";
            if let Some(at) = content.windows(SEAL.len()).position(|part| part == SEAL) {
                content[at..at + SEAL.len()].copy_from_slice(b"\"none\"");
            }
        }
        if READ.contains(&name.as_str()) {
            put(&folder.join(name), &content)?;
        }
    }
    Ok(())
}
