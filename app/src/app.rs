//! The inspector: bars, panes, and the road between the engine and the state.

use std::time::Duration;

use crate::actions::{Action, Command};
use crate::assets::Asset;
use crate::engine::Engine;
use crate::experiment::{Data, Experiment};
use crate::layout::Layout;
use crate::state::State;
use crate::theme;
use crate::yours::Wish;

/// Brings assets that the program does not hold.
pub trait Fetch {
    /// What has arrived since the last call: whole assets, or how far they are.
    fn arrived(&mut self) -> Vec<Arrival>;
}

/// Something of an asset that has arrived.
pub enum Arrival {
    /// Bytes that are here, and in all.
    Part(Asset, u64, u64),
    /// All of it.
    Whole(Asset, Vec<u8>),
    /// It cannot be had; why.
    Failed(Asset, String),
}

/// The inspector.
pub struct Inspector {
    state: State,
    layout: Layout,
    engine: Box<dyn Engine>,
    fetch: Option<Box<dyn Fetch>>,
    command: Command,
    /// Milliseconds of the interface's own work in the last frames.
    frame_ms: crate::meter::Meter,
}

/// Where a layout is kept between visits.
const LAYOUT_KEY: &str = "ferkd-layout-1";

impl Inspector {
    /// Opens the inspector. `notice` is said at once: what is missing, in plain words.
    pub fn new(
        ctx: &egui::Context,
        experiment: Experiment,
        engine: Box<dyn Engine>,
        fetch: Option<Box<dyn Fetch>>,
        notice: Option<String>,
    ) -> Self {
        theme::apply(ctx);
        let mut state = State::new(experiment);
        if let Some(notice) = notice {
            state.say(notice);
        }
        for asset in Asset::ALL {
            match asset.embedded() {
                Some(bytes) => state.load(asset, bytes),
                None => {
                    state.loading.insert(asset.title(), (0, 0));
                }
            }
        }
        Self {
            state,
            layout: Layout::default(),
            engine,
            fetch,
            command: Command::default(),
            frame_ms: crate::meter::Meter::default(),
        }
    }

    /// What the panes show: for the shell around, and for tests.
    pub fn state(&mut self) -> &mut State {
        &mut self.state
    }

    /// Milliseconds of the interface's own work in the last frames.
    pub fn frame_ms(&self) -> &crate::meter::Meter {
        &self.frame_ms
    }

    /// Takes up a layout that was kept.
    pub fn restore(&mut self, storage: Option<&dyn eframe::Storage>) {
        if let Some(text) = storage.and_then(|storage| storage.get_string(LAYOUT_KEY)) {
            self.layout = Layout::from_text(&text).unwrap_or_default();
        }
    }

    fn hear(&mut self) {
        for reply in self.engine.replies() {
            self.state.hear(reply);
        }
        let arrivals = self.fetch.as_mut().map(|fetch| fetch.arrived()).unwrap_or_default();
        for arrival in arrivals {
            match arrival {
                Arrival::Part(asset, here, all) => {
                    self.state.loading.insert(asset.title(), (here, all));
                }
                Arrival::Whole(asset, bytes) => self.state.load(asset, &bytes),
                Arrival::Failed(asset, why) => {
                    self.state.loading.remove(asset.title());
                    self.state.complain(format!("{}: {why}", asset.title()));
                }
            }
        }
    }

    /// One frame of the whole interface.
    pub fn show(&mut self, ui: &mut egui::Ui) {
        let begun = web_time::Instant::now();
        self.hear();
        self.state.refresh();
        let actions = self.command.hear_keys(ui.ctx());
        egui::Panel::top("bar").show(ui, |ui| self.bar(ui));
        if !self.state.notices.is_empty() {
            egui::Panel::bottom("notices").show(ui, |ui| self.notices(ui));
        }
        self.state.hovered = None;
        egui::CentralPanel::default()
            .frame(egui::Frame::new().fill(ui.visuals().panel_fill))
            .show(ui, |ui| self.layout.show(&mut self.state, ui));
        for action in actions.into_iter().chain(self.command.show(ui.ctx(), &self.state)) {
            self.perform(action, ui.ctx());
        }
        if !ui.input(|input| input.pointer.any_down()) {
            self.state.history.settle(&self.state.experiment);
        }
        for request in std::mem::take(&mut self.state.outbox) {
            self.engine.send(request);
        }
        self.frame_ms.add(begun.elapsed().as_secs_f64() * 1e3);
        // A page has no thread that could wake it: it looks again while something is on its way.
        if !self.state.loading.is_empty() {
            ui.ctx().request_repaint_after(Duration::from_millis(100));
        }
    }

