//! `window.ferkd`: what a test or a script may read and do. Everything goes through the state, as the panes do;
//! docs/page.md describes it.
//!
//! `state()` gives JSON; `act(name, json)` gives an empty text, or what is wrong; `folder(handle)` opens a folder that
//! the page may look into; `shaders()` promises JSON: every shader against its twin on the page's own device.

use ferkd_app::State;
use ferkd_app::command::Command;
use ferkd_app::engine::Request;
use ferkd_app::experiment::Experiment;
use ferkd_app::link::{from_fragment, to_fragment};
use ferkd_app::state::action::Action;
use ferkd_app::state::teachers::Probe;
use ferkd_method::mining::{KindCounts, RegionKind};
use ferkd_method::region::Region;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use wasm_bindgen::prelude::*;

use crate::page::Page;

/// Puts `window.ferkd` there.
pub fn offer(runner: &eframe::WebRunner, gpu: Option<(wgpu::Device, wgpu::Queue)>) {
    let reader = runner.clone();
    let state = Closure::<dyn Fn() -> String>::new(move || match reader.app_mut::<Page>() {
        Some(mut page) => describe(&mut page).to_string(),
        None => json!({ "stopped": true }).to_string(),
    });
    let actor = runner.clone();
    let act = Closure::<dyn Fn(String, String) -> String>::new(move |name: String, json: String| {
        let done = match actor.app_mut::<Page>() {
            Some(mut page) => {
                page.ctx.request_repaint();
                match name.as_str() {
                    "open" => serde_json::from_str::<String>(&json)
                        .map(|address| page.open_address(&address))
                        .map_err(|error| error.to_string()),
                    _ => act(page.inspector.state(), &name, &json),
                }
            }
            None => Err("the page has stopped".into()),
        };
        done.err().unwrap_or_default()
    });
    let opener = runner.clone();
    let folder = Closure::<dyn Fn(JsValue)>::new(move |handle: JsValue| {
        if let Some(page) = opener.app_mut::<Page>() {
            page.open_folder(handle);
        }
    });
    let shaders = Closure::<dyn Fn() -> js_sys::Promise>::new(move || {
        let gpu = gpu.clone();
        wasm_bindgen_futures::future_to_promise(async move { compare(gpu).await.map(Into::into) })
    });
    let probe = js_sys::Object::new();
    for (name, function) in [
        ("state", state.into_js_value()),
        ("act", act.into_js_value()),
        ("folder", folder.into_js_value()),
        ("shaders", shaders.into_js_value()),
    ] {
        // A plain object takes any property.
        let _ = js_sys::Reflect::set(&probe, &name.into(), &function);
    }
    let _ = js_sys::Reflect::set(&js_sys::global(), &"ferkd".into(), &probe);
}

/// Every shader against its twin, as JSON; an empty list without WebGPU.
async fn compare(gpu: Option<(wgpu::Device, wgpu::Queue)>) -> Result<String, JsValue> {
    let Some((device, queue)) = gpu else { return Ok("[]".into()) };
    let compared = ferkd_shaders::compare_all(&device, &queue).await;
    let compared = compared.map_err(|error| JsValue::from(error.to_string()))?;
    let all: Vec<Value> = compared
        .iter()
        .map(|one| json!({ "name": one.name, "numbers": one.numbers, "off": one.off, "most": one.most }))
        .collect();
    Ok(Value::from(all).to_string())
}

fn kinds(counts: KindCounts) -> Value {
    RegionKind::ALL
        .into_iter()
        .map(|kind| (kind.name().to_owned(), json!(counts.of(kind))))
        .collect::<Map<_, _>>()
        .into()
}

fn describe(page: &mut Page) -> Value {
    let frames = page.frames();
    let animation_s = page.ctx.global_style().animation_time;
    let frame_ms = page.inspector.frame_ms();
    let (mean, peak) = (frame_ms.mean(), frame_ms.peak());
    let (part, part_ms) = peak.longest;
    let state = page.inspector.state();
    let settings = state.experiment.settings;
    let students = state.training.students.iter().map(|student| {
        json!({
            "supervision": student.supervision,
            "step": student.step,
            "loss": student.loss.iter().map(|[_, nats]| nats).collect::<Vec<_>>(),
            "accuracy": student.accuracy.iter().map(|[_, share]| share).collect::<Vec<_>>(),
            "kinds": kinds(student.kinds),
        })
    });
    let students: Vec<Value> = students.collect();
    let notices: Vec<Value> =
        state.notices.iter().map(|notice| json!({ "text": notice.text, "error": notice.is_error })).collect();
    let shown = state.shown().map(|shown| {
        json!({
            "image": shown.image,
            "name": shown.name,
            "size": [shown.size.0, shown.size.1],
            "regions": shown.regions.len(),
            "labels": shown.labels.iter().flatten().count(),
        })
    });
    json!({
        "device": state.device,
        "teachers": state.teachers.ready.keys().collect::<Vec<_>>(),
        "loading": state.loading_by_title(),
        "experiment": state.experiment,
        "link": to_fragment(&state.experiment),
        "name": state.set().map(|set| &set.name),
        "images": state.set().map(ferkd_app::dataset::DataSet::len),
        "shown": shown,
        "thresholds": state.thresholds(&settings).ok(),
        "kinds": state.kinds(&settings).map(kinds),
        "welcome": state.welcome,
        "labelled_by": state.set().map(ferkd_app::dataset::DataSet::teacher),
        "own_teacher": {
            "name": state.own.name(),
            "is_opening": state.own.is_opening(),
            "form": state.own.form.as_ref().map(|form| json!({
                "name": form.name,
                "side": form.preprocessing.side,
                "classes": form.naming(),
                "problem": form.problem(),
            })),
        },
        "box": state.teachers.probe.as_ref().map(|probe| own_box(state, probe)),
        "training": {
            "has_begun": state.training.has_begun,
            "is_playing": state.training.is_playing,
            "steps": state.training.steps,
            "begun_at": state.training.begun_at,
            "students": students,
        },
        "run": state.runs.current.as_ref().map(|run| json!({
            "name": run.name,
            "is_followed": run.is_followed,
            "done": run.monitor.done,
            "accuracy": run.monitor.accuracy.iter().map(|point| point.value).collect::<Vec<_>>(),
        })),
        "measured": state.teachers.measured,
        "memory_bytes": std::arch::wasm32::memory_size(0) * 65_536,
        "notices": notices,
        "frames": frames,
        "animation_s": animation_s,
        "frame_ms": { "mean": mean, "peak": peak.ms, "longest_part": part, "longest_part_ms": part_ms },
    })
}

