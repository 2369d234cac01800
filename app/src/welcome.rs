//! What a reader who was never here is told before anything else: one sentence, and one picture of real labels.

use egui::{CornerRadius, Rect, RichText, Sense, Ui, pos2, vec2};
use ferkd_method::mining::RegionKind;
use ferkd_method::region::Region;

use crate::dataset::Shown;
use crate::explain::fate;
use crate::panes::context::PaneContext;
use crate::panes::letter::paint_letter;
use crate::panes::photo::texture;
use crate::representative::{AT_FIRST, representative};
use crate::state::State;
use crate::state::action::Action;
use crate::theme;

/// Width of the sheet where there is room for it, in points.
const WIDTH: f32 = 640.0;

/// Side of a region's picture, in points.
const SIDE: f32 = 64.0;

/// What it is, in a sentence.
const SENTENCE: &str = "A teacher labelled many regions of every image, one time. FerKD decides region by region what a \
                        student learns from each of these labels.";

/// Draws the sheet before everything else, where it is open.
pub fn ui(state: &State, cx: &mut PaneContext, ctx: &egui::Context) {
    if !state.welcome {
        return;
    }
    let frame = egui::Frame::popup(&ctx.global_style()).inner_margin(16);
    let modal = egui::Modal::new(egui::Id::unique("welcome")).frame(frame).show(ctx, |ui| {
        ui.set_width(WIDTH.min(ui.ctx().content_rect().width() - 64.0));
        ui.heading("Which region gets which label, and why");
        ui.label(SENTENCE);
        ui.add_space(8.0);
        if let Some(shown) = state.shown() {
            picture(state, shown, ui);
        }
        ui.add_space(8.0);
        ui.horizontal_wrapped(|ui| {
            let tour = RichText::new("Start the tour").color(ui.visuals().selection.stroke.color);
            if ui.add(egui::Button::new(tour).fill(ui.visuals().selection.bg_fill)).clicked() {
                cx.push(Action::Welcome(false));
                cx.push(Action::Tour(Some(0)));
            }
            if ui.button("Look around").clicked() {
                cx.push(Action::Welcome(false));
            }
            ui.weak("A click on FerKD, at the top, brings this back.");
        });
    });
    if modal.should_close() {
        cx.push(Action::Welcome(false));
    }
}

/// One region of each kind: what it shows, what the teacher said of it, and what becomes of that.
fn picture(state: &State, shown: &Shown, ui: &mut Ui) {
    let judged = |number: usize| {
        let label = shown.labels.get(number)?.as_ref()?;
        let (_, kind) = state.judge(&state.experiment.settings, label, shown.truth)?;
        let (class, p) = *label.top().first()?;
        Some((kind, class, p))
    };
    let regions: Vec<(Region, Option<RegionKind>)> = (shown.regions.iter().enumerate())
        .map(|(number, region)| (*region, judged(number).map(|(kind, ..)| kind)))
        .collect();
    let mut chosen = representative(&regions, shown.size, AT_FIRST as usize);
    chosen.sort_by_key(|&number| judged(number).map(|(kind, ..)| kind as usize));
    for number in chosen {
        let Some((kind, class, p)) = judged(number) else { continue };
        ui.horizontal(|ui| {
            crop(shown, &regions[number].0, kind, ui);
            ui.vertical(|ui| {
                ui.add_space(6.0);
                ui.horizontal_wrapped(|ui| {
                    ui.weak("The teacher says");
                    ui.strong(format!("{} {p:.2}", state.class_name(class)));
                });
                ui.label(fate(kind));
            });
        });
    }
}

/// What a region shows, framed in the colour of its kind, with its letter.
fn crop(shown: &Shown, region: &Region, kind: RegionKind, ui: &mut Ui) {
    let (place, response) = ui.allocate_exact_size(vec2(SIDE, SIDE), Sense::hover());
    let name = format!("A {} region", kind.name());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &name));
    let color = theme::kind(kind, ui.visuals());
    ui.painter().rect_filled(place, CornerRadius::same(theme::RADIUS), color);
    // As it is: a region is stretched only when a network sees it.
    let size = vec2(region.width as f32, region.height as f32);
    let inside = place.shrink(3.0);
    let rect = Rect::from_center_size(inside.center(), size * (inside.width() / size.max_elem()));
    ui.painter().rect_filled(inside, CornerRadius::ZERO, theme::card(ui.visuals()));
    if let Some(picture) = &shown.picture {
        let (width, height) = (shown.size.0 as f32, shown.size.1 as f32);
        let min = pos2(region.left as f32 / width, region.top as f32 / height);
        let uv = Rect::from_min_size(min, size / vec2(width, height));
        ui.painter().image(texture(shown, picture, ui.ctx()).id(), rect, uv, theme::TINT.0);
    }
    let badge = Rect::from_min_size(place.min, vec2(16.0, 16.0));
    ui.painter().rect_filled(badge, CornerRadius::same(theme::RADIUS), color);
    paint_letter(kind, badge.center(), 12.0, ui.painter(), ui.visuals());
}
