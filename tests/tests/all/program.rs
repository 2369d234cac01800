//! The program as a user runs it: help, exit codes, JSON, and errors that name the file and the remedy.

use std::fs;

use ferkd_tests::{ferkd, few_scenes};

const COMMANDS: [&str; 12] = [
    "demo", "label", "verify", "mine", "train", "transfer", "sweep", "plan", "eval", "export", "import",
    "bench",
];

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

const TRAIN: &str = "train --images scenes --arch resnet8 --width 4 --side 16 --epochs 4 --batch 16 \
                     --regions-per-step 2 --regions 4 --eval-every 2 --device flex";

#[test]
fn help_teaches() {
    let at = folder();
    let all = ferkd(at.path(), "--help").ok().stdout;
    for name in COMMANDS {
        assert!(all.contains(&format!("  {name} ")), "{name} is missing in: {all}");
        let help = ferkd(at.path(), &format!("{name} --help")).ok().stdout;
        assert!(help.contains("Usage: ferkd"), "{help}");
        assert!(help.len() > 400, "{name}'s help is short: {help}");
    }
}

#[test]
fn wrong_usage_leaves_with_2() {
    let at = folder();
    ferkd(at.path(), "fly").fails(2, &["fly"]);
    ferkd(at.path(), "").fails(2, &["Usage"]);
    ferkd(at.path(), "mine store --quantiles 0.1,0.9").fails(2, &["three numbers"]);
    ferkd(at.path(), "label --wings 2").fails(2, &["--wings"]);
    ferkd(at.path(), "mine store --low 0.9 --mid 0.1 --high 0.95").fails(1, &["store"]);
    ferkd(at.path(), "train --run r --epochs many").fails(2, &["epochs"]);
    ferkd(at.path(), "train --run r --supervision hard --images x --device abacus")
        .fails(2, &["abacus", "flex"]);
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_known_one() {
    let at = folder();
    fs::write(at.path().join("c.toml"), "epoch = 3\n").unwrap();
    ferkd(at.path(), "train --config c.toml --run r").fails(2, &["c.toml", "epoch", "epochs"]);
    fs::write(at.path().join("c.toml"), "epochs = \n").unwrap();
    ferkd(at.path(), "train --config c.toml --run r").fails(2, &["c.toml"]);
    assert!(!at.path().join("r").exists());
}

#[test]
fn what_is_missing_is_named() {
    let at = folder();
    for line in ["verify nowhere", "mine nowhere", "eval digits nowhere", "export nowhere"] {
        ferkd(at.path(), line).fails(1, &["nowhere"]);
    }
    ferkd(at.path(), "label nowhere --teacher digits --out s").fails(1, &["nowhere"]);
    ferkd(at.path(), "label . --teacher nobody --out s").fails(2, &["nobody", "efficientnet-lite0"]);
}

/// label, verify, mine, train, eval, export, on pictures; each answers with one JSON object.
#[test]
fn the_whole_pipeline() {
    let at = folder();
    few_scenes(at.path());
    let run = |line: &str| ferkd(at.path(), line).ok();

    let labelled = run("label scenes --teacher digits --regions 4 --out store --device flex --json").json();
    assert_eq!((labelled["images"].as_u64(), labelled["regions"].as_u64()), (Some(40), Some(160)));
    assert_eq!(labelled["bytes_per_region"], 16);
    let again = run("label scenes --teacher digits --regions 4 --out store --device flex --json").json();
    assert_eq!(again["labelled_regions"], 0, "a finished store is labelled again");
    ferkd(at.path(), "label scenes --teacher digits --regions 5 --out store").fails(1, &["store"]);

    let sound = run("verify store --json").json();
    assert_eq!(sound["regions"], 160);

    let mined = run("mine store --by-class --write mining.toml --json").json();
    let shares: f64 = mined["shares"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");

    let trained = run(&format!("{TRAIN} --store store --config mining.toml --run run --json")).json();
    assert!(trained["accuracy"].as_f64().is_some(), "{trained}");
    for file in ["config.toml", "environment.json", "metrics.jsonl", "summary.json", "report.html"] {
        assert!(at.path().join("run").join(file).exists(), "the run has no {file}");
    }
    let report = fs::read_to_string(at.path().join("run/report.html")).unwrap();
    // Names of formats are no addresses of files.
    let [all, names] = ["://", "http://www.w3.org/"].map(|text| report.matches(text).count());
    assert_eq!(all, names, "it loads something");
    ferkd(at.path(), &format!("{TRAIN} --store store --run run")).fails(2, &["run", "--resume"]);

    let evaluated = run("eval run scenes --json").json();
    assert_eq!(evaluated["images"], 20);
    let exported = run("export run --out student.safetensors --json").json();
    assert!(exported.is_object());
    let same = run("eval student.safetensors scenes --json").json();
    assert_eq!(same["top1"], evaluated["top1"], "the exported student is another");
}

#[test]
fn every_supervision_trains() {
    let at = folder();
    few_scenes(at.path());
    ferkd(at.path(), "label scenes --teacher digits --regions 4 --out store --device flex").ok();
    let mut plans = Vec::new();
    for name in ["hard", "kd", "funmatch", "fkd", "ferkd", "ferkd+selfmix", "ferkd-drop", "ferkd-calibrate"] {
        let inputs = match name {
            "hard" => "",
            "kd" | "funmatch" => "--teacher digits",
            _ => "--store store",
        };
        let line = format!("{TRAIN} {inputs} --supervision {name} --run {name} --json");
        let done = ferkd(at.path(), &line).ok().json();
        let loss = done["train_loss"].as_f64().unwrap();
        assert!(loss.is_finite() && loss > 0.0, "{name}: loss {loss}");
        plans.push((name, done["steps"].clone()));
    }
    assert!(plans.iter().all(|(_, steps)| *steps == plans[0].1), "other numbers of steps: {plans:?}");
    ferkd(at.path(), &format!("{TRAIN} --supervision ferkd --run x")).fails(2, &["store"]);
    ferkd(at.path(), &format!("{TRAIN} --supervision kd --run x")).fails(2, &["teacher"]);
}

#[test]
fn a_loss_that_is_no_number_stops_the_run() {
    let at = folder();
    few_scenes(at.path());
    ferkd(at.path(), &format!("{TRAIN} --supervision hard --lr 1e30 --run r"))
        .fails(1, &["step", "learning rate"]);
}

/// The machinery without images: generated pictures go through the same decoding, cutting and training.
#[test]
fn synthetic_images_need_no_files() {
    let at = folder();
    let line = "train --images synthetic:8x4 --val synthetic:4x4 --supervision hard --arch resnet8 --width 2 --side 8 \
                --epochs 1 --batch 4 --regions-per-step 1 --regions 4 --device flex --run r --json";
    let done = ferkd(at.path(), line).ok().json();
    assert_eq!(done["steps"], 2);
    assert!(done["accuracy"].as_f64().is_some());
    ferkd(at.path(), &line.replace("synthetic:8x4", "synthetic:8"))
        .fails(2, &["synthetic:8", "IMAGESxCLASSES"]);
}

#[test]
fn quantiles_given_later_replace_absolute_thresholds() {
    let at = folder();
    few_scenes(at.path());
    fs::write(at.path().join("base.toml"), "low = 0.1\nmid = 0.2\nhigh = 0.9\n").unwrap();
    let line = format!("{TRAIN} --supervision hard --run r --dry-run --json --config base.toml");
    let config = |line: &str| ferkd(at.path(), line).ok().json()["config"].clone();
    assert!(config(&line)["low"].is_number());
    let replaced = config(&format!("{line} --quantiles 0.1,0.3,0.9"));
    assert!(replaced.get("low").is_none_or(serde_json::Value::is_null), "{replaced}");
    ferkd(at.path(), &format!("{line} --scale 8,100")).fails(2, &["scale", "0..=1"]);
}
