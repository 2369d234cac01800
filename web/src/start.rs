//! The start: WebGPU where the browser offers it, else WebGL and the CPU; else plain words.

use std::rc::Rc;

use eframe::egui_wgpu::{WgpuSetup, WgpuSetupExisting};
use eframe::{AppCreator, Renderer, WebOptions, WebRunner};
use ferkd_app::engine::Engine;
use ferkd_app::engine::engine_group::EngineGroup;
use ferkd_app::experiment::Experiment;
use wasm_bindgen::prelude::*;
use web_sys::{HtmlCanvasElement, UrlSearchParams};

use crate::browser::{cores, cover, has_web_gl, has_web_gpu, words};
use crate::fetch::PageFetch;
use crate::link::Link;
use crate::local::LocalEngine;
use crate::page::{Page, Parts};
use crate::worker::{DEVICE, WorkerEngine};
use crate::{probe, storage};

/// What is said where there is no WebGPU.
const SLOW: &str = "This browser offers no WebGPU: the CPU computes, which is slower";

/// What is said where the address asks for the CPU.
const ASKED: &str = "The address asks for it: the CPU computes, which is slower than WebGPU";

/// The part of an address that asks for the CPU.
const CPU: &str = "?device=cpu";

/// Opens the page.
pub async fn page() {
    // A second logger is no matter: the first one goes on.
    let _ = eframe::WebLogger::init(log::LevelFilter::Warn);
    let runner = WebRunner::new();
    cover_panics();
    let (experiment, complaint) = Link::open();
    let asks_for_cpu = parameter("device").as_deref() == Some("cpu");
    let shared = match !asks_for_cpu && has_web_gpu().await {
        true => ferkd_nn::device::open_shared_async().await.map_err(|error| log::warn!("{error}")).ok(),
        false => None,
    };
    let gpu = shared.as_ref().map(|shared| (shared.setup.device.clone(), shared.setup.queue.clone()));
    let started = match shared {
        Some(shared) => with_gpu(&runner, shared, experiment, complaint).await,
        None if has_web_gl() => {
            let notice = if asks_for_cpu { ASKED } else { SLOW };
            with_cpu(&runner, notice, experiment, complaint).await
        }
        None => {
            let text = "FerKD draws by WebGPU or WebGL 2, and this browser offers neither, or they are switched \
                        off. A recent Chrome, Edge, Firefox or Safari has them.";
            return cover("This browser cannot show the page", text, "Try again", None);
        }
    };
    if let Err(error) = started {
        cover("The page could not be opened", &words(&error), "Open it on the CPU", Some(CPU));
        return;
    }
    probe::offer(&runner, gpu);
    storage::on_leave(&runner);
}

/// The engine computes on the device that the window draws on.
async fn with_gpu(
    runner: &WebRunner,
    shared: ferkd_nn::device::SharedWgpu,
    experiment: Experiment,
    complaint: Option<String>,
) -> Result<(), JsValue> {
    let name = match shared.name() {
        name if name.is_empty() => "WebGPU".to_owned(),
        name => format!("WebGPU: {name}"),
    };
    let setup = shared.setup.clone();
    let mut options = WebOptions { renderer: Renderer::Wgpu, ..WebOptions::default() };
    options.wgpu_options.wgpu_setup = WgpuSetup::Existing(WgpuSetupExisting {
        instance: setup.instance,
        adapter: setup.adapter,
        device: setup.device,
        queue: setup.queue,
    });
    let engine = move |wake| Ok(Box::new(LocalEngine::start(&shared, wake)) as Box<dyn Engine>);
    start(runner, options, creator(experiment, complaint, None, Some(name), engine)).await
}

/// Workers for students at the most: each has the program's memory once more.
const MOST_WORKERS: usize = 4;

/// A worker labels, others train students; where there is one core alone, one worker does both.
fn workers(wake: Wake) -> Result<Box<dyn Engine>, JsValue> {
    let wake: Rc<dyn Fn()> = wake.into();
    let start = move || {
        let wake = wake.clone();
        WorkerEngine::start(move || wake())
    };
    let first = start()?;
    Ok(match cores() {
        0 | 1 => Box::new(first),
        cores => Box::new(EngineGroup::new(first, cores.min(MOST_WORKERS), move || {
            start().map_err(|error| log::warn!("no worker for students: {}", words(&error))).ok()
        })),
    })
}

/// The engine computes in workers, the window is drawn by WebGL.
async fn with_cpu(
    runner: &WebRunner,
    notice: &str,
    experiment: Experiment,
    complaint: Option<String>,
) -> Result<(), JsValue> {
    let options = WebOptions { renderer: Renderer::Glow, ..WebOptions::default() };
    let notice = Some(notice.to_owned());
    start(runner, options, creator(experiment, complaint, notice, Some(DEVICE.into()), workers)).await
}

type Wake = Box<dyn Fn()>;

fn creator(
    experiment: Experiment,
    complaint: Option<String>,
    notice: Option<String>,
    device: Option<String>,
    engine: impl FnOnce(Wake) -> Result<Box<dyn Engine>, JsValue> + 'static,
) -> AppCreator<'static> {
    Box::new(move |creation| {
        let ctx = creation.egui_ctx.clone();
        let repaint = || -> Wake {
            let ctx = ctx.clone();
            Box::new(move || ctx.request_repaint())
        };
        let engine = engine(repaint()).map_err(|error| words(&error))?;
        let fetch = Box::new(PageFetch::start(repaint()));
        let open = parameter("open");
        let window = creation.wgpu_render_state.clone();
        let parts = Parts { experiment, engine, fetch, notice, complaint, device, open, window };
        Ok(Box::new(Page::new(&ctx, creation.storage, parts)))
    })
}

async fn start(runner: &WebRunner, options: WebOptions, creator: AppCreator<'static>) -> Result<(), JsValue> {
    let document = web_sys::window().and_then(|window| window.document());
    let canvas = document.and_then(|document| document.get_element_by_id("canvas"));
    let canvas = canvas.and_then(|canvas| canvas.dyn_into::<HtmlCanvasElement>().ok());
    let canvas = canvas.ok_or_else(|| JsValue::from("the page has no canvas"))?;
    runner.start(canvas, options, creator).await
}

/// A panic is shown, whatever was under way; eframe has logged it by then.
fn cover_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        before(panic);
        cover("FerKD has stopped", &panic.to_string(), "Start again", None);
    }));
}

/// A parameter of the address, where it is given.
fn parameter(name: &str) -> Option<String> {
    let search = web_sys::window()?.location().search().ok()?;
    UrlSearchParams::new_with_str(&search).ok()?.get(name).filter(|value| !value.is_empty())
}
