//! The interface's fonts: half of egui's own ones, and none of emoji, for a page is weighed.

use std::sync::Arc;

use egui::{FontData, FontDefinitions, FontFamily};

const TEXT: (&str, &[u8]) = ("Ubuntu-Light", include_bytes!("../../assets/fonts/Ubuntu-Light.ttf"));
const CODE: (&str, &[u8]) = ("Hack", include_bytes!("../../assets/fonts/Hack-Regular.ttf"));

/// Text and code. Ubuntu lacks arrows and some Greek letters, which Hack has.
pub(crate) fn definitions() -> FontDefinitions {
    let mut fonts = FontDefinitions::empty();
    for (name, bytes) in [TEXT, CODE] {
        fonts.font_data.insert(name.to_owned(), Arc::new(FontData::from_static(bytes)));
    }
    for (family, order) in [(FontFamily::Proportional, [TEXT, CODE]), (FontFamily::Monospace, [CODE, TEXT])] {
        fonts.families.insert(family, order.map(|(name, _)| name.to_owned()).to_vec());
    }
    fonts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What labels, formulas and names of classes are written in.
    #[test]
    fn both_families_have_every_character_that_is_shown() {
        let context = egui::Context::default();
        context.set_fonts(definitions());
        context.run_ui(egui::RawInput::default(), |_| {}).textures_delta.clear();
        for family in [FontFamily::Proportional, FontFamily::Monospace] {
            let font = egui::FontId::new(14.0, family.clone());
            for sign in "Azß9é–—·…−×±≤≥ΣεαβτλμσπΔ∈∝∞√→←↑↓▶◀●½¾²İłő".chars()
            {
                assert!(context.fonts_mut(|fonts| fonts.has_glyph(&font, sign)), "{family:?} lacks {sign}");
            }
        }
    }
}
