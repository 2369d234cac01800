//! Draws the inspector into PNG files, without a window: `cargo run -p ferkd-app --example pictures -- FOLDER [WIDTH HEIGHT [NAME...]]`.
//!
//! One picture a pane and theme, with the teacher at work on the CPU, heat map and mixed regions by shaders. The
//! environment's `FERKD_RUN`, the folder of a run, is what the pane of runs shows.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use eframe::egui_wgpu::RendererOptions;
use egui::Theme;
use egui_kittest::Harness;
use egui_kittest::kittest::Queryable as _;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use ferkd_app::engine::thread::ThreadEngine;
use ferkd_app::experiment::{Data, Experiment, Settings};
use ferkd_app::pane_kind::PaneKind;
use ferkd_app::shell::Nobody;
use ferkd_app::state::teachers::Probe;
use ferkd_app::{Inspector, State};
use ferkd_method::label::SoftLabel;
use ferkd_method::mining::{RegionKind, Thresholds};
use ferkd_method::region::Region;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "pictures".into()));
    let width: f32 = arguments.next().map_or(Ok(1280.0), |w| w.parse())?;
    let height: f32 = arguments.next().map_or(Ok(800.0), |h| h.parse())?;
    let only: Vec<String> = arguments.collect();
    std::fs::create_dir_all(&folder)?;
    for theme in [Theme::Dark, Theme::Light] {
        for (name, experiment, pane) in scenes() {
            if !only.is_empty() && !only.iter().any(|o| name.starts_with(o.as_str())) {
                continue;
            }
            let engine = ThreadEngine::start(burn::tensor::Device::flex(), || ())?;
            let shell = Box::new(Nobody);
            let ctx = egui::Context::default();
            let mut inspector = Inspector::new(&ctx, experiment.clone(), Box::new(engine), shell, None, None);
            let window = create_render_state(default_wgpu_setup(), RendererOptions::PREDICTABLE);
            inspector.draw_with(window.clone());
            if let (PaneKind::Run, Some(run)) = (pane, std::env::var_os("FERKD_RUN")) {
                inspector.state().open_path(&PathBuf::from(run));
            }
            let builder = Harness::builder()
                .with_size([width, height])
                .with_theme(theme)
                .with_context_setup(ferkd_app::theme::apply)
                .renderer(WgpuTestRenderer::from_render_state(window));
            let draw = |ui: &mut egui::Ui, (inspector, is_ready): &mut (Inspector, bool)| {
                inspector.focus(pane);
                *is_ready = prepare(inspector.state(), &name, pane);
                inspector.show(ui);
            };
            let mut harness = builder.build_ui_state(draw, (inspector, false));
            let begun = Instant::now();
            while !harness.state().1 && begun.elapsed() < Duration::from_secs(120) {
                harness.run_steps(1);
                std::thread::sleep(Duration::from_millis(20));
            }
            if name == "heat" {
                harness.get_by_label("Heat map").click();
            }
            harness.run_steps(4);
            let file =
                folder.join(format!("{name}-{}.png", if theme == Theme::Dark { "dark" } else { "light" }));
            harness.render()?.save(&file)?;
            println!("{}", file.display());
        }
    }
    Ok(())
}

/// Draws a box of one's own; whether the teacher has answered, and the trained students are evaluated.
fn prepare(state: &mut State, name: &str, pane: PaneKind) -> bool {
    state.device = Some("CPU (flex)".into());
    if name.starts_with("image") && state.teachers.probe.is_none() {
        let region = Region { top: 20, left: 150, height: 150, width: 170, flip: false };
        state.teachers.probe = Some(Probe::new(region));
    }
    // A region whose label FerKD changes.
    if name.starts_with("pane-") && state.experiment.data == Data::Photos {
        state.experiment.region = context(state).or(state.experiment.region);
    }
    let learns = pane == PaneKind::Training;
    // The pane takes up the trained students by itself.
    let have_learned = state.training.has_begun
        && state.training.students.iter().all(|student| !student.predictions.is_empty());
    let has_answered = state.teachers.probe.as_ref().is_none_or(|probe| probe.label.is_some());
    state.teachers.ready.len() == 2 && has_answered && (have_learned || !learns)
}

/// The first region of the shown image that is context.
fn context(state: &State) -> Option<u32> {
    let shown = state.shown()?;
    let is_context = |label: &Option<SoftLabel>| {
        let judged = state.judge(&state.experiment.settings, label.as_ref()?, shown.truth);
        judged.filter(|(_, kind)| *kind == RegionKind::Context)
    };
    let at = shown.labels.iter().position(|label| is_context(label).is_some())?;
    u32::try_from(at).ok()
}

/// What is drawn: a name, the experiment, and the pane in front.
fn scenes() -> Vec<(String, Experiment, PaneKind)> {
    let photos = Experiment { region: Some(3), ..Experiment::default() };
    let scenes = Experiment { data: Data::Scenes, image: 40, region: Some(2), ..Experiment::default() };
    let mut all = vec![("image".into(), photos.clone(), PaneKind::Image)];
    all.push(("heat".into(), photos.clone(), PaneKind::Image));
    for pane in PaneKind::ALL {
        if pane == PaneKind::Image {
            continue;
        }
        let name = format!("pane-{}", pane.title().to_lowercase());
        let experiment = match pane {
            PaneKind::Training => scenes.clone(),
            PaneKind::Compare => {
                let quantiles = Thresholds { low: 0.1, mid: 0.4, high: 0.9 };
                Experiment { other: Some(Settings { quantiles, ..scenes.settings }), ..scenes.clone() }
            }
            _ => photos.clone(),
        };
        all.push((name, experiment, pane));
    }
    all.push(("scenes".into(), scenes, PaneKind::Confidence));
    all
}
