//! The README's first command and the table that it prints. Word for word with `FERKD_NIGHTLY`; with a third of the epochs
//! where every change waits for it.

use std::fs;

use ferkd_tests::{ferkd, repository};
use serde_json::Value;

const SUPERVISIONS: [&str; 5] = ["hard", "kd", "fkd", "ferkd", "ferkd+selfmix"];

/// What the README's first `cargo run` gives to the program.
fn first_command() -> String {
    let readme = fs::read_to_string(repository("README.md")).unwrap();
    let line = readme.lines().find_map(|line| line.strip_prefix("cargo run --release -- ")).unwrap();
    line.split('#').next().unwrap().trim().to_owned()
}

/// It, with the epochs that there is time for.
fn command() -> String {
    let first = first_command();
    if std::env::var_os("FERKD_NIGHTLY").is_some() { first } else { format!("{first} --epochs 16") }
}

#[test]
fn the_first_command_of_the_readme_prints_its_table() {
    let at = tempfile::tempdir().unwrap();
    let done = ferkd(at.path(), &command()).ok();
    let folder = at.path().join("ferkd-demo");
    let summary = fs::read(folder.join("summary.json")).unwrap();
    let summary: Value = serde_json::from_slice(&summary).unwrap();
    let report = fs::read_to_string(folder.join("report.html")).unwrap();
    for name in SUPERVISIONS {
        let accuracy = summary["supervisions"][name]["accuracy"].as_f64().unwrap();
        // One of ten digits: each has learnt far more than guessing.
        assert!(accuracy > 0.3 && accuracy < 1.0, "{name}: {accuracy}");
        let row = done.stdout.lines().find(|line| line.split_whitespace().next() == Some(name));
        let row = row.unwrap_or_else(|| panic!("no row of {name}: {}", done.stdout));
        assert!(row.contains(&format!("{:.1} %", 100.0 * accuracy)), "{accuracy} in {row}");
        assert!(report.contains(name), "{name} is not in the report");
        // Of 1796 images an accuracy has a standard error of at most 1.2 points.
        let half = summary["supervisions"][name]["half_width"].as_f64().unwrap();
        assert!(
            half > 0.005 && half < 0.024 && row.contains(&format!("± {:.1}", 100.0 * half)),
            "{half} in {row}"
        );
        assert_eq!(row.contains('['), name != "fkd", "the interval of the difference: {row}");
    }
    let says = summary["says"].as_str().unwrap();
    assert!(says.contains("ferkd") && done.stdout.contains(says), "{says}");
    let shares: f64 = summary["shares"].as_array().unwrap().iter().map(|share| share.as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    assert!(summary["confidence_auc"].as_f64().unwrap() > 0.7, "{summary}");
    // What it leaves is as any other store and run.
    ferkd(&folder, "verify store").ok();
    let run = fs::read_dir(folder.join("students/runs/ferkd")).unwrap().next().unwrap().unwrap();
    ferkd(&folder, &format!("eval {} scenes", run.path().display())).ok();
    // A second time, everything is there.
    let again = ferkd(at.path(), &command()).ok();
    let table =
        |text: &str| text.lines().skip(1).take(SUPERVISIONS.len()).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(table(&again.stdout), table(&done.stdout));
}
