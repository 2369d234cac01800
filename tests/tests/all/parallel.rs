//! Two processes of the program train one student: as one process does, up to rounding; stopped and resumed, killed,
//! and started with different settings.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::Duration;

use ferkd_nn::weights::StateDict;
use ferkd_tests::{Answer, command, ferkd, few_scenes, files};

const TRAIN: &str = "train --images scenes --supervision hard --arch vit-ti16 --width 16 --depth 2 --heads 2 \
                     --patch 8 --side 16 --batch 16 --regions-per-step 2 --regions 6 --lr 0.05 \
                     --optimizer sgd --log-every 1 --eval-every 2 --json";

/// What is added where nothing else is tried.
const SHORT: &str = "--epochs 4 --device flex";

/// An address that was free a moment ago.
fn address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// One of two nodes.
fn node(at: &Path, number: u32, meet: &str, more: &str) -> Child {
    let line = format!("{TRAIN} --node {number}/2 --meet {meet} {more}");
    let words: Vec<&str> = line.split_whitespace().collect();
    command(at, &words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn end(child: Child) -> Answer {
    let done = child.wait_with_output().unwrap();
    Answer {
        code: done.status.code().unwrap_or(-1),
        stdout: String::from_utf8(done.stdout).unwrap(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}

/// Waits until a node says a line that holds `word`, and goes on reading, so that it never waits for its reader.
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

#[test]
fn two_processes_train_as_one() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{TRAIN} {SHORT} --run one")).ok();
    let meet = address();
    // The second comes first, and waits.
    let second = node(at.path(), 2, &meet, "--run nowhere --epochs 4 --device flex,flex");
    let first = node(at.path(), 1, &meet, &format!("--run two {SHORT}"));
    let (first, second) = (end(first).ok().json(), end(second).ok().json());
    assert_eq!(first["train_loss"], second["train_loss"]);
    assert!(!at.path().join("nowhere").exists());
    let last =
        |run: &str| StateDict::read(&at.path().join(run).join("checkpoints/last.safetensors")).unwrap();
    let (one, two) = (last("one"), last("two"));
    let weights = |dict: &StateDict| -> Vec<f32> {
        let trained = dict.tensors.iter().filter(|(name, _)| !name.starts_with("optimizer."));
        trained.flat_map(|(_, tensor)| tensor.values.clone()).collect()
    };
    let (one, two) = (weights(&one), weights(&two));
    let apart = one.iter().zip(&two).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(one.len() == two.len() && apart < 1e-5, "{apart}");
}

#[test]
fn an_interrupted_node_stops_both_and_both_go_on_exactly() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let long = "--epochs 200 --device flex";
    let meet = address();
    let first = node(at.path(), 1, &meet, &format!("--run stopped {long}"));
    let mut second = node(at.path(), 2, &meet, &format!("--run nowhere {long}"));
    wait_for(&mut second, "epoch");
    let interrupted = std::process::Command::new("kill").args(["-INT", &second.id().to_string()]).status();
    assert!(interrupted.unwrap().success());
    end(first).fails(130, &["stopped after step", "--resume"]);
    assert_eq!(end(second).code, 130);

    let meet = address();
    let first = node(at.path(), 1, &meet, &format!("--run stopped {long} --resume"));
    let second = node(at.path(), 2, &meet, &format!("--run nowhere {long} --resume"));
    end(first).ok();
    end(second).ok();
    let meet = address();
    let first = node(at.path(), 1, &meet, &format!("--run whole {long}"));
    let second = node(at.path(), 2, &meet, &format!("--run nowhere {long}"));
    end(first).ok();
    end(second).ok();
    let last = |run: &str| files(&at.path().join(run)).remove("checkpoints/last.safetensors").unwrap();
    assert!(last("stopped") == last("whole"), "the weights differ");
}

#[test]
fn a_killed_node_ends_the_other_with_an_error_that_says_to_resume() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let long = "--epochs 4000 --checkpoint-every 1 --device flex";
    let meet = address();
    let mut first = node(at.path(), 1, &meet, &format!("--run killed {long}"));
    let mut second = node(at.path(), 2, &meet, &format!("--run nowhere {long}"));
    wait_for(&mut second, "epoch");
    // The second may be a step ahead in what it says: the first has still to write what both computed.
    let checkpoint = at.path().join("killed/checkpoints/last.safetensors");
    while !checkpoint.exists() {
        assert!(first.try_wait().unwrap().is_none(), "the first node ended before it wrote a checkpoint");
        std::thread::sleep(Duration::from_millis(10));
    }
    second.kill().unwrap();
    second.wait().unwrap();
    end(first).fails(1, &["node 2/2", "--resume"]);
    let last = StateDict::read(&checkpoint).unwrap();
    assert!(!last.tensors.is_empty(), "a checkpoint is there whole");
}

#[test]
fn nodes_of_different_settings_refuse_each_other() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let meet = address();
    let first = node(at.path(), 1, &meet, &format!("--run run {SHORT}"));
    let second = node(at.path(), 2, &meet, &format!("--run nowhere {SHORT} --seed 5"));
    for answer in [end(first), end(second)] {
        answer.fails(1, &["node 2/2", "seed: 5 there, 0 now", "the same settings"]);
    }
    assert!(!at.path().join("run").exists());
    ferkd(at.path(), &format!("{TRAIN} {SHORT} --run run --node 1/2")).fails(2, &["--meet"]);
    ferkd(at.path(), &format!("{TRAIN} {SHORT} --run run --node 3/2 --meet {meet}")).fails(2, &["2/4"]);
}
