//! Parts, merged: interrupted anywhere, and refused where they do not go together.

use std::path::PathBuf;

use super::*;
use crate::atomic::fault::crash_after;
use crate::store::{Part, merge};
use ferkd_method::ErrorKind;

/// The parts of a store in `folder`, each written by a writer of its own.
fn parts(folder: &Path, manifest: &Manifest, of: u32) -> Vec<PathBuf> {
    let part = |number: u32| {
        let part: Part = format!("{number}/{of}").parse().unwrap();
        let path = folder.join(part.folder());
        let mut writer = StoreWriter::open(&path, manifest.clone()).unwrap();
        for shard in writer.missing_shards().into_iter().filter(|&shard| part.owns(shard)) {
            write_shard(&mut writer, shard).unwrap();
        }
        path
    };
    (1..=of).map(part).collect()
}

#[test]
fn merged_parts_are_the_store_written_in_one_go() {
    for (manifest, of) in [(explicit(9), 2), (explicit(9), 5), (manifest(3, Codec::Hard, 1), 4)] {
        let whole = contents(stored(&manifest).path());
        let folder = tempfile::tempdir().unwrap();
        for part in parts(folder.path(), &manifest, of) {
            let report = verify(part, 1).unwrap();
            assert!(report.is_sound(), "{report:?}");
        }
        assert!(Store::open(folder.path()).unwrap_err().to_string().contains("ferkd verify"));
        // With four parts of two shards, two parts hold nothing but a manifest.
        assert_eq!(merge(folder.path(), &[]).unwrap(), of);
        assert_eq!(contents(folder.path()), whole);
        assert_eq!(merge(folder.path(), &[]).unwrap(), 0);
        assert!(verify(folder.path(), 1).unwrap().is_sound());
    }
}

#[test]
fn parts_of_two_formats_are_refused_by_name() {
    let new = manifest(5, Codec::MarginalSmoothing, 5);
    let old = Manifest { format: 1, ..new.clone() };
    let folder = tempfile::tempdir().unwrap();
    let theirs = parts(folder.path(), &new, 2);
    fs::remove_dir_all(&theirs[1]).unwrap();
    let other = tempfile::tempdir().unwrap();
    fs::rename(&parts(other.path(), &old, 2)[1], &theirs[1]).unwrap();
    let error = merge(folder.path(), &[]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Mismatch);
    assert!(
        error.to_string().contains("part-2-of-2") && error.to_string().contains("`format` is 1"),
        "{error}"
    );
    assert!(error.to_string().contains("the same version of ferkd"), "{error}");
}

#[test]
fn a_merge_interrupted_after_any_file_goes_on() {
    let manifest = explicit(5);
    let whole = contents(stored(&manifest).path());
    let files = whole.len() - 2;
    for moved in 0..=files {
        let folder = tempfile::tempdir().unwrap();
        let sources = parts(folder.path(), &manifest, 2);
        let mut left = moved;
        for part in &sources {
            for name in contents(part).into_keys().filter(|name| FileId::parse(name).is_some()) {
                if left > 0 {
                    fs::rename(part.join(&name), folder.path().join(&name)).unwrap();
                    left -= 1;
                }
            }
        }
        assert_eq!(merge(folder.path(), &[]).unwrap(), 2);
        assert_eq!(contents(folder.path()), whole);
    }
}

#[test]
fn a_merge_that_crashes_while_it_writes_goes_on() {
    let manifest = explicit(3);
    let whole = contents(stored(&manifest).path());
    let mut crashes = 0;
    for steps in (0..).step_by(53) {
        let folder = tempfile::tempdir().unwrap();
        parts(folder.path(), &manifest, 2);
        crash_after(Some(steps));
        let done = merge(folder.path(), &[]);
        crash_after(None);
        if done.is_ok() {
            break;
        }
        crashes += 1;
        assert!(Store::open(folder.path()).is_err());
        merge(folder.path(), &[]).unwrap();
        assert_eq!(contents(folder.path()), whole, "after {steps} steps");
    }
    assert!(crashes > 20, "{crashes}");
}

#[test]
fn an_interrupted_tidying_up_goes_on() {
    let manifest = explicit(5);
    let folder = stored(&manifest);
    let whole = contents(folder.path());
    let sources = parts(folder.path(), &manifest, 2);
    fs::remove_file(sources[0].join(MANIFEST)).unwrap();
    fs::remove_file(sources[1].join("labels-00001.npy")).unwrap();
    assert_eq!(merge(folder.path(), &[]).unwrap(), 0);
    assert_eq!(contents(folder.path()), whole);
    // Another store's part in a whole store is no one's to remove.
    let mut other = manifest.clone();
    other.label.temperature = 3.0;
    let kept = parts(folder.path(), &other, 2);
    assert_eq!(merge(folder.path(), &[]).unwrap_err().kind(), ErrorKind::Mismatch);
    assert!(kept[0].join(MANIFEST).exists());
}

#[test]
fn parts_that_do_not_go_together_are_refused() {
    let manifest = explicit(5);
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let sources = parts(folder.path(), &manifest, 2);
    let refused = |others: &[PathBuf]| {
        let error = merge(elsewhere.path(), others).unwrap_err();
        assert!(contents(elsewhere.path()).is_empty());
        error.to_string()
    };
    assert!(refused(&sources[..1]).contains("2/2"));
    assert!(refused(&[folder.path().join("nowhere")]).contains("nowhere"));
    let held = StoreWriter::open(&sources[1], manifest.clone()).unwrap();
    assert!(refused(&sources).contains("someone else"));
    drop(held);
    // A part that records another part's shard.
    let mut writer = StoreWriter::open(&sources[1], manifest.clone()).unwrap();
    write_shard(&mut writer, 0).unwrap();
    drop(writer);
    assert!(refused(&sources).contains("belongs to another part"));
    fs::write(folder.path().join("thesis.tex"), b"x").unwrap();
    let error = merge(folder.path(), &[]).unwrap_err();
    assert!(error.kind() == ErrorKind::Usage && error.to_string().contains("thesis.tex"), "{error}");
}
