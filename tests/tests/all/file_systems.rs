//! File systems that know no locks and refuse to map files, as Lustre, NFS and FUSE may be: simulated by a library that
//! answers for the C library.
//!
//! Skipped, aloud, where there is no `cc`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use ferkd_skip::not_installed;
use ferkd_tests::{Answer, answer, command, ferkd, few_scenes, files, same};

const LABEL: &str = "label scenes --teacher digits --regions 4 --device flex";
const TRAIN: &str = "train --images scenes --supervision ferkd --arch resnet8 --width 4 --side 16 --epochs 4 --batch 16 \
                     --regions-per-step 2 --store store --device flex --run run";

/// No locks; no map of a file, while memory without one is mapped as ever.
const SOURCE: &str = r#"
#include <errno.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>
int flock(int fd, int how) { (void)fd; (void)how; errno = ENOSYS; return -1; }
void *mmap(void *at, size_t len, int prot, int flags, int fd, off_t offset) {
    if (fd >= 0 && !(prot & PROT_EXEC) && (flags & MAP_SHARED)) { errno = ENODEV; return MAP_FAILED; }
    return (void *)syscall(SYS_mmap, at, len, prot, flags, fd, offset);
}
void *mmap64(void *at, size_t len, int prot, int flags, int fd, off_t offset) {
    return mmap(at, len, prot, flags, fd, offset);
}
"#;

/// The library, where it can be built.
fn library(at: &Path) -> Option<PathBuf> {
    let (source, library) = (at.join("poor.c"), at.join("poor.so"));
    fs::write(&source, SOURCE).unwrap();
    let built = Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).args([&library, &source]).output();
    match built {
        Ok(done) => {
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
            Some(library)
        }
        Err(error) => {
            not_installed(format_args!("cc cannot be started: {error}"));
            None
        }
    }
}

fn poor(at: &Path, library: &Path, line: &str) -> Answer {
    let words: Vec<&str> = line.split_whitespace().collect();
    answer(command(at, &words).env("LD_PRELOAD", library))
}

#[test]
fn without_locks_and_maps_everything_comes_out_the_same() {
    let at = tempfile::tempdir().unwrap();
    let Some(library) = library(at.path()) else { return };
    few_scenes(at.path());
    ferkd(at.path(), &format!("{LABEL} --out whole")).ok();
    poor(at.path(), &library, &format!("{LABEL} --out store")).ok();
    same(&files(&at.path().join("whole")), &files(&at.path().join("store")));
    let mined = ferkd(at.path(), "mine whole --json").ok().json();
    assert_eq!(poor(at.path(), &library, "mine store --json").ok().json(), mined);
    poor(at.path(), &library, "verify store --images scenes").ok();
    poor(at.path(), &library, TRAIN).ok();
    assert!(!at.path().join("run/trainer.lock.held").exists(), "a lock is left behind");
}

#[test]
fn a_writer_that_was_killed_without_locks_is_named_with_the_file_to_remove() {
    let at = tempfile::tempdir().unwrap();
    let Some(library) = library(at.path()) else { return };
    few_scenes(at.path());
    fs::create_dir(at.path().join("store")).unwrap();
    let held = at.path().join("store/writer.lock.held");
    fs::write(&held, "node17\n4242\n").unwrap();
    let said = ["process 4242 on node17", "this file system knows no locks", "rm store/writer.lock.held"];
    poor(at.path(), &library, &format!("{LABEL} --out store")).fails(1, &said);
    ferkd(at.path(), &format!("{LABEL} --out store")).fails(1, &said[..1]);
    fs::remove_file(&held).unwrap();
    poor(at.path(), &library, &format!("{LABEL} --out store")).ok();
    ferkd(at.path(), "verify store").ok();
}
