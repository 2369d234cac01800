//! Every pane as it looks, in two sizes and both themes, and what a phone shows first, held against pictures that were looked at and committed.
//!
//! A quarter as large as the window, and compared as a whole: letters may be drawn a shade differently by another
//! adapter, but a pane that is empty, clipped or in another place is not. `FERKD_PICTURES=FOLDER` writes the pictures
//! there, whole, and `FERKD_PICTURES=update` replaces the committed ones.

use std::path::{Path, PathBuf};

use eframe::egui_wgpu::RendererOptions;
use egui::Theme;
use egui_kittest::Harness;
use egui_kittest::wgpu::{WgpuTestRenderer, create_render_state, default_wgpu_setup};
use ferkd_app::Inspector;
use ferkd_app::command::Command;
use ferkd_app::engine::Engine;
use ferkd_app::engine::{Reply, Request};
use ferkd_app::experiment::{Data, Experiment, Settings};
use ferkd_app::pane_kind::PaneKind;
use ferkd_app::scenes::{HeldOutScene, held_out};
use ferkd_app::shell::Nobody;
use ferkd_app::snapshot::Record;
use ferkd_method::mining::Thresholds;
use image::imageops::FilterType;
use image::{GrayImage, RgbaImage};

/// Width and height of the windows, in points: a usual one, and the smallest that everything must fit in.
const SIZES: [(u32, u32); 2] = [(1280, 800), (1024, 700)];

/// Width and height of a phone's screen, in points.
const PHONE: (u32, u32) = (360, 780);

/// What is looked at on a phone, beside the tour.
const ON_A_PHONE: [PaneKind; 2] = [PaneKind::Image, PaneKind::Confidence];

/// Smaller by this factor are the committed pictures.
const LESS: u32 = 4;

/// Mean difference of two pictures of the same, in shades of 256: fonts are drawn alike everywhere, edges nearly so.
const MEAN: f64 = 2.0;

/// Share of points that may differ by more than [`POINT`].
const SHARE: f64 = 0.01;

/// A difference that is seen, in shades of 256.
const POINT: u8 = 48;

/// Does nothing: what is drawn is what a visitor sees before a teacher or a student has done anything.
struct Silent;

impl Engine for Silent {
    fn send(&mut self, _: Request) {}

    fn replies(&mut self) -> Vec<Reply> {
        Vec::new()
    }
}

/// Takes up trained students at once, and says what they take scenes for: nearly what the record says, and the same on
/// every processor.
#[derive(Default)]
struct Trained {
    record: Option<Record>,
    said: Vec<Reply>,
}

impl Engine for Trained {
    fn send(&mut self, request: Request) {
        match request {
            Request::Teacher { name, .. } => {
                self.said.push(Reply::Teacher { name, ids: Vec::new(), names: Vec::new() });
            }
            Request::Snapshot(bytes) => self.record = Some(Record::read(&bytes).unwrap()),
            Request::Resume(asked) => {
                let record = self.record.as_ref().unwrap();
                self.said.push(Reply::TrainingOpened {
                    number: asked.number,
                    supervisions: asked.supervisions.clone(),
                    steps: record.steps,
                    step: record.step,
                    parameters: 20_944,
                });
                for supervision in asked.supervisions {
                    let share = record.accuracy(record.student(supervision).unwrap().right);
                    let taken = |(at, scene): (usize, &HeldOutScene)| match (at * 7919 % 1000) as f64 {
                        place if place < 1000.0 * share => scene.class,
                        _ => (scene.class + 1 + at as u32 % 3) % 10,
                    };
                    let predictions: Vec<u32> = held_out().iter().enumerate().map(taken).collect();
                    self.said.push(Reply::Evaluated {
                        supervision,
                        step: record.step,
                        epoch: record.epoch(record.step),
                        confidences: vec![0.75; predictions.len()],
                        predictions,
                        samples: vec![(3, 0.5); asked.samples.len()],
                        loss: 0.9,
                    });
                }
            }
            _ => {}
        }
    }

    fn replies(&mut self) -> Vec<Reply> {
        std::mem::take(&mut self.said)
    }
}

