//! Colours, spacing and type, by what they mean. Nothing else in the interface names a colour.

use egui::{Color32, Stroke, TextStyle, Theme, Visuals};
use ferkd_method::mining::RegionKind;
use ferkd_train::config::Supervision;

use crate::{fonts, touch};

/// Corner radius of cards and bars, in points.
pub const RADIUS: u8 = 4;

/// The scale of spacing, in points: within a control, between controls, between groups.
pub const SPACE: [f32; 3] = [4.0, 8.0, 16.0];

/// Around what a pane holds, in points.
pub const MARGIN: i8 = 8;

/// Size of letters within a small mark, in points.
pub const TINY: f32 = 10.0;

/// Size of numbers at axes, in points.
pub const AXIS: f32 = 11.0;

/// Size of names within a picture or a bar, in points.
pub const CAPTION: f32 = 12.0;

/// Size of text, in points.
pub const TEXT: f32 = 13.0;

/// Size of the title of a part of a pane, in points.
pub const TITLE: f32 = 15.0;

/// Size of headings, in points.
pub const HEADING: f32 = 18.0;

/// Below this width of the window, in points, panes come one below the other, and tools behind a menu.
const ONE_COLUMN: f32 = 680.0;

/// Whether there is room for one column alone: panes come one below the other, and tools behind a menu.
pub fn is_one_column(ctx: &egui::Context) -> bool {
    ctx.content_rect().width() < ONE_COLUMN
}

/// Whether a finger scrolls wherever it begins: panes stand one below the other, and the reader has touched them.
pub fn one_finger_scrolls(ctx: &egui::Context) -> bool {
    is_one_column(ctx) && touch::has_screen(ctx)
}

/// How far from an edge or a threshold the hand still takes it, in points: a finger is wider than a pointer.
pub fn grip(of_pointer: f32, ctx: &egui::Context) -> f32 {
    if touch::has_screen(ctx) { 2.0 * of_pointer } else { of_pointer }
}

/// Lets nothing move by itself: for readers whose system asks for that.
pub fn hold_still(ctx: &egui::Context) {
    ctx.all_styles_mut(|style| {
        style.animation_time = 0.0;
        style.scroll_animation = egui::style::ScrollAnimation::none();
    });
}

/// A kind's colour, as everywhere in the project.
pub fn kind(kind: RegionKind, visuals: &Visuals) -> Color32 {
    let [r, g, b] = ferkd_report::kind_color(kind, visuals.dark_mode);
    Color32::from_rgb(r, g, b)
}

/// A colour for text on a kind's colour: black or white, whichever stands out more (WCAG 2's contrast).
pub fn on_kind(of: RegionKind, visuals: &Visuals) -> Color32 {
    let [black, white] = [Color32::from_gray(20), Color32::WHITE];
    let ground = kind(of, visuals);
    if contrast(ground, black) >= contrast(ground, white) { black } else { white }
}

/// Contrast of two colours, in 1..=21.
fn contrast(a: Color32, b: Color32) -> f32 {
    let luminance = |color: Color32| {
        let [r, g, b, _] = egui::Rgba::from(color).to_array();
        0.2126 * r + 0.7152 * g + 0.0722 * b
    };
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

/// The colour that is meant for the theme at hand, of two as red, green and blue.
fn of_theme(light: (u8, u8, u8), dark: (u8, u8, u8), visuals: &Visuals) -> Color32 {
    let (r, g, b) = if visuals.dark_mode { dark } else { light };
    Color32::from_rgb(r, g, b)
}

/// A student's colour.
pub fn student(supervision: Supervision, visuals: &Visuals) -> Color32 {
    let (light, dark) = match supervision {
        Supervision::Hard => ((0x6b, 0x6b, 0x6b), (0xa8, 0xa8, 0xa8)),
        Supervision::Kd | Supervision::Funmatch => ((0x9c, 0x4d, 0x8b), (0xcc, 0x79, 0xa7)),
        Supervision::Fkd => ((0xb8, 0x5c, 0x00), (0xe6, 0x9f, 0x00)),
        Supervision::FerkdSelfmix => ((0x00, 0x7d, 0x5b), (0x2c, 0xc0, 0x97)),
        _ => ((0x00, 0x72, 0xb2), (0x56, 0xb4, 0xe9)),
    };
    of_theme(light, dark, visuals)
}

/// The colour of one of several curves that are of no kind and no student, by its number (Okabe and Ito's colours).
pub fn series(number: usize, visuals: &Visuals) -> Color32 {
    const LIGHT: [(u8, u8, u8); 8] = [
        (0x00, 0x72, 0xb2),
        (0xb8, 0x5c, 0x00),
        (0x00, 0x7d, 0x5b),
        (0x9c, 0x4d, 0x8b),
        (0x2f, 0x7f, 0x8f),
        (0xc0, 0x39, 0x2b),
        (0x6b, 0x6b, 0x6b),
        (0x8a, 0x7a, 0x00),
    ];
    const DARK: [(u8, u8, u8); 8] = [
        (0x56, 0xb4, 0xe9),
        (0xe6, 0x9f, 0x00),
        (0x2c, 0xc0, 0x97),
        (0xcc, 0x79, 0xa7),
        (0x6c, 0xc0, 0xd0),
        (0xe0, 0x6c, 0x75),
        (0xa8, 0xa8, 0xa8),
        (0xf0, 0xe4, 0x42),
    ];
    of_theme(LIGHT[number % LIGHT.len()], DARK[number % DARK.len()], visuals)
}

/// Text that stands back.
pub fn weak(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_gray(160) } else { Color32::from_gray(95) }
}