    fn bar(&mut self, ui: &mut egui::Ui) {
        ui.horizontal_wrapped(|ui| {
            ui.label(egui::RichText::new("FerKD").strong().size(18.0));
            ui.separator();
            for (data, name) in [(Data::Photos, "Photos"), (Data::Scenes, "Scenes"), (Data::Yours, "Yours")] {
                let there = self.state.has(data);
                let chosen = self.state.experiment.data == data;
                if ui.add_enabled(there, egui::Button::selectable(chosen, name)).clicked() {
                    self.state.look_at(data);
                }
            }
            if self.state.opens_files {
                ui.menu_button("Open", |ui| {
                    for (wish, name) in [(Wish::Files, "Files…"), (Wish::Folder, "Folder…")] {
                        if ui.button(name).clicked() {
                            self.state.wish = Some(wish);
                            ui.close();
                        }
                    }
                })
                .response
                .on_hover_text("Images, a label store as a tar archive, or a store's folder");
            }
            ui.separator();
            for action in Action::BAR {
                let enabled = action.is_enabled(&self.state);
                let button = egui::Button::new(action.title());
                let hint = action.hint(ui.ctx());
                if ui.add_enabled(enabled, button).on_hover_text(hint).clicked() {
                    self.perform(action, &ui.ctx().clone());
                }
            }
            for (title, (here, all)) in &self.state.loading {
                let share = if *all > 0 { *here as f32 / *all as f32 } else { 0.0 };
                let bar = egui::ProgressBar::new(share).desired_width(150.0).text(*title);
                ui.add(bar);
            }
            if ui.ctx().content_rect().width() < crate::layout::ONE_COLUMN {
                self.corner(ui);
            } else {
                let layout = egui::Layout::right_to_left(egui::Align::Center);
                ui.with_layout(layout, |ui| self.corner(ui));
            }
        });
    }

    /// What computes, how long a frame takes, and the theme.
    fn corner(&self, ui: &mut egui::Ui) {
        ui.menu_button("Theme", |ui| {
            let mut theme = ui.ctx().options(|options| options.theme_preference);
            for (choice, name) in [
                (egui::ThemePreference::Dark, "Dark"),
                (egui::ThemePreference::Light, "Light"),
                (egui::ThemePreference::System, "As the system"),
            ] {
                if ui.selectable_value(&mut theme, choice, name).clicked() {
                    ui.ctx().set_theme(theme);
                    ui.close();
                }
            }
        });
        let ms = self.frame_ms.mean();
        ui.weak(format!("{ms:.1} ms")).on_hover_text(format!(
            "The interface's own work per frame: {ms:.2} ms on average, {:.2} ms at the most, over the last {} frames",
            self.frame_ms.peak(),
            self.frame_ms.len(),
        ));
        ui.weak(self.state.device.as_deref().unwrap_or("no device yet"));
    }

    fn notices(&mut self, ui: &mut egui::Ui) {
        let mut closed = None;
        for (i, notice) in self.state.notices.iter().enumerate().rev().take(3) {
            ui.horizontal(|ui| {
                if ui.small_button("✖").on_hover_text("Close").clicked() {
                    closed = Some(i);
                }
                let text = egui::RichText::new(&notice.text);
                let text = if notice.is_error { text.color(ui.visuals().error_fg_color) } else { text };
                ui.add(egui::Label::new(text).wrap());
            });
        }
        if let Some(i) = closed {
            self.state.notices.remove(i);
        }
    }

    fn perform(&mut self, action: Action, ctx: &egui::Context) {
        match action {
            Action::Undo => {
                if let Some(before) = self.state.history.undo(&self.state.experiment) {
                    self.state.experiment = before;
                }
            }
            Action::Redo => {
                if let Some(after) = self.state.history.redo(&self.state.experiment) {
                    self.state.experiment = after;
                }
            }
            Action::NextImage => {
                let count = self.state.set().map_or(0, |set| set.len());
                let image = self.state.experiment.image;
                if image + 1 < count {
                    self.state.look_at_image(image + 1);
                }
            }
            Action::PreviousImage => {
                let image = self.state.experiment.image;
                self.state.look_at_image(image.saturating_sub(1));
            }
            Action::CopyToml => ctx.copy_text(crate::export::toml(&self.state)),
            Action::CopyCommand => ctx.copy_text(crate::export::command_line(&self.state)),
            Action::CopyLink => ctx.copy_text(crate::link::to_fragment(&self.state.experiment)),
            Action::ResetLayout => self.layout = Layout::default(),
            Action::Palette => self.command.open_palette(),
            Action::Help => self.command.open_help(),
        }
    }
}

impl eframe::App for Inspector {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        self.show(ui);
    }

    #[cfg(target_arch = "wasm32")]
    fn as_any_mut(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(self)
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        storage.set_string(LAYOUT_KEY, self.layout.to_text());
    }
}
