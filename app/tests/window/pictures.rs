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
use ferkd_app::engine::Engine;
use ferkd_app::engine::{Reply, Request};
use ferkd_app::experiment::{Data, Experiment, Settings};
use ferkd_app::pane_kind::PaneKind;
use ferkd_app::shell::Nobody;
use ferkd_method::mining::Thresholds;
use image::imageops::FilterType;
use image::{GrayImage, RgbaImage};

/// Width and height of the windows, in points: a usual one, and the smallest that everything must fit in.
const SIZES: [(u32, u32); 2] = [(1280, 800), (1024, 700)];

/// Width and height of a phone's screen, in points.
const PHONE: (u32, u32) = (360, 780);

/// What is looked at on a phone.
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

/// The window with a pane in front, or what a first visitor sees, once everything has been counted.
fn draw(pane: Option<PaneKind>, (width, height): (u32, u32), theme: Theme) -> RgbaImage {
    let window = create_render_state(default_wgpu_setup(), RendererOptions::PREDICTABLE);
    let ctx = egui::Context::default();
    let mut inspector = Inspector::new(
        &ctx,
        pane.map_or_else(Experiment::first, experiment),
        Box::new(Silent),
        Box::new(Nobody),
        None,
        None,
    );
    inspector.draw_with(window.clone());
    inspector.state().device = Some("CPU (flex)".into());
    inspector.state().welcome = pane.is_none();
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
    // The pane of runs shows nothing while no run is open.
    let panes = PaneKind::ALL.into_iter().filter(|pane| *pane != PaneKind::Run);
    for pane in panes.map(Some).chain([None]) {
        let phone = pane.is_some_and(|pane| ON_A_PHONE.contains(&pane)).then_some(PHONE);
        for size in SIZES.into_iter().chain(phone) {
            for theme in [Theme::Dark, Theme::Light] {
                let drawn = draw(pane, size, theme);
                let shade = if theme == Theme::Dark { "dark" } else { "light" };
                let of = pane.map_or("welcome".into(), |pane| pane.title().to_lowercase());
                let name = format!("{of}-{}-{shade}.png", size.0);
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
