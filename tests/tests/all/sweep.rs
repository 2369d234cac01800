//! `ferkd sweep` as a user runs it: labelled once, no run done twice, stopped and gone on with, honest tables.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use ferkd_data::config::read_layer;
use ferkd_tests::{all_scenes, command, ferkd, repository};
use ferkd_train::sweep::SweepConfig;

const SWEEP: &str = "sweep --config sweep.toml --images scenes --out";

const FILE: &str = r#"
teacher = "digits"
epochs = [4, 2]
seeds = [1, 0]
baseline = "fkd"

[train]
images-per-class = 12
val = "few"
arch = "resnet8"
width = 8
side = 16
batch = 16
regions-per-step = 2
regions = 4
eval-every = 2
log-every = 5
device = "flex"

[label]
temperature = 2.0

[[arm]]
name = "fkd"
supervision = "fkd"

[[arm]]
name = "ferkd, M 2"
supervision = "ferkd"
regions = 2
thresholds = { low = 0.12, mid = 0.5, high = 1.0 }
"#;

/// Scenes, of which few are held out, and a sweep over them.
fn grid() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    let path = at.path();
    all_scenes(&path.join("scenes"));
    for digit in 0..10 {
        let (from, to) = (path.join(format!("scenes/val/{digit}")), path.join(format!("few/{digit}")));
        fs::create_dir_all(&to).unwrap();
        let mut names: Vec<_> = fs::read_dir(from).unwrap().map(|e| e.unwrap().path()).collect();
        names.sort();
        for name in &names[..2] {
            fs::copy(name, to.join(name.file_name().unwrap())).unwrap();
        }
    }
    fs::write(path.join("sweep.toml"), FILE).unwrap();
    at
}

/// A CSV file without the columns that hold times.
fn timeless(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap();
    let rows: Vec<Vec<String>> = text.lines().map(fields).collect();
    let timed: Vec<bool> = rows[0].iter().map(|name| name.starts_with("time_s")).collect();
    assert!(rows.iter().all(|row| row.len() == timed.len()), "ragged: {text}");
    let keep = |row: &Vec<String>| {
        row.iter().zip(&timed).filter(|(_, timed)| !**timed).map(|(field, _)| field.clone()).collect()
    };
    rows.iter().map(keep).collect()
}

/// The fields of a line, of which some stand in quotes.
fn fields(line: &str) -> Vec<String> {
    let (mut out, mut quoted) = (vec![String::new()], false);
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => out.push(String::new()),
            _ => out.last_mut().unwrap().push(c),
        }
    }
    out
}

fn column(rows: &[Vec<String>], name: &str) -> Vec<String> {
    let at = rows[0].iter().position(|head| head == name).unwrap();
    rows[1..].iter().map(|row| row[at].clone()).collect()
}

fn finished(out: &Path) -> Vec<(std::path::PathBuf, SystemTime)> {
    let mut found = Vec::new();
    let arms = fs::read_dir(out.join("runs")).into_iter().flatten();
    for arm in arms {
        for run in fs::read_dir(arm.unwrap().path()).unwrap() {
            let summary = run.unwrap().path().join("summary.json");
            if let Ok(data) = fs::metadata(&summary) {
                found.push((summary, data.modified().unwrap()));
            }
        }
    }
    found.sort();
    found
}

/// Starts the sweep, waits until `ready`, sends a signal, and says how the program left.
#[cfg(unix)]
fn stopped(at: &Path, signal: &str, ready: impl Fn() -> bool) -> Option<i32> {
    let words: Vec<&str> = SWEEP.split_whitespace().chain(["killed", "--jobs", "1"]).collect();
    let mut child = command(at, &words).stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    while !ready() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be stopped");
        assert!(begun.elapsed() < Duration::from_secs(120), "it never came so far");
        sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
    child.wait().unwrap().code()
}

#[cfg(unix)]
#[test]
fn a_stopped_sweep_goes_on_to_the_same_tables() {
    let at = grid();
    let path = at.path();
    let whole = ferkd(path, &format!("{SWEEP} whole --jobs 2 --json")).ok().json();
    assert_eq!(whole["runs"], 8);
    assert_eq!(whole["runs_now"], 8);
    // 10 classes x 12 images x 4 regions, each seen by the teacher once, though both arms and all seeds use them.
    assert_eq!(whole["labelled_regions"], 480);
    assert_eq!(whole["validation_images"], 20);

    let out = path.join("killed");
    let started = |run: &str| out.join("runs").join(run).join("metrics.jsonl").exists();
    assert_eq!(stopped(path, "-KILL", || started("fkd/2-0")), None);
    assert_eq!(stopped(path, "-KILL", || started("fkd/4-0")), None);
    assert_eq!(stopped(path, "-INT", || started("fkd/2-1")), Some(130));
    let before = finished(&out);
    assert!((4..8).contains(&before.len()), "{before:?}");
    let rest = ferkd(path, &format!("{SWEEP} killed --jobs 3 --json")).ok().json();
    assert_eq!(rest["labelled_regions"], 0);
    assert_eq!(rest["runs_now"], 8 - before.len());
    let after = finished(&out);
    assert_eq!(after.len(), 8);
    // No finished run was touched again.
    assert!(before.iter().all(|run| after.contains(run)));
    for name in ["results.csv", "summary.csv", "pairs.csv", "reach.csv"] {
        let (a, b) = (timeless(&path.join("whole").join(name)), timeless(&out.join(name)));
        // Paths differ, numbers do not.
        assert_eq!(a, b, "{name}");
        assert!(a.len() > 1, "{name} is empty");
        assert!(!a.iter().flatten().any(|field| field == "NaN" || field == "inf"), "{name}: {a:?}");
    }
}

