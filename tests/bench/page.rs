//! The page beside a peer, in one visit of one browser: Lite0 on 32 crops, ours and onnxruntime-web's, and how soon the
//! first picture is there. A bench, not a test: `cargo run --package ferkd-tests --bin bench-page -- --help`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a bench may panic")]

use std::path::PathBuf;
use std::time::Instant;

use ferkd_tests::browser::Browser;
use ferkd_tests::page::{Visit, look_at_scenes, open, visit};
use serde_json::{Value, json};

const HELP: &str = "Measures the built page in headless Chromium, on a software adapter.

usage: bench-page [--cpu] [--turns N] [--peer FOLDER --onnx FILE]

  --peer FOLDER  `dist` of the npm package onnxruntime-web: npm pack onnxruntime-web; tar xf *.tgz
  --onnx FILE    python3 examples/bench/onnx_lite0.py --save FILE
                 (without the two: first picture, a frame's work and a step alone)
  --turns N      turns of each, after one that does not count (default 5)
  --cpu          a browser without WebGPU: our worker on the CPU";

/// Crops of a turn.
const CROPS: u32 = 32;

fn main() {
    let (mut peer, mut onnx, mut turns, mut with_webgpu) = (None, None, 5, true);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--peer" => peer = arguments.next().map(PathBuf::from),
            "--onnx" => onnx = arguments.next().map(PathBuf::from),
            "--turns" => turns = arguments.next().and_then(|n| n.parse().ok()).expect("a number of turns"),
            "--cpu" => with_webgpu = false,
            _ => return println!("{HELP}"),
        }
    }
    let Some(mut visit) = visit(with_webgpu) else { std::process::exit(1) };
    let link = |from: &PathBuf, name: &str| {
        std::os::unix::fs::symlink(from.canonicalize().expect("it is there"), visit.root.path().join(name))
            .unwrap();
    };
    let has_peer = match (&peer, &onnx) {
        (Some(peer), Some(onnx)) => {
            link(peer, "peer");
            link(onnx, "lite0.onnx");
            true
        }
        _ => false,
    };
    let state = open(&mut visit);
    println!("device: {}", state["device"]);
    first_picture(&mut visit);
    let Visit { browser, .. } = &mut visit;
    browser.until("the teacher of photos", |state| {
        state["teachers"].as_array().unwrap().contains(&json!("efficientnet-lite0"))
    });
    // Nothing else is under way from here on.
    browser.until("nothing loads", |state| state["loading"].as_object().unwrap().is_empty());
    if has_peer {
        beside(browser, with_webgpu, turns);
    }
    step(browser, with_webgpu);
    frame_work(browser);
}

/// A training step of one student, from step to step, of the page that draws as fast as it can beside it.
fn step(browser: &mut Browser, with_webgpu: bool) {
    look_at_scenes(browser, &json!({ "supervisions": ["ferkd"], "seed": 2 }));
    // What is compiled is compiled in the first ones.
    let (first, last) = (12, if with_webgpu { 60 } else { 480 });
    browser.act("play", json!(last));
    let mut reached = |step: u64| {
        let state = browser.until("a step", |state| {
            state["training"]["students"][0]["step"].as_u64().is_some_and(|taken| taken >= step)
        });
        (Instant::now(), state["training"]["students"][0]["step"].as_u64().unwrap())
    };
    let (begun, ended) = (reached(first), reached(last));
    let each = (ended.0 - begun.0).as_secs_f64() / (ended.1 - begun.1) as f64;
    println!("a step of one student: {:.1} ms, over {} steps", 1e3 * each, ended.1 - begun.1);
}

