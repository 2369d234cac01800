//! The built page in a real browser, with WebGPU and without. Skipped, aloud, where there is no page or no Chromium.

use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor, TensorData};
use ferkd_data::pixels::{OrientationRule, decode};
use ferkd_method::label::softmax;
use ferkd_method::region::Region;
use ferkd_nn::classifier::Classifier;
use ferkd_tests::browser::Browser;
use ferkd_tests::page::{look_at_scenes, no_complaint, open, visit};
use ferkd_tests::repository;
use serde_json::{Value, json};

/// Waits for the teacher of the photos, and lets it look at the cat's face.
fn label_a_box(browser: &mut Browser) -> Value {
    browser.until("the teacher of photos", |state| {
        state["teachers"].as_array().unwrap().contains(&json!("efficientnet-lite0"))
    });
    browser.act("experiment", json!({ "image": 0 }));
    browser.until("the cat", |state| state["shown"]["name"] == "n02124075/chelsea.jpg");
    browser.act("box", json!({ "top": 20, "left": 100, "height": 180, "width": 180, "flip": false }));
    let state = browser.until("the box's label", |state| !state["box"]["label"].is_null());
    let label = state["box"]["label"].clone();
    assert!(label["confidence"].as_f64().unwrap() > 0.2, "{label}");
    assert_eq!(label["top"][0][0], "Egyptian Mau", "{label}");
    for (shown, p) in label["top"].as_array().unwrap().iter().zip(on_the_cpu()) {
        let off = (shown[1].as_f64().unwrap() - f64::from(p)).abs();
        assert!(off < 1e-3, "{label}: {p} on the CPU");
    }
    label
}

/// The five largest probabilities of the same box under the program's own CPU backend.
fn on_the_cpu() -> Vec<f32> {
    let weights =
        std::fs::read(repository("assets/teachers/efficientnet-lite0/weights-f16.safetensors")).unwrap();
    let teacher = Classifier::from_bytes("efficientnet-lite0", &weights, &Device::flex()).unwrap();
    let photo = repository("assets/playground/photos/n02124075/chelsea.jpg");
    let bytes = std::fs::read(photo).unwrap();
    let picture = decode(&bytes, "chelsea.jpg", OrientationRule::Apply).unwrap().image;
    let region = Region { top: 20, left: 100, height: 180, width: 180, flip: false };
    let view = teacher.input_spec();
    let mut pixels = vec![0.0; view.size()];
    view.cut(&picture, &region, &mut pixels).unwrap();
    let side = view.side as usize;
    let input = Tensor::<4>::from_data(TensorData::new(pixels, [1, 3, side, side]), &Device::flex());
    let logits: Vec<f32> = teacher.forward(input).unwrap().into_data().try_to_vec().unwrap();
    let mut probabilities = softmax(&logits, 1.0).unwrap();
    probabilities.sort_by(|a, b| b.total_cmp(a));
    probabilities.truncate(5);
    probabilities
}

/// Trains one student for forty steps, of a seed that no student comes trained with; the means of its first and last ten losses.
fn forty_steps(browser: &mut Browser) -> (f64, f64) {
    look_at_scenes(browser, &json!({ "supervisions": ["ferkd"], "lr": 0.03, "seed": 1 }));
    browser.act("play", json!(40));
    let state = browser.until("forty steps", |state| state["training"]["students"][0]["step"] == 40);
    let loss: Vec<f64> = state["training"]["students"][0]["loss"]
        .as_array()
        .unwrap()
        .iter()
        .map(|nats| nats.as_f64().unwrap())
        .collect();
    assert_eq!(loss.len(), 40);
    let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
    (mean(&loss[..10]), mean(&loss[30..]))
}

#[test]
fn with_webgpu_the_page_shows_labels_and_trains() {
    let Some(mut visit) = visit(true) else { return };
    let state = open(&mut visit);
    let browser = &mut visit.browser;
    assert!(state["device"].as_str().unwrap().starts_with("WebGPU"), "{}", state["device"]);
    assert_eq!(state["notices"], json!([]));
    label_a_box(browser);
    let said = browser.evaluate("ferkd.shaders()");
    let shaders: Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
    assert_eq!(shaders.as_array().unwrap().len(), 6, "{shaders}");
    for shader in shaders.as_array().unwrap() {
        assert!(shader["off"].as_f64() <= shader["most"].as_f64(), "{shader}");
    }
    let (first, last) = forty_steps(browser);
    assert!(last < first, "the loss went from {first} to {last}");
    no_complaint(browser);
}

#[test]
fn nothing_is_drawn_while_nothing_changes() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    browser.until("everything is here", |state| state["loading"].as_object().unwrap().is_empty());
    let begun = Instant::now();
    loop {
        let before = browser.state()["frames"].as_u64().unwrap();
        std::thread::sleep(Duration::from_secs(2));
        // Looking at the state draws nothing.
        if browser.state()["frames"].as_u64().unwrap() == before {
            break;
        }
        assert!(begun.elapsed().as_secs() < 60, "frame after frame");
    }
    no_complaint(browser);
}

