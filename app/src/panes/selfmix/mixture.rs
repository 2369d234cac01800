//! One mixture: its parents, the mixed picture, the mixed label.

use std::sync::Arc;

use egui::{Align2, CornerRadius, FontId, Rect, Sense, Stroke, StrokeKind, Ui, pos2, vec2};
use ferkd_method::label::SoftLabel;
use ferkd_method::region::Region;
use ferkd_method::selfmix::{Mixing, Operator};
use image::RgbImage;

use crate::panes::context::PaneContext;
use crate::screen;
use crate::state::State;
use crate::study::mixes::Adapted;
use crate::theme;

/// Classes with a bar of their own.
const TOP: usize = 4;

/// Largest side of a picture on the screen, in points.
const LARGEST: f32 = 128.0;

/// One of the two regions that are mixed.
pub(super) struct Parent {
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub place: Region,
    /// Its image's picture.
    pub picture: Option<Arc<RgbImage>>,
    /// What it is trained with.
    pub adapted: Adapted,
    /// Which parent it is: 0 a, 1 b, 2 of another image.
    pub which: usize,
}

impl Parent {
    fn letter(&self) -> &'static str {
        ["a", "b", "other"][self.which.min(2)]
    }
}

/// Two regions, and how they are mixed.
#[derive(Clone, Copy)]
pub(super) struct Mixture<'a> {
    /// What it is called.
    pub title: &'a str,
    /// Where its pictures are kept.
    pub slot: &'a str,
    /// The first region.
    pub a: &'a Parent,
    /// The second one, where there is one.
    pub b: Option<&'a Parent>,
    /// Whether it is known which one that is.
    pub is_known: bool,
    /// Operator and weight.
    pub mixing: Mixing,
    /// Side of the pictures that are mixed, in pixels.
    pub side: u32,
}

impl Mixture<'_> {
    /// Draws it.
    pub fn ui(&self, state: &State, cx: &mut PaneContext, ui: &mut Ui) {
        let ground = theme::card(ui.visuals());
        let frame = egui::Frame::new().fill(ground).inner_margin(8).corner_radius(theme::RADIUS);
        frame.show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.strong(self.title);
            let Some(b) = self.b else {
                ui.weak(match self.is_known {
                    true => "There is no other image whose regions survive mining",
                    false => "…",
                });
                return;
            };
            self.pictures(b, cx, ui);
            match self.a.adapted.label.mixed(&b.adapted.label, self.mixing.l) {
                Ok(mixed) => label(state, self, b, &mixed, ui),
                Err(error) => {
                    ui.colored_label(ui.visuals().error_fg_color, error.to_string());
                }
            }
            for parent in [self.a, b].into_iter().filter(|parent| !parent.adapted.is_met) {
                let (letter, kind) = (parent.letter(), parent.adapted.kind.name());
                ui.weak(format!("Region {letter} is {kind}: no student meets it"));
            }
        });
    }

    /// a + b = mixed, as pictures.
    fn pictures(&self, b: &Parent, cx: &mut PaneContext, ui: &mut Ui) {
        let Self { slot, a, mixing, side, .. } = *self;
        const SIGN: f32 = 16.0;
        let size = ((ui.available_width() - 2.0 * SIGN - 2.0) / 3.0).clamp(36.0, LARGEST);
        let made = a.picture.as_ref().zip(b.picture.as_ref()).map(|(of_a, of_b)| {
            let parents = [(of_a, a.place), (of_b, b.place)];
            cx.screen.mixture(slot, &screen::Mixture { parents, mixing, side }, ui.ctx())
        });
        let all = vec2(3.0 * size + 2.0 * SIGN, size + 18.0);
        let (rect, response) = ui.allocate_exact_size(all, Sense::hover());
        let l = mixing.l;
        let said = format!("Region {} and region {} mixed with l = {l:.2}", a.letter(), b.letter());
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, &said));
        let visuals = ui.visuals();
        let painter = ui.painter();
        let whole = Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0));
        let captions = [caption(a), caption(b), "mixed".to_owned()];
        let colors =
            [theme::parent(a.which, visuals), theme::parent(b.which, visuals), theme::accent(visuals)];
        for (i, (text, color)) in captions.iter().zip(colors).enumerate() {
            let min = rect.min + vec2(i as f32 * (size + SIGN), 0.0);
            let square = Rect::from_min_size(min, vec2(size, size));
            match &made {
                Some(Ok(textures)) => {
                    painter.image(textures[i], square, whole, theme::TINT.0);
                }
                _ => {
                    painter.rect_filled(
                        square,
                        CornerRadius::ZERO,
                        theme::neutral(visuals).gamma_multiply(0.3),
                    );
                }
            }
            painter.rect_stroke(square, CornerRadius::ZERO, Stroke::new(2.0, color), StrokeKind::Inside);
            if let (2, Operator::Paste { top, bottom, left, right }) = (i, mixing.operator) {
                let scale = size / side as f32;
                let corner = |x: u32, y: u32| min + vec2(x as f32, y as f32) * scale;
                let pasted = Rect::from_min_max(corner(left, top), corner(right, bottom));
                painter.rect_stroke(
                    pasted,
                    CornerRadius::ZERO,
                    Stroke::new(1.5, colors[1]),
                    StrokeKind::Inside,
                );
            }
            let at = pos2(square.center().x, rect.bottom() - 16.0);
            painter.text(
                at,
                Align2::CENTER_TOP,
                text,
                FontId::proportional(theme::CAPTION),
                visuals.text_color(),
            );
            if i < 2 {
                let at = pos2(square.right() + SIGN / 2.0, square.center().y);
                let sign = ["+", "="][i];
                painter.text(
                    at,
                    Align2::CENTER_CENTER,
                    sign,
                    FontId::proportional(theme::TITLE),
                    theme::weak(visuals),
                );
            }
        }
        response.on_hover_text(format!("{}; {}", b.name, said));
        if let Some(Err(error)) = made {
            ui.colored_label(ui.visuals().error_fg_color, error.to_string());
        }
    }
}

