//! The reader's own data in the built page: over HTTP, from folders, dropped; and out of it again.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use ferkd_tests::browser::Browser;
use ferkd_tests::page::{Visit, colours, no_complaint, open, visit, write_scenes};
use ferkd_tests::simulated::write_store;
use ferkd_tests::{ferkd, repository};
use serde_json::{Value, json};

/// The browser notes every file, or part of one, that is asked for and is not there; of a folder behind an address no
/// one knows what it holds before.
fn forget_what_is_not_there(browser: &mut Browser) {
    let probed = ["/manifest.json", "/metrics.jsonl", "/config.toml"];
    browser
        .complaints
        .retain(|said| !(said.contains("status of 404") && probed.iter().any(|file| said.contains(file))));
    // A log that has not grown since it was last asked for.
    browser.complaints.retain(|said| !(said.contains("status of 416") && said.contains("/metrics.jsonl")));
}

/// What `ferkd mine` counts, in the order of kinds.
fn mined(at: &Path, options: &str) -> Vec<u64> {
    let answer = ferkd(at, &format!("mine store {options} --json")).ok().json();
    answer["kinds"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).collect()
}

/// What the page counts.
fn counted(state: &Value) -> Vec<u64> {
    let kinds = ["discarded", "context", "important", "trivial"];
    kinds.iter().filter_map(|kind| state["kinds"][kind].as_u64()).collect()
}

#[test]
fn a_store_behind_an_address_gives_the_programs_numbers() {
    let Some(Visit { mut browser, address, root, _one, .. }) = visit(false) else { return };
    write_scenes(&root.path().join("store"));
    browser.open(&format!("{address}?open=store"));
    let state = browser.until("the store's counts", |state| {
        state["images"] == 1348 && state["experiment"]["data"] == "yours" && counted(state).len() == 4
    });
    assert_eq!(counted(&state), mined(root.path(), ""));
    let absolute = json!({ "low": 0.2, "mid": 0.5, "high": 0.9 });
    for confidence in ["max", "target"] {
        browser.act(
            "experiment",
            json!({ "by-quantile": false, "thresholds": absolute, "confidence": confidence }),
        );
        let expected =
            mined(root.path(), &format!("--confidence {confidence} --low 0.2 --mid 0.5 --high 0.9"));
        browser.until("the same numbers under other settings", |state| counted(state) == expected);
    }
    browser.until("an image's labels", |state| state["shown"]["labels"] == 16);
    forget_what_is_not_there(&mut browser);
    no_complaint(&mut browser);
}

/// A line of a run's log.
fn evaluation(step: u64, top1: f64) -> String {
    let line = json!({
        "event": "evaluation", "step": step, "epoch": step, "top1": top1, "top5": 1.0, "loss": 1.0, "best": true
    });
    format!("{line}\n")
}

#[test]
fn a_run_is_followed_over_http_and_in_a_folder() {
    let Some(Visit { mut browser, address, root, _one, .. }) = visit(false) else { return };
    let run = root.path().join("run");
    std::fs::create_dir(&run).unwrap();
    let log = run.join("metrics.jsonl");
    std::fs::write(&log, evaluation(1, 0.25)).unwrap();
    browser.open(&format!("{address}?open=run"));
    browser.until("the run's first trial", |state| state["run"]["accuracy"] == json!([0.25]));
    // Appended, as a run does it: a file that is written anew is empty for a moment.
    let mut growing = std::fs::OpenOptions::new().append(true).open(&log).unwrap();
    growing.write_all(evaluation(2, 0.5).as_bytes()).unwrap();
    browser.until("its second one", |state| state["run"]["accuracy"] == json!([0.25, 0.5]));
    // A folder that the page may look into; the browser's own stands in for the reader's.
    let write = |text: &str| {
        format!(
            "(async () => {{
                const root = await navigator.storage.getDirectory();
                const run = await root.getDirectoryHandle('mine', {{ create: true }});
                const file = await run.getFileHandle('metrics.jsonl', {{ create: true }});
                const out = await file.createWritable();
                await out.write({});
                await out.close();
                return run;
            }})()",
            json!(text)
        )
    };
    browser.evaluate(&format!(
        "{}.then(run => {{ ferkd.folder(run); return '' }})",
        write(&evaluation(1, 0.75))
    ));
    browser.until("the folder's run", |state| state["run"]["accuracy"] == json!([0.75]));
    let longer = evaluation(1, 0.75) + &evaluation(2, 0.875);
    browser.evaluate(&format!("{}.then(() => '')", write(&longer)));
    browser.until("what it has grown by", |state| state["run"]["accuracy"] == json!([0.75, 0.875]));
    forget_what_is_not_there(&mut browser);
    no_complaint(&mut browser);
}

/// Drops files or folders onto the page.
fn drop_onto(browser: &mut Browser, files: &[PathBuf]) {
    for kind in ["dragEnter", "dragOver", "drop"] {
        let data = json!({ "items": [], "files": files, "dragOperationsMask": 1 });
        let event = json!({ "type": kind, "x": 300, "y": 300, "data": data });
        browser.call("Input.dispatchDragEvent", event);
    }
}