/// The folders of a run and of a sweep, as the program writes them.
fn a_run_and_a_sweep() -> tempfile::TempDir {
    let at = tempfile::tempdir().unwrap();
    let log: String = (1..=12)
        .map(|epoch| {
            let (left, regions) = (1.0 / f64::from(epoch), 640 * epoch);
            let [loss, top1] = [0.6 + 1.5 * left, 0.82 - 0.6 * left];
            format!(
                "{{\"event\":\"metric\",\"step\":{0},\"steps\":240,\"epoch\":{epoch}.0,\"loss\":{loss},\"lr\":0.02,\
                 \"regions\":{regions},\"kinds\":[{1},{2},{3},{1}],\"fallbacks\":0,\"regions_per_s\":8000.0,\
                 \"eta_s\":1.0}}\n{{\"event\":\"evaluation\",\"step\":{0},\"epoch\":{epoch}.0,\"top1\":{top1},\
                 \"top5\":0.97,\"loss\":{loss},\"best\":true}}\n",
                20 * epoch,
                epoch,
                96 * epoch - epoch,
                regions - 97 * epoch,
            )
        })
        .collect();
    std::fs::create_dir_all(at.path().join("run")).unwrap();
    std::fs::write(at.path().join("run/metrics.jsonl"), log).unwrap();
    let mut table = String::from("arm,epochs,seed,accuracy\n");
    for (arm, mean) in [("fkd", 0.71), ("hard", 0.66), ("ferkd", 0.705), ("ferkd+selfmix", 0.64)] {
        for (seed, off) in [-0.012, 0.004, 0.011, -0.003, 0.007].into_iter().enumerate() {
            for (epochs, more) in [(24, 0.0), (48, 0.06)] {
                table += &format!("{arm},{epochs},{seed},{}\n", mean + off + more);
            }
        }
    }
    std::fs::create_dir_all(at.path().join("sweep")).unwrap();
    std::fs::write(at.path().join("sweep/results.csv"), table).unwrap();
    at
}

/// What is looked at while a pane is in front.
fn experiment(pane: PaneKind) -> Experiment {
    let photos = Experiment { region: Some(3), ..Experiment::default() };
    let scenes = Experiment { data: Data::Scenes, image: 40, region: Some(2), ..Experiment::default() };
    match pane {
        PaneKind::Image => Experiment::first(),
        PaneKind::Training | PaneKind::Review | PaneKind::Classes | PaneKind::Gallery => scenes,
        PaneKind::Compare => {
            let quantiles = Thresholds { low: 0.1, mid: 0.4, high: 0.9 };
            Experiment { other: Some(Settings { quantiles, ..scenes.settings }), ..scenes }
        }
        _ => photos,
    }
}

/// What is drawn.
#[derive(Clone, Copy, PartialEq)]
enum Scene {
    /// What a first visitor sees.
    Welcome,
    /// The tour's first stop.
    Tour,
    /// A pane in front.
    Pane(PaneKind),
}

impl Scene {
    fn name(self) -> String {
        match self {
            Self::Welcome => "welcome".into(),
            Self::Tour => "tour".into(),
            Self::Pane(pane) => pane.title().to_lowercase(),
        }
    }

    fn pane(self) -> Option<PaneKind> {
        match self {
            Self::Pane(pane) => Some(pane),
            _ => None,
        }
    }

    fn is_on_a_phone(self) -> bool {
        self == Self::Tour || self.pane().is_some_and(|pane| ON_A_PHONE.contains(&pane))
    }
}

