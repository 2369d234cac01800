//! What may be shown over or below the picture, and the buttons that show it.

use egui::Ui;

/// Something that a button shows and hides; which, is forgotten with the window.
pub(super) struct Switch {
    /// What the button says.
    pub title: &'static str,
    /// What it is for, in a sentence.
    pub hint: &'static str,
}

impl Switch {
    /// Its name in the window's memory.
    pub fn id(&self) -> egui::Id {
        egui::Id::unique(self.title)
    }

    /// Whether it is shown.
    pub fn is_on(&self, ui: &Ui) -> bool {
        ui.data(|data| data.get_temp(self.id())).unwrap_or(false)
    }

    /// The button that shows it.
    pub fn button(&self, ui: &mut Ui) {
        let mut is_shown = self.is_on(ui);
        if ui.toggle_value(&mut is_shown, self.title).on_hover_text(self.hint).changed() {
            ui.data_mut(|data| data.insert_temp(self.id(), is_shown));
        }
    }
}
