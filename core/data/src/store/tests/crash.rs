//! A writer that is interrupted at any byte or step, and resumed.

use super::*;
use crate::atomic::fault::crash_after;

/// Crashes after each number of steps in turn, until a run gets through; returns how many crashes there were.
fn crash_everywhere(manifest: &Manifest, stride: usize) -> u32 {
    let whole = contents(stored(manifest).path());
    let mut crashes = 0;
    for steps in (0..).step_by(stride) {
        let folder = tempfile::tempdir().unwrap();
        crash_after(Some(steps));
        let done = write(folder.path(), manifest);
        crash_after(None);
        if done.is_ok() {
            return crashes;
        }
        crashes += 1;
        // No half a file under its own name, and no record of a file that is not whole.
        for (name, bytes) in contents(folder.path()) {
            if let Some(bytes_at_the_end) = whole.get(&name)
                && name != CHECKSUMS
            {
                assert_eq!(&bytes, bytes_at_the_end, "{name} after {steps} steps");
            }
        }
        assert!(Store::open(folder.path()).is_err() || contents(folder.path()) == whole);
        write(folder.path(), manifest).unwrap();
        assert_eq!(contents(folder.path()), whole, "after {steps} steps");
    }
    crashes
}

#[test]
fn a_store_interrupted_at_any_byte_ends_with_the_same_bytes() {
    // A prime stride meets every file, and within files ever other bytes; the steps between files are met by
    // the test below.
    let crashes = crash_everywhere(&explicit(3), 37);
    assert!(crashes > 100, "{crashes}");
}

#[test]
fn every_step_around_the_first_files_is_survived() {
    let mut manifest = manifest(1, Codec::Hard, 1);
    manifest.regions.per_image = REGIONS;
    let crashes = crash_everywhere(&manifest, 3);
    assert!(crashes > 500, "{crashes}");
}

#[test]
fn two_crashes_in_a_row_are_survived() {
    let manifest = explicit(3);
    let whole = contents(stored(&manifest).path());
    for (first, second) in [(0, 0), (2500, 10), (3000, 900), (4000, 300), (5000, 2), (5200, 1500)] {
        let folder = tempfile::tempdir().unwrap();
        for steps in [first, second] {
            crash_after(Some(steps));
            let _ = write(folder.path(), &manifest);
        }
        crash_after(None);
        write(folder.path(), &manifest).unwrap();
        assert_eq!(contents(folder.path()), whole);
    }
}