/// The window, once everything has been counted.
fn draw(scene: Scene, (width, height): (u32, u32), theme: Theme) -> RgbaImage {
    let pane = scene.pane();
    let window = create_render_state(default_wgpu_setup(), RendererOptions::PREDICTABLE);
    let ctx = egui::Context::default();
    let engine: Box<dyn Engine> =
        if pane == Some(PaneKind::Training) { Box::<Trained>::default() } else { Box::new(Silent) };
    let asked = pane.map_or_else(Experiment::first, experiment);
    let mut inspector = Inspector::new(&ctx, asked, engine, Box::new(Nobody), None, None);
    let opened = (pane == Some(PaneKind::Run)).then(a_run_and_a_sweep);
    for name in ["run", "sweep"] {
        opened.iter().for_each(|folder| inspector.state().open_path(&folder.path().join(name)));
    }
    inspector.draw_with(window.clone());
    inspector.state().device = Some("CPU (flex)".into());
    inspector.state().welcome = scene == Scene::Welcome;
    if scene == Scene::Tour {
        inspector.state().apply([Command::Tour.into()]);
    }
    let builder = Harness::builder()
        .with_size([width as f32, height as f32])
        .with_theme(theme)
        .with_context_setup(ferkd_app::theme::apply)
        .renderer(WgpuTestRenderer::from_render_state(window));
    let show = move |ui: &mut egui::Ui, inspector: &mut Inspector| {
        pane.into_iter().for_each(|pane| inspector.focus(pane));
        inspector.show(ui);
    };
    let mut harness = builder.build_ui_state(show, inspector);
    harness.run_steps(60);
    harness.render().expect("the software adapter draws")
}

fn small(picture: &RgbaImage) -> GrayImage {
    let (width, height) = (picture.width() / LESS, picture.height() / LESS);
    let rgb = image::imageops::resize(picture, width, height, FilterType::Triangle);
    image::DynamicImage::ImageRgba8(rgb).into_luma8()
}

/// Why two pictures are not of the same; none where they are.
fn difference(drawn: &GrayImage, kept: &GrayImage) -> Option<String> {
    if drawn.dimensions() != kept.dimensions() {
        return Some(format!("{:?} points, expected {:?}", drawn.dimensions(), kept.dimensions()));
    }
    let apart: Vec<u8> = drawn.as_raw().iter().zip(kept.as_raw()).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = apart.iter().map(|&d| f64::from(d)).sum::<f64>() / apart.len() as f64;
    let share = apart.iter().filter(|&&d| d > POINT).count() as f64 / apart.len() as f64;
    (mean > MEAN || share > SHARE)
        .then(|| format!("{mean:.2} shades apart on average, {:.2} % of it clearly", 100.0 * share))
}

#[test]
fn every_pane_looks_as_it_was_looked_at() {
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pictures");
    let wanted = std::env::var_os("FERKD_PICTURES").map(PathBuf::from);
    let is_update = wanted.as_deref() == Some(Path::new("update"));
    let mut faults = Vec::new();
    for scene in PaneKind::ALL.into_iter().map(Scene::Pane).chain([Scene::Welcome, Scene::Tour]) {
        let phone = scene.is_on_a_phone().then_some(PHONE);
        for size in SIZES.into_iter().chain(phone) {
            for theme in [Theme::Dark, Theme::Light] {
                let drawn = draw(scene, size, theme);
                let shade = if theme == Theme::Dark { "dark" } else { "light" };
                let name = format!("{}-{}-{shade}.png", scene.name(), size.0);
                if let Some(folder) = wanted.as_ref().filter(|_| !is_update) {
                    std::fs::create_dir_all(folder).unwrap();
                    drawn.save(folder.join(&name)).unwrap();
                    continue;
                }
                let (drawn, file) = (small(&drawn), kept.join(&name));
                if is_update {
                    drawn.save(&file).unwrap();
                    continue;
                }
                let before =
                    image::open(&file).unwrap_or_else(|error| panic!("{name}: {error}")).into_luma8();
                if let Some(how) = difference(&drawn, &before) {
                    faults.push(format!("{name}: {how}"));
                }
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{}\nLook at them (FERKD_PICTURES=FOLDER); if they are right, FERKD_PICTURES=update keeps them",
        faults.join("\n")
    );
}

#[test]
fn a_pane_that_is_empty_or_moved_is_another_picture() {
    let window = GrayImage::from_fn(320, 200, |x, y| image::Luma([if x < 160 && y > 20 { 40 } else { 90 }]));
    let shaded = GrayImage::from_fn(320, 200, |x, y| image::Luma([window.get_pixel(x, y).0[0] + 1]));
    let moved = GrayImage::from_fn(320, 200, |x, y| *window.get_pixel(x.saturating_sub(12), y));
    assert_eq!(difference(&shaded, &window), None);
    assert!(difference(&moved, &window).is_some());
    assert!(difference(&GrayImage::new(320, 200), &window).is_some());
}
