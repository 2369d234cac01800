//! Several processes of the program, started by `mpirun`, train one student: as one process does, up to rounding; stopped
//! and resumed, killed, failing, and started with different settings.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ferkd_nn::weights::StateDict;
use ferkd_skip::skipped;
use ferkd_tests::{Answer, answer, command, ferkd, few_scenes, files, has_mpi, program};

const TRAIN: &str = "train --images scenes --supervision hard --arch vit-ti16 --width 16 --depth 2 --heads 2 \
                     --patch 8 --side 16 --batch 16 --regions-per-step 2 --regions 6 --lr 0.05 \
                     --optimizer sgd --log-every 1 --eval-every 2 --json";

/// What is added where nothing else is tried.
const SHORT: &str = "--epochs 4 --device flex --run";

/// So many processes of the program, in `at`.
fn mpirun(at: &Path, ranks: usize, line: &str) -> Command {
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]);
    command.args(["-n", &ranks.to_string()]).arg(program()).args(line.split_whitespace());
    command.current_dir(at).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What `ranks` processes answer together.
fn train(at: &Path, ranks: usize, more: &str) -> Answer {
    answer(&mut mpirun(at, ranks, &format!("{TRAIN} {more}")))
}

fn end(child: Child) -> Answer {
    let done = child.wait_with_output().unwrap();
    Answer {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8(done.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// Waits until a line holds `word`; what is said from there on goes nowhere.
fn wait_for(child: &mut Child, word: &str) {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    for line in lines.by_ref().map_while(Result::ok) {
        if line.contains(word) {
            std::thread::spawn(move || lines.for_each(drop));
            return;
        }
        said += &format!("{line}\n");
    }
    panic!("no `{word}` in: {said}");
}

/// The process of rank `rank` that `mpirun` has started.
fn process_of(mpirun: &Child, rank: usize) -> u32 {
    let parent = format!("PPid:\t{}", mpirun.id());
    let own = format!("OMPI_COMM_WORLD_RANK={rank}");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let found = numbers.into_iter().find(|id| {
        let read = |file: &str| std::fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        String::from_utf8_lossy(&read("status")).lines().any(|line| line == parent)
            && read("environ").split(|byte| *byte == 0).any(|variable| variable == own.as_bytes())
    });
    found.expect("the process is there")
}

fn signal(name: &str, process: u32) {
    assert!(Command::new("kill").args([name, &process.to_string()]).status().unwrap().success());
}

fn last(at: &Path, run: &str) -> StateDict {
    StateDict::read(&at.join(run).join("checkpoints/last.safetensors")).unwrap()
}

fn last_bytes(at: &Path, run: &str) -> Vec<u8> {
    files(&at.join(run)).remove("checkpoints/last.safetensors").unwrap()
}

/// Weights, without the optimizer's numbers.
fn weights(dict: &StateDict) -> Vec<f32> {
    let trained = dict.tensors.iter().filter(|(name, _)| !name.starts_with("optimizer."));
    trained.flat_map(|(_, tensor)| tensor.values.clone()).collect()
}

#[test]
fn processes_train_as_one() {
    if !has_mpi() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{TRAIN} {SHORT} one")).ok();
    let one = weights(&last(at.path(), "one"));
    for ranks in [2, 3] {
        let run = format!("by-{ranks}");
        let answer = train(at.path(), ranks, &format!("{SHORT} {run}")).ok();
        // One JSON object, by the first alone.
        assert!(answer.json()["train_loss"].is_number());
        let several = weights(&last(at.path(), &run));
        let apart = one.iter().zip(&several).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(one.len() == several.len() && apart < 1e-5, "{ranks}: {apart}");
        // The same bytes each time.
        train(at.path(), ranks, &format!("{SHORT} {run}-again")).ok();
        assert!(last_bytes(at.path(), &run) == last_bytes(at.path(), &format!("{run}-again")), "{ranks}");
    }
}

#[test]
fn processes_of_several_devices_train_as_one() {
    if !has_mpi() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let on = |devices: &str, run: &str| format!("{} {run}", SHORT.replace("flex", devices));
    ferkd(at.path(), &format!("{TRAIN} {}", on("flex,flex", "one"))).ok();
    train(at.path(), 2, &on("flex", "two")).ok();
    // One device each, or two in one process: the same shares, added in the same order.
    assert_eq!(weights(&last(at.path(), "one")), weights(&last(at.path(), "two")));
    train(at.path(), 2, &on("flex,flex,flex,flex", "four")).ok();
    let (two, four) = (weights(&last(at.path(), "two")), weights(&last(at.path(), "four")));
    let apart = two.iter().zip(&four).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(apart < 1e-5, "{apart}");
    train(at.path(), 2, &on("flex,flex,flex", "uneven"))
        .fails(2, &["2 processes of this machine", "3 devices"]);
}

#[test]
fn an_interrupted_process_stops_all_and_all_go_on_exactly() {
    if !has_mpi() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let long = "--epochs 80 --device flex --run";
    train(at.path(), 2, &format!("{long} whole")).ok();
    // By a signal to a process that writes nothing, and by the one that `mpirun` hands on to all.
    for (run, by_rank) in [("by-the-second", true), ("by-mpirun", false)] {
        let mut both = mpirun(at.path(), 2, &format!("{TRAIN} {long} {run}")).spawn().unwrap();
        wait_for(&mut both, "epoch");
        match by_rank {
            true => signal("-INT", process_of(&both, 1)),
            false => signal("-USR1", both.id()),
        }
        assert_eq!(end(both).code, 130);
        let step = last(at.path(), run);
        assert!(!step.tensors.is_empty(), "{run}: no checkpoint");
        assert!(!at.path().join(run).join("summary.json").exists(), "{run} was not stopped");
        train(at.path(), 2, &format!("{long} {run} --resume")).ok();
        assert!(last_bytes(at.path(), run) == last_bytes(at.path(), "whole"), "{run}: the weights differ");
    }
}

#[test]
fn a_killed_process_ends_the_others_and_leaves_a_checkpoint() {
    if !has_mpi() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let long = "--epochs 4000 --checkpoint-every 1 --device flex --run killed";
    let mut both = mpirun(at.path(), 2, &format!("{TRAIN} {long}")).spawn().unwrap();
    wait_for(&mut both, "epoch");
    // The second may be a step ahead of what the first has written.
    let checkpoint = at.path().join("killed/checkpoints/last.safetensors");
    while !checkpoint.exists() {
        assert!(both.try_wait().unwrap().is_none(), "they ended before a checkpoint was written");
        std::thread::sleep(Duration::from_millis(10));
    }
    signal("-KILL", process_of(&both, 1));
    assert_ne!(end(both).code, 0);
    assert!(!StateDict::read(&checkpoint).unwrap().tensors.is_empty(), "a checkpoint is there whole");
}

#[test]
fn a_process_that_fails_ends_all_with_its_reason() {
    if !has_mpi() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    train(at.path(), 2, &format!("{SHORT} run")).ok();
    // The first alone looks at the folder; the second waits for it, and must not for ever.
    train(at.path(), 2, &format!("{SHORT} run")).fails(2, &["a run is there already", "--resume"]);
    // The second alone fails: what is read there is another folder.
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]);
    for (images, run) in [("scenes", "first"), ("nothing", "second")] {
        let line =
            format!("{TRAIN} {SHORT} {run} --images {images}").replace("train --images scenes", "train");
        command.args(if run == "first" { &["-n", "1"][..] } else { &[":", "-n", "1"] });
        command.arg(program()).args(line.split_whitespace());
    }
    answer(command.current_dir(at.path())).fails(1, &["rank 1 of 2 on ", "nothing"]);
}

#[test]
fn processes_of_different_settings_are_refused() {
    if !has_mpi() {
        return;
    }
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let mut command = Command::new("mpirun");
    command.args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none"]);
    for seed in [0, 5] {
        let line = format!("{TRAIN} {SHORT} run --seed {seed}");
        command.args(if seed == 0 { &["-n", "1"][..] } else { &[":", "-n", "1"] });
        command.arg(program()).args(line.split_whitespace());
    }
    let refused = answer(command.current_dir(at.path()));
    refused.fails(1, &["rank 1 of 2", "seed: 5 there, 0 now", "the same settings"]);
    assert!(!at.path().join("run").exists());
}

#[test]
fn a_program_without_mpi_refuses_to_be_one_of_several() {
    if cfg!(feature = "mpi") {
        return skipped("the program was built with MPI");
    }
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let words: Vec<&str> = TRAIN.split_whitespace().chain(["--run", "run"]).collect();
    let mut one = command(at.path(), &words);
    answer(one.env("OMPI_COMM_WORLD_SIZE", "2")).fails(2, &["built without MPI", "--features mpi"]);
    assert!(!at.path().join("run").exists());
}