#[test]
fn the_other_photos_come_from_beside_the_page() {
    let Some(mut visit) = visit(false) else { return };
    let state = open(&mut visit);
    assert!(state["images"].as_u64() >= Some(12), "{}", state["images"]);
    let browser = &mut visit.browser;
    browser.until("everything is here", |state| state["loading"].as_object().unwrap().is_empty());
    let last = state["images"].as_u64().unwrap() - 1;
    browser.act("experiment", json!({ "image": last }));
    browser.until("the last photo", |state| state["shown"]["name"] == "n07920052/coffee.jpg");
    // Its picture, not its labels alone: the teacher looks at it.
    browser.act("box", json!({ "top": 20, "left": 60, "height": 360, "width": 440, "flip": false }));
    let state = browser.until("the box's label", |state| !state["box"]["label"].is_null());
    assert_eq!(state["box"]["label"]["top"][0][0], "espresso", "{}", state["box"]);
    no_complaint(browser);
}

/// The steps that each student has taken.
fn steps(state: &Value) -> Vec<u64> {
    let students = state["training"]["students"].as_array().unwrap();
    students.iter().map(|student| student["step"].as_u64().unwrap()).collect()
}

#[test]
fn nothing_runs_while_the_tab_is_hidden() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    browser.until("all teachers", |state| state["teachers"].as_array().unwrap().len() == 2);
    let training = json!({ "supervisions": ["hard"], "steps-per-s": 10, "seed": 1 });
    browser.act("experiment", json!({ "data": "scenes", "training": training }));
    browser.until("the scenes' counts", |state| {
        state["experiment"]["data"] == "scenes" && !state["kinds"].is_null()
    });
    browser.act("play", json!(100_000));
    let taken = |state: &Value| steps(state).iter().sum::<u64>();
    let begun = Instant::now();
    browser.until("thirty steps", |state| taken(state) >= 30);
    let of_thirty = begun.elapsed();
    browser.hide();
    let before = browser.state();
    // No condition to wait for: nothing may happen. The same time would be enough for thirty steps more.
    std::thread::sleep(of_thirty);
    assert_eq!(browser.state()["frames"], before["frames"], "no one sees a frame");
    browser.unhide();
    let shown = browser.until("a frame", |state| state["frames"] != before["frames"]);
    // The student has rested too, but for what it took before and after, at ten steps a second.
    assert!(taken(&shown) < taken(&before) + 20, "{} steps, then {}", taken(&before), taken(&shown));
    browser.until("more steps", |state| taken(state) > taken(&shown));
    no_complaint(browser);
}

#[test]
fn without_webgpu_a_worker_computes_and_the_page_says_so() {
    let Some(mut visit) = visit(false) else { return };
    let state = open(&mut visit);
    let browser = &mut visit.browser;
    assert!(state["device"].as_str().unwrap().starts_with("CPU"), "{}", state["device"]);
    assert!(state["notices"][0]["text"].as_str().unwrap().contains("no WebGPU"), "{}", state["notices"]);
    label_a_box(browser);
    let (first, last) = forty_steps(browser);
    assert!(last < first, "the loss went from {first} to {last}");
    no_complaint(browser);
}

#[test]
fn students_in_several_workers_stop_at_the_same_step() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    look_at_scenes(browser, &json!({ "supervisions": ["hard", "kd", "ferkd"], "seed": 1 }));
    let steps = |state: &Value| -> Vec<u64> {
        let students = state["training"]["students"].as_array().into_iter().flatten();
        students.filter_map(|student| student["step"].as_u64()).collect()
    };
    browser.act("play", Value::Null);
    browser.until("some steps", |state| steps(state).iter().any(|step| *step >= 6));
    browser.act("pause", Value::Null);
    let state = browser.until("a pause", |state| state["training"]["is_playing"] == false);
    let stopped = steps(&state);
    assert!(stopped.len() == 3 && stopped.iter().all(|step| *step == stopped[0]), "{stopped:?}");
    // And on from there, together.
    browser.act("play", json!(2));
    browser.until("two more", |state| steps(state) == [stopped[0] + 2; 3]);
    no_complaint(browser);
}