/// The reader's own box, and what the teacher says of it.
fn own_box(state: &State, probe: &Probe) -> Value {
    let label = probe.label.as_ref().map(|(region, label)| {
        let truth = state.shown().and_then(|shown| shown.truth);
        let judged = state.judge(&state.experiment.settings, label, truth);
        let name = |class| state.set().map(|set| set.class_name(class));
        let top: Vec<Value> = label.top().iter().map(|(class, p)| json!([name(*class), p])).collect();
        json!({
            "region": region,
            "confidence": judged.map(|(c, _)| c),
            "kind": judged.map(|(_, kind)| kind.name()),
            "top": top,
        })
    });
    json!({ "region": probe.region, "is_pending": probe.is_pending, "time_s": probe.time_s, "label": label })
}

/// The first key of `changes` that is not in `all`, to whatever depth: a link may hold what a later version knows, but
/// what a script misspells would be left out in silence.
fn unknown_key(changes: &Map<String, Value>, all: &Map<String, Value>) -> Option<String> {
    changes.iter().find_map(|(key, change)| match (change, all.get(key)) {
        (_, None) => Some(key.clone()),
        (Value::Object(inner), Some(Value::Object(all))) => {
            unknown_key(inner, all).map(|inner| format!("{key}.{inner}"))
        }
        _ => None,
    })
}

fn act(state: &mut State, name: &str, json: &str) -> Result<(), String> {
    fn read<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
        serde_json::from_str(json).map_err(|error| error.to_string())
    }
    match name {
        // What is not named stays as it is.
        "experiment" => {
            let changes: Map<String, Value> = read(json)?;
            let mut all = serde_json::to_value(&state.experiment).map_err(|error| error.to_string())?;
            if let Value::Object(all) = &mut all {
                if let Some(key) = unknown_key(&changes, all) {
                    return Err(format!(
                        "an experiment has no key `{key}`: `state()` shows those that there are"
                    ));
                }
                all.extend(changes);
            }
            let changed: Experiment = serde_json::from_value(all).map_err(|error| error.to_string())?;
            state.apply([Action::Experiment(Box::new(changed.sanitised()))]);
        }
        "link" => {
            let link: String = read(json)?;
            let experiment = from_fragment(&link).map_err(|error| error.to_string())?;
            state.apply([Action::Experiment(Box::new(experiment))]);
        }
        "welcome" => state.welcome = read(json)?,
        // What the sheet says that asks about an ONNX file, and the way back from one.
        "use-onnx" => _ = state.apply([Action::UseOnnx]),
        "shipped-teacher" => _ = state.apply([Command::ShippedTeacher.into()]),
        "box" => {
            let region: Region = read(json)?;
            let size = state.shown().ok_or("no image is shown")?.size;
            if !region.fits(size.0, size.1) {
                return Err(format!("the box does not lie within {} x {} pixels", size.0, size.1));
            }
            state.teachers.probe = Some(Probe::new(region));
        }
        "measure" => {
            if !state.measure(read(json)?) {
                return Err("the teacher or the picture is not here".into());
            }
        }
        "play" => {
            let steps: Option<u64> = read(json)?;
            if let Some(missing) = state.training_missing() {
                return Err(missing);
            }
            // Students of other settings make way: trained ones come unasked.
            match state.training_is_outdated() {
                true => state.begin_training(),
                false => state.ensure_students(),
            }
            state.outbox.push(Request::Play(steps));
        }
        "pause" => _ = state.apply([Action::Pause]),
        // Stands in for a fault of the program: what the reader sees then can be tested.
        "panic" => panic!("asked for by a script"),
        _ => return Err(format!("there is no act `{name}`")),
    }
    Ok(())
}