#[test]
fn its_tables_say_what_was_run() {
    let at = grid();
    let path = at.path();
    ferkd(path, &format!("{SWEEP} out")).ok();
    let out = path.join("out");
    let results = timeless(&out.join("results.csv"));
    let runs: Vec<String> = ["arm", "epochs", "seed"].iter().fold(vec![String::new(); 8], |rows, name| {
        rows.iter().zip(column(&results, name)).map(|(row, field)| format!("{row}{field};")).collect()
    });
    assert_eq!(
        runs,
        [
            "fkd;2;0;",
            "fkd;2;1;",
            "fkd;4;0;",
            "fkd;4;1;",
            "ferkd, M 2;2;0;",
            "ferkd, M 2;2;1;",
            "ferkd, M 2;4;0;",
            "ferkd, M 2;4;1;",
        ]
    );
    assert_eq!(column(&results, "regions"), ["4", "4", "4", "4", "2", "2", "2", "2"]);
    assert_eq!(column(&results, "high")[4], "1");
    assert_eq!(column(&results, "quantile_low")[4], "");
    // An accuracy of 20 images is a multiple of 1/20.
    for accuracy in column(&results, "accuracy") {
        let right = accuracy.parse::<f64>().unwrap() * 20.0;
        assert!((right - right.round()).abs() < 1e-9, "{accuracy}");
    }

    // The summary's difference is that of the rows.
    let accuracy: Vec<f64> = column(&results, "accuracy").iter().map(|a| a.parse().unwrap()).collect();
    let expected = ((accuracy[6] - accuracy[2]) + (accuracy[7] - accuracy[3])) / 2.0;
    let summary = timeless(&out.join("summary.csv"));
    let difference: f64 = column(&summary, "difference")[3].parse().unwrap();
    assert!((difference - expected).abs() < 1e-12, "{difference} is not {expected}");
    assert_eq!(column(&summary, "baseline"), ["", "", "fkd", "fkd"]);
    assert_eq!(column(&summary, "pairs"), ["0", "0", "2", "2"]);

    let tables = ferkd(path, &format!("{SWEEP} out --tables")).ok().stdout;
    assert_eq!(tables, fs::read_to_string(out.join("tables.md")).unwrap().trim_end().to_owned() + "\n");
    assert!(tables.contains("| ferkd, M 2 |") && tables.contains("20 held-out images"), "{tables}");
    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.contains("no difference shown") || page.contains("higher") || page.contains("lower"));
    for name in ["accuracy.svg", "differences.svg"] {
        assert!(fs::read_to_string(out.join(name)).unwrap().starts_with("<svg xmlns="), "{name}");
    }
    // Every run is an ordinary one.
    ferkd(path, "eval out/runs/fkd/4-0 few").ok();

    // The folder says how it was made.
    let again = ferkd(path, "sweep --config out/sweep.toml --out out --json").ok().json();
    assert_eq!((again["runs"].as_u64(), again["runs_now"].as_u64()), (Some(8), Some(0)));

    // More seeds are added to what is there; another setting is not taken for the same run.
    fs::write(path.join("sweep.toml"), FILE.replace("seeds = [1, 0]", "seeds = [0, 1, 2]")).unwrap();
    let more = ferkd(path, &format!("{SWEEP} out --json")).ok().json();
    assert_eq!((more["runs"].as_u64(), more["runs_now"].as_u64()), (Some(12), Some(4)));
    fs::write(path.join("sweep.toml"), FILE.replace("batch = 16", "batch = 8")).unwrap();
    ferkd(path, &format!("{SWEEP} out")).fails(1, &["batch", "--out"]);
}