/// How long all students take from the start without WebGPU: a figure of docs/performance.md.
#[test]
#[ignore = "a measurement, which takes minutes: --ignored --nocapture"]
fn five_students_from_the_start() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    let supervisions = json!(["hard", "kd", "fkd", "ferkd", "ferkd+selfmix"]);
    // Another seed than that of the trained ones, so that they begin from the start.
    look_at_scenes(browser, &json!({ "supervisions": supervisions, "seed": 1 }));
    let begun = Instant::now();
    browser.act("play", Value::Null);
    let mut passed = std::collections::BTreeMap::new();
    loop {
        let state = browser.state();
        for student in state["training"]["students"].as_array().into_iter().flatten() {
            let accuracy = student["accuracy"].as_array().and_then(|all| all.last()).and_then(Value::as_f64);
            if accuracy.is_some_and(|share| share >= 0.6) {
                let name = student["supervision"].as_str().unwrap().to_owned();
                passed.entry(name).or_insert((begun.elapsed().as_secs_f64(), student["step"].clone()));
            }
        }
        let is_over = state["training"]["students"].as_array().is_some_and(|students| {
            !students.is_empty()
                && students.iter().all(|student| student["step"] == state["training"]["steps"])
        });
        if is_over {
            break;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    println!(
        "seconds and steps until 60 %: {passed:?}; all steps after {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    no_complaint(browser);
}

/// The places where the mouse can take a threshold of the histogram: the cursor says so.
fn threshold(browser: &mut Browser) -> (f64, f64) {
    for y in (160..460).step_by(40) {
        for x in (720..1270).step_by(6) {
            let at = json!({ "type": "mouseMoved", "x": x, "y": y, "button": "none" });
            browser.call("Input.dispatchMouseEvent", at);
            std::thread::sleep(Duration::from_millis(20));
            if browser.evaluate("document.getElementById('canvas').style.cursor") == "ew-resize" {
                return (f64::from(x), f64::from(y));
            }
        }
    }
    panic!("the mouse found no threshold");
}

#[test]
fn a_threshold_that_is_dragged_changes_counts_and_the_link_brings_them_back() {
    let Some(mut visit) = visit(false) else { return };
    let before = open(&mut visit);
    let browser = &mut visit.browser;
    let at = threshold(browser);
    browser.drag(at, (at.0 + 120.0, at.1));
    let after = browser.until("other counts", |state| state["kinds"] != before["kinds"]);
    let total =
        |state: &Value| state["kinds"].as_object().unwrap().values().filter_map(Value::as_u64).sum::<u64>();
    assert_eq!(total(&after), total(&before));
    // The address follows, and opens the same experiment again.
    browser.until_true("location.hash === '#' + JSON.parse(ferkd.state()).link");
    let link = browser.state()["link"].as_str().unwrap().to_owned();
    browser.open("about:blank");
    browser.open(&format!("{}#{link}", visit.address));
    let again = browser.until("the page again", |state| !state["kinds"].is_null());
    assert_eq!((&again["experiment"], &again["kinds"]), (&after["experiment"], &after["kinds"]));
    // Someone pastes another link into the same page.
    browser.evaluate(&format!("location.hash = '#{}'", before["link"].as_str().unwrap()));
    browser.until("the first experiment", |state| state["experiment"] == before["experiment"]);
    no_complaint(browser);
}

#[test]
fn a_picture_of_the_readers_own_is_labelled() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    browser.choose_files("#pick-files", &[repository("assets/photos/chelsea.png")]);
    let state = browser.until("labels of the reader's picture", |state| {
        state["experiment"]["data"] == "yours" && state["shown"]["labels"].as_u64().unwrap_or(0) > 0
    });
    assert_eq!(state["shown"]["name"], "chelsea.png");
    // A store as one archive.
    browser.choose_files("#pick-files", &[repository("assets/playground/scenes-store.tar")]);
    browser.until("the store's images", |state| state["images"].as_u64().unwrap_or(0) > 2);
    no_complaint(browser);
}

#[test]
fn a_fault_is_told_in_words_with_a_way_to_start_again() {
    let Some(mut visit) = visit(false) else { return };
    open(&mut visit);
    let browser = &mut visit.browser;
    browser.evaluate("(() => { try { ferkd.act('panic', 'null') } catch (error) {} })()");
    browser.until_true("!document.getElementById('cover').hidden");
    let text = browser.evaluate("document.getElementById('cover-text').textContent");
    assert!(text.as_str().unwrap().contains("asked for by a script"), "{text}");
    browser.evaluate("setTimeout(() => document.getElementById('cover-button').click())");
    browser.until_true("document.getElementById('cover').hidden && !!window.ferkd");
}

#[test]
fn a_browser_that_cannot_run_it_is_told_so() {
    let Some(mut visit) = visit(false) else { return };
    let browser = &mut visit.browser;
    let script = json!({ "source": "delete window.WebAssembly" });
    browser.call("Page.addScriptToEvaluateOnNewDocument", script);
    browser.open(&visit.address);
    browser.until_true("document.readyState === 'complete' && !document.getElementById('cover').hidden");
    let text = browser.evaluate("document.getElementById('cover-text').textContent");
    assert!(text.as_str().unwrap().contains("does not run WebAssembly"), "{text}");
}