/// Lite0 in our page beside onnxruntime-web, turn by turn.
fn beside(browser: &mut Browser, with_webgpu: bool, turns: usize) {
    let providers: &[&str] = if with_webgpu { &["webgpu", "wasm"] } else { &["wasm"] };
    for provider in providers {
        let said = browser.evaluate(&format!(
            "(async () => {{
                const ort = window.peer || (window.peer = await import(new URL('peer/ort.webgpu.bundle.min.mjs', location.href)));
                ort.env.wasm.numThreads = 1;
                ort.env.wasm.wasmPaths = new URL('peer/', location.href).href;
                const session = await ort.InferenceSession.create('lite0.onnx', {{ executionProviders: ['{provider}'] }});
                const data = Float32Array.from({{ length: {CROPS} * 3 * 224 * 224 }}, () => 2 * Math.random() - 1);
                window.turn_{provider} = async () => {{
                    const images = new ort.Tensor('float32', data, [{CROPS}, 3, 224, 224]);
                    const begun = performance.now();
                    const answer = await session.run({{ images }});
                    await answer.logits.getData();
                    return (performance.now() - begun) / 1e3;
                }};
                return await window.turn_{provider}();
            }})()"
        ));
        println!("{provider}: first turn {said} s");
    }
    ours(browser, 0);
    let mut times: Vec<(String, Vec<f64>)> = vec![("ours".into(), Vec::new())];
    times.extend(providers.iter().map(|name| (format!("onnxruntime-web, {name}"), Vec::new())));
    for turn in 0..turns {
        times[0].1.push(ours(browser, turn + 1));
        for (at, provider) in providers.iter().enumerate() {
            let time = browser.evaluate(&format!("window.turn_{provider}()"));
            times[at + 1].1.push(time.as_f64().expect("seconds"));
        }
    }
    let ours = median(&times[0].1);
    for (name, times) in &times {
        let (low, high) = times.iter().fold((f64::MAX, 0.0f64), |(low, high), &t| (low.min(t), high.max(t)));
        println!(
            "{name}: {:.2} crops/s ({:.2} to {:.2}), {:.3} s a turn; ours over it {:.2}",
            f64::from(CROPS) / median(times),
            f64::from(CROPS) / high,
            f64::from(CROPS) / low,
            median(times),
            median(times) / ours
        );
    }
}

fn median(times: &[f64]) -> f64 {
    let mut sorted = times.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// One turn of ours: cutting, normalising, the network, the top K.
fn ours(browser: &mut Browser, before: usize) -> f64 {
    browser.act("measure", json!(CROPS));
    let state = browser.until("a turn of ours", |state| state["measured"].as_array().unwrap().len() > before);
    state["measured"][before].as_f64().unwrap()
}

/// Time from the program's last byte, and from the visit's begin, to the first picture.
fn first_picture(visit: &mut Visit) {
    let mark = |name: &str| format!("performance.getEntriesByName('{name}')[0].startTime");
    let times =
        visit.browser.evaluate(&format!("[{}, {}]", mark("ferkd-program"), mark("ferkd-first-picture")));
    let time = |at: usize| times[at].as_f64().expect("a mark") / 1e3;
    println!(
        "first picture: {:.2} s after the visit began, {:.2} s after the program was loaded",
        time(1),
        time(1) - time(0)
    );
}

/// The interface's own work in a frame while students train.
fn frame_work(browser: &mut Browser) {
    // Another seed than that of the trained students, who would be at their end before enough frames are drawn.
    look_at_scenes(browser, &json!({ "seed": 1 }));
    browser.until("nothing loads", |state| state["loading"].as_object().unwrap().is_empty());
    // As many frames as are looked back at.
    const FRAMES: u64 = 121;
    let before = browser.state()["frames"].as_u64().unwrap();
    let mut state = Value::Null;
    let frames = browser.frames_during(|browser| {
        browser.act("play", Value::Null);
        state = browser.until("frames of training", |state| {
            let students = state["training"]["students"].as_array().unwrap();
            let has_learned = |student: &Value| student["step"].as_u64().is_some_and(|step| step >= 5);
            let all_learn = students.len() == 5 && students.iter().all(has_learned);
            all_learn && state["frames"].as_u64().unwrap() > before + FRAMES
        });
    });
    println!(
        "while five students train, the Training pane's first frame among {} ({} steps):",
        frames.len(),
        state["training"]["students"][0]["step"]
    );
    let frame = &state["frame_ms"];
    println!(
        "  the inspector's own work, by the clock, over the last 120: mean {:.2} ms, longest {:.2} ms, of it {:.2} ms for {}",
        frame["mean"].as_f64().unwrap(),
        frame["peak"].as_f64().unwrap(),
        frame["longest_part_ms"].as_f64().unwrap(),
        frame["longest_part"],
    );
    let spread = |what: &str, times: Vec<f64>| {
        let longest = times.iter().copied().fold(0.0, f64::max);
        let over = times.iter().filter(|&&ms| ms > 16.0).count();
        println!(
            "  a frame's whole callback, {what}: median {:.2} ms, longest {longest:.2} ms, {over} of {} above 16 ms",
            median(&times),
            times.len()
        );
    };
    spread("by the clock", frames.iter().map(|frame| frame.0).collect());
    spread("on its own thread", frames.iter().map(|frame| frame.1).collect());
}