fn caption(parent: &Parent) -> String {
    let Adapted { c, kind, .. } = parent.adapted;
    format!("{} · {} {c:.2}", parent.letter(), kind.letter())
}

/// The mixed label: a bar for each class, in two parts, one from each parent.
fn label(state: &State, mixture: &Mixture<'_>, b: &Parent, mixed: &SoftLabel, ui: &mut Ui) {
    let Mixture { title, a, mixing: Mixing { l, .. }, .. } = *mixture;
    let name = |class: u32| state.class_name(class);
    let parts =
        |class: u32| [l * a.adapted.label.probability(class), (1.0 - l) * b.adapted.label.probability(class)];
    let mut shown = [0.0; 2];
    for &(class, p) in mixed.top().iter().take(TOP) {
        let both = parts(class);
        shown = [shown[0] + both[0], shown[1] + both[1]];
        bar(&name(class), p, both, [a.which, b.which], ui);
    }
    let others = mixed.classes() as usize - mixed.top().len().min(TOP);
    if others > 0 {
        let rest = [(l - shown[0]).max(0.0), (1.0 - l - shown[1]).max(0.0)];
        bar(&format!("{others} other classes"), rest[0] + rest[1], rest, [a.which, b.which], ui);
    }
    let far = [mixed.total_variation(&a.adapted.label), mixed.total_variation(&b.adapted.label)];
    let text = format!("Total variation {:.3} from a, {:.3} from {}", far[0], far[1], b.letter());
    let response = ui.add(egui::Label::new(egui::RichText::new(&text).strong()).wrap());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, format!("{title}: {text}")));
}

fn bar(name: &str, p: f32, parts: [f32; 2], which: [usize; 2], ui: &mut Ui) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 17.0), Sense::hover());
    let visuals = ui.visuals();
    let painter = ui.painter();
    painter.rect_filled(rect, CornerRadius::same(3), theme::line(visuals).color.gamma_multiply(0.5));
    let mut left = rect.left();
    for (part, which) in parts.into_iter().zip(which) {
        let right = (left + part * rect.width()).min(rect.right());
        let piece = Rect::from_min_max(pos2(left, rect.top()), pos2(right, rect.bottom()));
        painter.rect_filled(piece, CornerRadius::same(2), theme::parent(which, visuals).gamma_multiply(0.55));
        left = right;
    }
    let number = painter.text(
        rect.right_center() - vec2(4.0, 0.0),
        Align2::RIGHT_CENTER,
        format!("{p:.3}"),
        FontId::monospace(theme::AXIS),
        visuals.text_color(),
    );
    let inside = Rect::from_min_max(rect.min, pos2(number.left() - 4.0, rect.bottom()));
    let at = rect.left_center() + vec2(5.0, 0.0);
    painter.with_clip_rect(inside.intersect(ui.clip_rect())).text(
        at,
        Align2::LEFT_CENTER,
        name,
        FontId::proportional(theme::CAPTION),
        visuals.text_color(),
    );
    response.on_hover_text(format!("{name}: {:.3} from a, {:.3} from its partner", parts[0], parts[1]));
}
