//! Several processes, here threads, over TCP.

use crate::upload::DeviceBatch;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::*;
use crate::run::{TrainSummary, train_together};
use ferkd_data::events::Event;
use ferkd_method::error::{ErrorKind, Result};

#[test]
fn nodes_take_the_steps_of_one_device() {
    let config = transformer();
    let mut one = trainer(&config, 10, 1);
    let losses = run(&mut one);
    for (of, replicas) in [(2, 1), (3, 1), (2, 2), (5, 1)] {
        let ended = nodes(&config, 10, of, replicas, |trainer| {
            (run(trainer), trainer.state().unwrap(), weights(trainer))
        });
        for (theirs, state, weights_of) in &ended {
            let apart = distance(&weights(&one), weights_of);
            assert!(apart < 2e-6, "{of} nodes of {replicas}: {apart}");
            assert_eq!(*theirs, ended[0].0);
            assert_eq!(*state, ended[0].1, "{of} nodes of {replicas} differ");
        }
        let close = losses.iter().zip(&ended[0].0).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close, "{losses:?} {:?}", ended[0].0);
        let again = nodes(&config, 10, of, replicas, |trainer| (run(trainer), trainer.state().unwrap()));
        assert_eq!((&again[0].0, &again[0].1), (&ended[0].0, &ended[0].1), "not the same twice");
    }
}

#[test]
fn a_node_without_rows_takes_part() {
    let config = TrainConfig { batch: 2, regions_per_step: 1, ..transformer() };
    let mut one = trainer(&config, 3, 1);
    run(&mut one);
    for weights_of in nodes(&config, 3, 3, 2, |trainer| {
        run(trainer);
        weights(trainer)
    }) {
        let apart = distance(&weights(&one), &weights_of);
        assert!(apart < 2e-6, "{apart}");
    }
}

#[test]
fn who_wants_to_stop_stops_all_after_the_same_step() {
    let stops = nodes(&transformer(), 10, 3, 1, |trainer| {
        let (batcher, share) = (trainer.batcher().clone(), trainer.share());
        (0..3)
            .map(|step| {
                let batch = DeviceBatch::from(batcher.share(step, &mut None, share).unwrap().unwrap());
                let asks = share.number == 2 && step == 1;
                trainer.advance_with(&batch, asks).unwrap().stops
            })
            .collect::<Vec<bool>>()
    });
    assert_eq!(stops, vec![vec![false, true, false]; 3]);
}

#[test]
fn a_node_that_vanishes_ends_the_others() {
    let ended = nodes(&transformer(), 10, 3, 1, |trainer| {
        let (batcher, share) = (trainer.batcher().clone(), trainer.share());
        for step in 0..3 {
            if share.number == 1 && step == 1 {
                return None;
            }
            let batch = DeviceBatch::from(batcher.share(step, &mut None, share).unwrap().unwrap());
            if let Err(error) = trainer.advance(&batch) {
                trainer.leave(&error);
                return Some((step, error.to_string()));
            }
        }
        panic!("node {} did not notice", share.number + 1);
    });
    assert_eq!(ended[1], None);
    for (number, end) in [(1, &ended[0]), (3, &ended[2])] {
        let (step, error) = end.as_ref().unwrap();
        assert_eq!(*step, 1);
        assert!(error.contains("node 2/3") && error.contains("--resume"), "node {number}: {error}");
    }
}

/// Trains by two nodes from folders; what each ended with. Node `stopping` is asked to stop when it hears of step 3.
fn together(at: &Path, run: &str, resume: bool, stopping: Option<u32>) -> Vec<Result<TrainSummary>> {
    let config = TrainConfig {
        images: at.join("train"),
        val: Some(at.join("train")),
        log_every: 1,
        eval_every: 2,
        epochs: 8,
        ema: Some(0.9),
        optimizer: Some(crate::config::OptimizerName::Adamw),
        lr: Some(1e-3),
        ..transformer()
    };
    let first = Rendezvous::new("1/2".parse().unwrap(), "127.0.0.1:0").unwrap();
    let second = Rendezvous::new("2/2".parse().unwrap(), first.address()).unwrap();
    std::thread::scope(|scope| {
        let threads = [(1, first), (2, second)].map(|(number, rendezvous)| {
            let config = TrainConfig { prefetch: number as usize, ..config.clone() };
            scope.spawn(move || {
                let stop = AtomicBool::new(false);
                // The second has no run folder, and needs none.
                let folder = at.join(if number == 1 { run } else { "nowhere" });
                train_together(&config, &folder, resume, rendezvous, &stop, &mut |event| {
                    if let (Event::Metric { step: 3, .. }, true) = (event, stopping == Some(number)) {
                        stop.store(true, Ordering::Relaxed);
                    }
                })
            })
        });
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

#[test]
fn a_resumed_run_ends_in_the_bytes_of_one_that_was_not_stopped() {
    let at = tempfile::tempdir().unwrap();
    for (name, _, bytes) in pictures(10) {
        let path = at.path().join("train").join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    let whole = together(at.path(), "whole", false, None);
    let losses: Vec<f64> = whole.iter().map(|ended| ended.as_ref().unwrap().train_loss).collect();
    assert_eq!(losses[0], losses[1]);
    let steps = whole[0].as_ref().unwrap().steps;
    for (run, stopping) in [("by-the-first", 1), ("by-the-second", 2)] {
        for ended in together(at.path(), run, false, Some(stopping)) {
            let error = ended.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Interrupted, "{error}");
            // Heard of the third step after it, asked to stop with the fourth.
            assert!(error.to_string().contains(&format!("after step 4 of {steps}")), "{error}");
        }
        for ended in together(at.path(), run, true, None) {
            assert_eq!(ended.unwrap().steps, steps);
        }
        for file in ["checkpoints/last.safetensors", "checkpoints/best.safetensors"] {
            let read = |run: &str| std::fs::read(at.path().join(run).join(file)).unwrap();
            assert!(read("whole") == read(run), "{run}: {file} differs");
        }
    }
    assert!(!at.path().join("nowhere").exists());
    // A folder that cannot be trained in ends both nodes, and says why on both.
    for ended in together(at.path(), "whole", false, None) {
        assert!(ended.unwrap_err().to_string().contains("a run is there already"));
    }
}