/// The ground of a card.
pub fn card(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_rgb(0x23, 0x26, 0x2b) } else { Color32::from_rgb(0xf3, 0xf4, 0xf6) }
}

/// Lines of axes and frames.
pub fn line(visuals: &Visuals) -> Stroke {
    Stroke::new(1.0, if visuals.dark_mode { Color32::from_gray(70) } else { Color32::from_gray(205) })
}

/// Bars and marks that are of no kind.
pub fn neutral(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_gray(120) } else { Color32::from_gray(150) }
}

/// A prediction that is wrong.
pub fn wrong(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_rgb(0xe0, 0x6c, 0x75) } else { Color32::from_rgb(0xc0, 0x39, 0x2b) }
}

/// What is chosen, and what the hand may take.
pub fn accent(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_rgb(0xff, 0xff, 0xff) } else { Color32::from_rgb(0x11, 0x18, 0x27) }
}

/// Under a line that is drawn over a picture, so that it stands out on every ground.
pub const UNDER_LINE: Color32 = Color32::from_black_alpha(140);

/// Lines and marks on a picture that are of no kind.
pub const ON_PICTURE: Color32 = Color32::WHITE;

/// Letters on such a mark.
pub const ON_MARK: Color32 = Color32::BLACK;

/// Lines on a picture that stand back.
pub const FAINT_ON_PICTURE: Color32 = Color32::from_rgba_premultiplied(70, 70, 70, 70);

/// The ground of a legend on a picture, whatever lies below, and what is written on it.
pub const LEGEND: (Color32, Color32) = (Color32::from_black_alpha(190), Color32::from_gray(235));

/// A picture as it is, and one that is out of the light.
pub const TINT: (Color32, Color32) = (Color32::WHITE, Color32::from_gray(110));

/// The heat map's tint: how much of it one sees over the picture.
pub const HEAT: Color32 = Color32::from_rgba_premultiplied(150, 150, 150, 150);

/// A colour of the heat map's legend, as red, green and blue.
pub fn heat([r, g, b]: [u8; 3]) -> Color32 {
    Color32::from_rgb(r, g, b)
}

/// Over what is left to see, but is not what it is about.
pub const DIM: Color32 = Color32::from_black_alpha(110);

/// What went well.
pub fn good(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { Color32::from_rgb(0x1f, 0x6f, 0x4f) } else { Color32::from_rgb(0xb7, 0xe4, 0xcf) }
}

/// Sets spacing, type and grounds for both themes.
pub fn apply(ctx: &egui::Context) {
    ctx.set_fonts(fonts::definitions());
    ctx.style_mut_of(Theme::Dark, |style| {
        style.visuals.panel_fill = Color32::from_rgb(0x1a, 0x1c, 0x20);
        style.visuals.window_fill = Color32::from_rgb(0x1f, 0x22, 0x27);
        style.visuals.extreme_bg_color = Color32::from_rgb(0x12, 0x13, 0x16);
        style.visuals.faint_bg_color = Color32::from_rgb(0x20, 0x23, 0x28);
        style.visuals.override_text_color = Some(Color32::from_gray(222));
        style.visuals.error_fg_color = Color32::from_rgb(0xff, 0x7b, 0x72);
    });
    ctx.style_mut_of(Theme::Light, |style| {
        style.visuals.panel_fill = Color32::WHITE;
        style.visuals.window_fill = Color32::WHITE;
        style.visuals.extreme_bg_color = Color32::from_rgb(0xf6, 0xf7, 0xf9);
        style.visuals.faint_bg_color = Color32::from_rgb(0xf6, 0xf7, 0xf9);
        style.visuals.override_text_color = Some(Color32::from_gray(30));
        style.visuals.error_fg_color = Color32::from_rgb(0xb3, 0x26, 0x1e);
    });
    ctx.all_styles_mut(|style| {
        let [_, between, _] = SPACE;
        style.spacing.item_spacing = egui::vec2(between, 6.0);
        style.spacing.button_padding = egui::vec2(between, 3.0);
        style.spacing.interact_size.y = 22.0;
        for (of, size) in [
            (TextStyle::Small, TINY),
            (TextStyle::Body, TEXT),
            (TextStyle::Button, TEXT),
            (TextStyle::Monospace, TEXT),
            (TextStyle::Heading, HEADING),
        ] {
            if let Some(font) = style.text_styles.get_mut(&of) {
                font.size = size;
            }
        }
        style.interaction.selectable_labels = true;
    });
}

/// A region that is mixed: 0 is the first one, 1 its partner of the same image, 2 a partner of another image.
pub fn parent(which: usize, visuals: &Visuals) -> Color32 {
    let (light, dark) = match which {
        0 => ((0x7b, 0x4f, 0x9e), (0xb8, 0x92, 0xd9)),
        1 => ((0x2f, 0x7f, 0x8f), (0x6c, 0xc0, 0xd0)),
        _ => ((0x9a, 0x6a, 0x3a), (0xd0, 0xa5, 0x77)),
    };
    of_theme(light, dark, visuals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_can_be_read_on_every_kind() {
        for visuals in [Visuals::dark(), Visuals::light()] {
            for of in RegionKind::ALL {
                let found = contrast(kind(of, &visuals), on_kind(of, &visuals));
                assert!(found >= 4.5, "{}: {found}", of.name());
            }
        }
    }
}