#[test]
fn a_store_serves_fewer_regions_than_it_has() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path();
    all_scenes(&path.join("scenes"));
    let label = "label scenes --teacher digits --temperature 2 --images-per-class 8 --device flex";
    ferkd(path, &format!("{label} --regions 2 --out two")).ok();
    ferkd(path, &format!("{label} --regions 4 --out four")).ok();
    let train = "train --images scenes --images-per-class 8 --supervision ferkd --arch resnet8 --width 4 \
                 --side 8 --epochs 4 --batch 16 --regions-per-step 2 --eval-every 4 --device flex";
    ferkd(path, &format!("{train} --store two --run a")).ok();
    // Neither the regions behind the first two nor the memory for decoded images changes a byte.
    ferkd(path, &format!("{train} --store four --store-regions 2 --cache-mb 0 --run b")).ok();
    ferkd(path, &format!("{train} --store four --run c")).ok();
    let last = |run: &str| fs::read(path.join(run).join("checkpoints/last.safetensors")).unwrap();
    assert!(last("a") == last("b"));
    assert!(last("a") != last("c"));
    ferkd(path, &format!("{train} --store four --store-regions 5 --run d")).fails(2, &["store-regions", "4"]);
}

#[test]
fn mistakes_are_found_before_anything_starts() {
    let at = tempfile::tempdir().unwrap();
    let path = at.path();
    let fails = |from: &str, to: &str, words: &[&str]| {
        assert!(FILE.contains(from), "{from}");
        fs::write(path.join("sweep.toml"), FILE.replacen(from, to, 1)).unwrap();
        ferkd(path, &format!("{SWEEP} out --dry-run")).fails(2, words);
        ferkd(path, &format!("{SWEEP} out")).fails(2, words);
        assert!(!path.join("out").exists());
    };
    fails("supervision = \"ferkd\"", "supervison = \"ferkd\"", &["ferkd, M 2", "`supervision`"]);
    fails("baseline =", "baselin =", &["`baseline`"]);
    fails("epochs = [4, 2]", "epochs = [4, 3]", &["fkd", "3 epochs"]);
    fails("epochs = [4, 2]", "epochs = []", &["epochs"]);
    fails("seeds = [1, 0]", "seeds = [1, 1]", &["seeds"]);
    fails("low = 0.12, ", "", &["ferkd, M 2", "low, mid, high"]);
    fails("temperature = 2.0", "temprature = 2.0", &["[label]", "`temperature`"]);
    fails("regions = 2\n", "regions = 2\nseed = 4\n", &["seeds"]);
    fails("temperature = 2.0", "temperature = 2.0\nregions = 2", &["[label] regions"]);
}

#[test]
fn a_dry_run_looks_at_images_and_labels() {
    let at = grid();
    let path = at.path();
    ferkd(path, "sweep --config sweep.toml --images nowhere --out out --dry-run").fails(1, &["nowhere"]);
    let dry = ferkd(path, &format!("{SWEEP} out --dry-run --json")).ok().json();
    assert_eq!(
        (&dry["found"]["images"], &dry["found"]["labels_first"]),
        (&120.into(), &true.into()),
        "{dry}"
    );
    assert_eq!((&dry["runs"], &dry["found"]["runs_done"]), (&8.into(), &0.into()), "{dry}");
    assert!(!path.join("out").exists(), "nothing is written");
    ferkd(path, &format!("{SWEEP} out")).ok();
    let dry = ferkd(path, &format!("{SWEEP} out --dry-run --json")).ok().json();
    assert_eq!(
        (&dry["found"]["runs_done"], &dry["found"]["labels_first"]),
        (&8.into(), &false.into()),
        "{dry}"
    );
    assert!(dry["found"]["warnings"].to_string().contains("only 8 images"), "{dry}");
    // Images that are not those that were labelled; of a set some are looked at.
    for image in fs::read_dir(path.join("scenes/train/3")).unwrap() {
        image::RgbImage::new(20, 30).save(image.unwrap().path()).unwrap();
    }
    fs::remove_dir_all(path.join("out/runs")).unwrap();
    for line in ["--dry-run", ""].map(|flag| format!("{SWEEP} out {flag}")) {
        ferkd(path, &line).fails(1, &["train/3/", "20 x 30"]);
    }
}

#[test]
fn the_configurations_that_ship_are_sound() {
    for (name, arms) in [
        ("sweep-scenes", 14),
        ("sweep-scenes-regime", 72),
        ("sweep-scenes-partners", 6),
        ("sweep-clothing", 14),
        ("sweep-demo", 13),
        ("sweep-demo-settings", 15),
        ("sweep-demo-regions", 8),
        ("sweep-tiny-imagenet", 6),
        ("sweep-tiny-imagenet-settings", 14),
        ("sweep-tiny-imagenet-selfmix", 6),
        ("sweep-tiny-imagenet-resnet18", 4),
        // Given after the one that it shortens.
        ("sweep-tiny-imagenet-resnet18 sweep-tiny-imagenet-resnet18-tenth", 4),
    ] {
        let layer = |name: &str| read_layer(&repository(&format!("configs/{name}.toml"))).unwrap();
        let layers: Vec<_> = name.split(' ').map(layer).collect();
        let plan = SweepConfig::from_layers(&layers).unwrap().plan(Some("x".into())).unwrap();
        assert_eq!(plan.arms.len(), arms, "{name}");
    }
}