#[test]
fn a_store_is_dropped_as_a_folder_or_as_its_files() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    let at = tempfile::tempdir().unwrap();
    let store = at.path().join("labels of scenes");
    write_scenes(&store);
    let is_shown = |state: &Value| state["images"] == 1348 && state["shown"]["labels"] == 16;
    drop_onto(browser, std::slice::from_ref(&store));
    let state = browser.until("the folder's store", |state| is_shown(state) && counted(state).len() == 4);
    assert_eq!(state["name"], "labels of scenes");
    let files: Vec<PathBuf> = std::fs::read_dir(&store).unwrap().map(|entry| entry.unwrap().path()).collect();
    browser.act("experiment", json!({ "data": "photos" }));
    browser.until("the photos", |state| state["images"] == 13);
    drop_onto(browser, &files);
    let again = browser.until("the files' store", |state| is_shown(state) && counted(state).len() == 4);
    assert_eq!((counted(&again), &again["name"]), (counted(&state), &json!("Files")));
    no_complaint(browser);
}

#[test]
fn what_is_dropped_is_labelled_and_a_pane_comes_out_as_png() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let (browser, downloads) = (&mut visit.browser, tempfile::tempdir().unwrap());
    let photo = repository("assets/photos/chelsea.png");
    drop_onto(browser, &[photo]);
    browser.until("labels of the dropped picture", |state| {
        state["experiment"]["data"] == "yours" && state["shown"]["labels"].as_u64().unwrap_or(0) > 0
    });
    let allow = json!({ "behavior": "allow", "downloadPath": downloads.path() });
    browser.call("Page.setDownloadBehavior", allow);
    let key = |kind: &str, key: &str, code: u32, modifiers: u32| {
        json!({ "type": kind, "key": key, "code": if key == "k" { "KeyK" } else { key },
                "windowsVirtualKeyCode": code, "modifiers": modifiers })
    };
    // Longer from time to time: a busy page takes a while to a frame.
    let mut wait_ms = 500;
    let file = downloads.path().join("image.png");
    let begun = std::time::Instant::now();
    let picture = 'comes: loop {
        // A busy page may hear a key before the palette is there that it is meant for.
        for (name, code, modifiers) in [("Escape", 27, 0), ("k", 75, 2)] {
            browser.call("Input.dispatchKeyEvent", key("rawKeyDown", name, code, modifiers));
            browser.call("Input.dispatchKeyEvent", key("keyUp", name, code, modifiers));
            std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        }
        browser.call("Input.insertText", json!({ "text": "Save Image pane" }));
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        for kind in ["rawKeyDown", "keyUp"] {
            browser.call("Input.dispatchKeyEvent", key(kind, "Enter", 13, 0));
        }
        let asked = std::time::Instant::now();
        while asked.elapsed().as_secs() < 20 {
            let bytes = std::fs::read(&file).unwrap_or_default();
            if image::load_from_memory(&bytes).is_ok() {
                break 'comes bytes;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert!(begun.elapsed().as_secs() < 150, "no picture came");
        wait_ms *= 2;
    };
    let size = image::load_from_memory(&picture).unwrap();
    assert!(size.width() > 300 && size.height() > 200, "{} x {}", size.width(), size.height());
    // Around it are some two thousand.
    assert!(colours(&picture) > 10_000, "a photo has many colours");
    no_complaint(browser);
}

/// Minutes, and 2 GB of disk: `cargo test --workspace --test all page_data -- --ignored --nocapture`.
#[test]
#[ignore = "minutes, and 2 GB of disk"]
fn a_million_images_open_at_once_in_less_than_a_gigabyte() {
    let Some(Visit { mut browser, address, root, _one, .. }) = visit(false) else { return };
    write_store(&root.path().join("store"), 1_000_000);
    browser.open(&address);
    browser.until("the page", |state| state["shown"]["labels"].as_u64().unwrap_or(0) > 0);
    let memory = |state: &Value| state["memory_bytes"].as_u64().unwrap() as f64 / 1e6;
    let before = memory(&browser.state());
    let begun = std::time::Instant::now();
    browser.act("open", json!("store"));
    browser.until("the first image", |state| state["images"] == 1_000_000 && state["shown"]["labels"] == 4);
    println!("the first image's labels after {:.2} s", begun.elapsed().as_secs_f64());
    for image in [999_999, 500_000, 123_456] {
        let begun = std::time::Instant::now();
        browser.act("experiment", json!({ "image": image }));
        browser.until("another image", |state| state["shown"]["image"] == image);
        println!("image {image} after {:.2} s", begun.elapsed().as_secs_f64());
    }
    let counted_from = std::time::Instant::now();
    let (mut most, mut told) = (before, 0);
    let state = loop {
        let state = browser.state();
        most = most.max(memory(&state));
        if counted_from.elapsed().as_secs() / 60 > told {
            told += 1;
            println!("counting for {told} min, {most:.0} MB at most");
        }
        if counted(&state).len() == 4 {
            break state;
        }
        assert!(counted_from.elapsed().as_secs() < 1200, "{state:#}");
        std::thread::sleep(std::time::Duration::from_millis(500));
    };
    println!(
        "all 4 million labels counted {:.0} s later; memory {before:.0} MB before, {most:.0} MB at most",
        counted_from.elapsed().as_secs_f64()
    );
    assert_eq!(counted(&state), mined(root.path(), ""));
    assert!(most < 1000.0, "{most} MB");
    forget_what_is_not_there(&mut browser);
    no_complaint(&mut browser);
}
