//! Sample regions of the scenes that students learn from: what the teacher says of each, and what every student.

use egui::{Color32, Grid, RichText, Sense, TextureHandle, Ui, Vec2};
use ferkd_method::mining::RegionKind;

use crate::dataset::DataSet;
use crate::experiment::Data;
use crate::panes::context::PaneContext;
use crate::panes::letter::on_color;
use crate::panes::shared::{kept_texture, paint_texture, swatch};
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// Side of a region's picture, in points.
const SIDE: f32 = 38.0;

/// One sample.
struct Sample {
    image: u64,
    region: u32,
    truth: Option<u32>,
    judged: Option<(f32, RegionKind)>,
    /// What the teacher takes it for, and how probable it finds that.
    teacher: Option<(u32, f32)>,
}

/// Draws the regions, the teacher's row and a row of each student.
pub(super) fn ui(state: &State, cx: &mut PaneContext, ui: &mut Ui) {
    let Some(asked) = state.training.asked.as_ref().filter(|asked| !asked.samples.is_empty()) else { return };
    let Some(set) = state.labels.set_of(Data::Scenes) else { return };
    let samples: Vec<Sample> =
        asked.samples.iter().filter_map(|&(image, region)| sample(state, set, image, region)).collect();
    ui.horizontal_wrapped(|ui| {
        ui.strong("Sample regions");
        ui.weak("of the scenes that students learn from, with top-1 predictions; right ones stand out");
    });
    egui::ScrollArea::horizontal().id_salt("sample regions").show(ui, |ui| {
        Grid::new("sample regions").spacing([8.0, 3.0]).show(ui, |ui| {
            ui.label("");
            for sample in &samples {
                let (rect, response) = ui.allocate_exact_size(Vec2::splat(SIDE), Sense::click());
                paint_texture(texture(set, sample, ui), rect, ui);
                let name = format!("Image {}, region {}", sample.image + 1, sample.region);
                response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Button, true, &name));
                if response.on_hover_text(format!("{name}: look at it")).clicked() {
                    cx.push(Action::LookAtRegion(Data::Scenes, sample.image, sample.region));
                }
            }
            ui.end_row();
            row("kind", None, ui);
            for Sample { judged, .. } in &samples {
                let Some((c, kind)) = judged else {
                    ui.weak("–");
                    continue;
                };
                let text = on_color(*kind, format!("  {}  ", kind.letter()), ui.visuals());
                ui.label(text).on_hover_text(format!("{}, confidence {c:.3}", kind.name()));
            }
            ui.end_row();
            row("teacher", None, ui);
            for sample in &samples {
                prediction(sample.teacher, sample.truth, theme::neutral(ui.visuals()), ui);
            }
            ui.end_row();
            for student in &state.training.students {
                let color = theme::student(student.supervision, ui.visuals());
                row(student.supervision.name(), Some(color), ui);
                for (at, sample) in samples.iter().enumerate() {
                    prediction(student.samples.get(at).copied(), sample.truth, color, ui);
                }
                ui.end_row();
            }
        });
    });
}

fn sample(state: &State, set: &DataSet, image: u64, region: u32) -> Option<Sample> {
    let found = set.region(image, region).ok()?;
    let label = found.label?;
    let judged = state.labels.judge(Data::Scenes, &state.experiment.settings, &label, found.truth);
    let teacher = label.top().first().copied();
    Some(Sample { image, region, truth: found.truth, judged, teacher })
}

fn row(name: &str, color: Option<Color32>, ui: &mut Ui) {
    ui.horizontal(|ui| {
        if let Some(color) = color {
            swatch(color, ui);
        }
        ui.label(name);
    });
}

/// A top-1 prediction as a digit; a right one stands on a colour.
fn prediction(prediction: Option<(u32, f32)>, truth: Option<u32>, color: Color32, ui: &mut Ui) {
    let Some((class, p)) = prediction else {
        ui.weak("–");
        return;
    };
    let is_right = truth == Some(class);
    let text = RichText::new(format!("  {class}  "));
    let text = if is_right {
        text.strong().background_color(color.gamma_multiply(0.4))
    } else {
        text.color(theme::weak(ui.visuals()))
    };
    let said = match (truth, is_right) {
        (Some(truth), false) => format!("{class} with {:.0} %: it is a {truth}", 100.0 * p),
        _ => format!("{class} with {:.0} %", 100.0 * p),
    };
    ui.label(text).on_hover_text(said);
}

/// A region's pixels, as the store's box and flip cut them; kept until the window closes.
fn texture(set: &DataSet, sample: &Sample, ui: &Ui) -> Option<TextureHandle> {
    let id = egui::Id::unique(("sample region", sample.image, sample.region));
    kept_texture(id, ui.ctx(), || {
        let shown = set.show(sample.image).ok()?;
        let (picture, region) = (shown.picture?, *shown.regions.get(sample.region as usize)?);
        let (left, top) = (region.left, region.top);
        let mut part =
            image::imageops::crop_imm(&*picture, left, top, region.width, region.height).to_image();
        if region.flip {
            image::imageops::flip_horizontal_in_place(&mut part);
        }
        Some(part)
    })
}
