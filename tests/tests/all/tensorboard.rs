//! TensorBoard's event files, of a run and of a sweep's runs: they say what `metrics.jsonl` says.

use std::collections::BTreeMap;

use ferkd_data::events::Event;
use ferkd_data::protobuf::{Value, fields};
use ferkd_data::tensorboard::{PREFIX, records};
use ferkd_tests::{ferkd, few_scenes, files};

/// The numbers of an event file: step and tag to value; and the steps that it begins anew at.
fn numbers(bytes: &[u8]) -> (BTreeMap<(u64, String), f32>, Vec<u64>) {
    let (mut found, mut restarts) = (BTreeMap::new(), Vec::new());
    for record in records(bytes).unwrap() {
        let event = fields(record).unwrap();
        let step = event.iter().find_map(|field| match *field {
            (2, Value::Int(step)) => Some(step),
            _ => None,
        });
        for field in event {
            match field {
                (5, Value::Bytes(summary)) => {
                    for (_, value) in fields(summary).unwrap() {
                        let Value::Bytes(value) = value else { panic!("{value:?}") };
                        let [(1, Value::Bytes(tag)), (2, Value::Bits32(number))] = fields(value).unwrap()[..]
                        else {
                            panic!("{value:?}")
                        };
                        let tag = String::from_utf8(tag.to_vec()).unwrap();
                        found.insert((step.unwrap(), tag), f32::from_le_bytes(number));
                    }
                }
                (7, _) => restarts.push(step.unwrap()),
                _ => {}
            }
        }
    }
    (found, restarts)
}

/// What a run's log says, as an event file has it: losses, rates, epochs and accuracies.
fn logged(metrics: &str) -> BTreeMap<(u64, String), f32> {
    let mut found = BTreeMap::new();
    for line in metrics.lines() {
        match serde_json::from_str(line).unwrap() {
            Event::Metric { step, loss, lr, epoch, .. } => {
                let values = [("train/loss", loss), ("train/learning_rate", lr), ("train/epoch", epoch)];
                found.extend(values.map(|(tag, value)| ((step, tag.to_owned()), value as f32)));
            }
            Event::Evaluation { step, top1, top5, loss, .. } => {
                let values = [("val/top1", top1), ("val/top5", top5), ("val/loss", loss)];
                found.extend(values.map(|(tag, value)| ((step, tag.to_owned()), value as f32)));
            }
            _ => {}
        }
    }
    found
}

#[test]
fn tensorboards_event_files_say_what_metrics_jsonl_says() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    let train = "train --images scenes --supervision hard --arch resnet8 --width 2 --side 32 --epochs 2 --batch 8 \
                 --regions-per-step 1 --device flex --run run";
    ferkd(at.path(), &train.replace("--run run", "--run plain")).ok();
    assert!(files(&at.path().join("plain")).keys().all(|name| !name.starts_with(PREFIX)));
    ferkd(at.path(), &format!("{train} --tensorboard")).ok();
    let events = |skip: usize| {
        let all = files(&at.path().join("run"));
        let mut found = all.iter().filter(|(name, _)| name.starts_with(PREFIX)).skip(skip);
        let (name, bytes) = found.next().unwrap();
        assert!(found.next().is_none(), "{name} is not alone");
        numbers(bytes)
    };
    let (found, restarts) = events(0);
    assert!(restarts.is_empty());
    let text = std::fs::read_to_string(at.path().join("run/metrics.jsonl")).unwrap();
    let expected = logged(&text);
    assert!(expected.keys().any(|(_, tag)| tag == "val/top1"));
    let mut without_times = found;
    without_times.retain(|(_, tag), _| tag != "train/regions_per_s");
    assert_eq!(without_times, expected);

    // What is gone on with begins a file that makes later steps of the others forgotten.
    let steps = expected.keys().map(|(step, _)| *step).max().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    ferkd(at.path(), &format!("{train} --tensorboard --resume")).ok();
    assert_eq!(events(1).1, [steps + 1]);
}

const SWEEP: &str = r#"
epochs = [2]
seeds = [0, 1]

[train]
val = "scenes/val"
arch = "resnet8"
width = 2
side = 16
batch = 8
regions-per-step = 1
log-every = 2
device = "flex"
supervision = "hard"

[[arm]]
name = "slow"
lr = 0.01

[[arm]]
name = "fast"
lr = 0.1
"#;

#[test]
fn each_run_of_a_sweep_has_an_event_file_of_its_own() {
    let at = tempfile::tempdir().unwrap();
    few_scenes(at.path());
    std::fs::write(at.path().join("sweep.toml"), SWEEP).unwrap();
    let sweep = "sweep --config sweep.toml --images scenes --out";
    ferkd(at.path(), &format!("{sweep} out --jobs 2 --tensorboard")).ok();
    let mut runs = BTreeMap::new();
    for (name, bytes) in files(&at.path().join("out/runs")) {
        let Some((run, file)) = name.rsplit_once('/') else { continue };
        if file.starts_with(PREFIX) {
            assert!(runs.insert(run.to_owned(), numbers(&bytes)).is_none(), "{run} has two");
        }
    }
    assert_eq!(runs.keys().collect::<Vec<_>>(), ["fast/2-0", "fast/2-1", "slow/2-0", "slow/2-1"]);
    for (run, (mut found, restarts)) in runs {
        let log = at.path().join("out/runs").join(&run).join("metrics.jsonl");
        let expected = logged(&std::fs::read_to_string(log).unwrap());
        found.retain(|(_, tag), _| tag != "train/regions_per_s");
        assert!(restarts.is_empty() && found == expected, "{run}: {found:?}, not {expected:?}");
        assert!(expected.keys().any(|(_, tag)| tag == "val/top1"), "{run}: {expected:?}");
    }
    // Unasked there are none; runs that are there already are left as they are.
    ferkd(at.path(), &format!("{sweep} plain")).ok();
    ferkd(at.path(), &format!("{sweep} plain --tensorboard")).ok();
    assert!(files(&at.path().join("plain")).keys().all(|name| !name.contains(PREFIX)));
    ferkd(at.path(), &format!("{sweep} out --tables --tensorboard")).fails(2, &["--tables", "--tensorboard"]);
}
