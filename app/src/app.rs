//! The inspector: bars, panes, and the road between the engine and the state.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::actions::{Action, Command};
use crate::assets::Asset;
use crate::engine::Engine;
use crate::experiment::{Data, Experiment};
use crate::layout::Layout;
use crate::meter::{Clock, Frame, Meter};
use crate::panes::PaneKind;
use crate::screen::Screen;
use crate::shell::{Pick, Picked, Shell};
use crate::state::State;
use crate::theme;

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

/// A pane, and a picture of the window that shows it.
type Snap = (PaneKind, Arc<egui::ColorImage>);

/// The inspector.
pub struct Inspector {
    state: State,
    layout: Layout,
    engine: Box<dyn Engine>,
    shell: Box<dyn Shell>,
    /// A picture of the window that was asked for, and the pane that it is of.
    snap: Arc<Mutex<Option<Snap>>>,
    fetch: Option<Box<dyn Fetch>>,
    command: Command,
    /// Milliseconds of the interface's own work in the last frames.
    frame_ms: Meter,
}

/// Where a layout is kept between visits.
const LAYOUT_KEY: &str = "ferkd-layout-1";

/// Where decisions are kept between visits.
const DECISIONS_KEY: &str = "ferkd-decisions-1";

impl Inspector {
    /// Opens the inspector. `notice` is said at once: what is missing, in plain words.
    pub fn new(
        ctx: &egui::Context,
        experiment: Experiment,
        engine: Box<dyn Engine>,
        shell: Box<dyn Shell>,
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
            shell,
            snap: Arc::default(),
            fetch,
            command: Command::default(),
            frame_ms: Meter::default(),
        }
    }

    /// What the panes show: for the shell around, and for tests.
    pub fn state(&mut self) -> &mut State {
        &mut self.state
    }

    /// Brings a pane to the front.
    pub fn focus(&mut self, pane: PaneKind) {
        self.layout.focus(pane);
    }

    /// Milliseconds of the interface's own work in the last frames.
    pub fn frame_ms(&self) -> &Meter {
        &self.frame_ms
    }

    /// Lets shaders compute what is drawn, on the device that the window is drawn with.
    pub fn draw_with(&mut self, window: eframe::egui_wgpu::RenderState) {
        self.state.screen = Screen::on(window).into();
    }

    /// Takes up the layout and the decisions that were kept.
    pub fn restore(&mut self, storage: Option<&dyn eframe::Storage>) {
        if let Some(text) = storage.and_then(|storage| storage.get_string(DECISIONS_KEY)) {
            self.state.restore_decisions(&text);
        }
        if let Some(text) = storage.and_then(|storage| storage.get_string(LAYOUT_KEY)) {
            self.layout = Layout::from_text(&text).unwrap_or_default();
        }
    }

    fn hear(&mut self, ctx: &egui::Context) {
        for picked in self.shell.picked() {
            match picked {
                #[cfg(feature = "desktop")]
                Picked::Path(path) => self.state.open_path(&path),
                #[cfg(not(feature = "desktop"))]
                Picked::Path(path) => self.state.complain(format!("{}: a page has no paths", path.display())),
                Picked::Files(files) => self.state.take_files(files),
                Picked::Blocks(name, blocks, is_live) => self.state.open_blocks(name, blocks, is_live),
                Picked::Failed(why) => self.state.complain(why),
            }
        }
        #[cfg(feature = "desktop")]
        for file in ctx.input(|input| input.raw.dropped_files.clone()) {
            self.state.open_path(file.path());
        }
        let snap = self.snap.lock().ok().and_then(|mut snap| snap.take());
        if let Some((pane, picture)) = snap {
            self.save_picture(pane, &picture, ctx);
        }
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
        let mut clock = Clock::start();
        clock.time("replies", || self.hear(&ui.ctx().clone()));
        clock.time("labels", || self.state.refresh());
        let actions = self.command.hear_keys(ui.ctx());
        egui::Panel::top("bar").show(ui, |ui| self.bar(ui));
        if !self.state.notices.is_empty() {
            egui::Panel::bottom("notices").show(ui, |ui| self.notices(ui));
        }
        if self.state.tour.is_some() {
            egui::Panel::bottom("tour").show(ui, |ui| crate::tour::Tour::show(&mut self.state, ui));
        }
        egui::CentralPanel::default()
            .frame(egui::Frame::new().fill(ui.visuals().panel_fill))
            .show(ui, |ui| self.layout.show(&mut self.state, &mut clock, ui));
        let asked = std::mem::take(&mut self.state.asked);
        for action in actions.into_iter().chain(asked).chain(self.command.show(ui.ctx(), &self.state)) {
            self.perform(action, ui.ctx());
        }
        // Panes before the one under the pointer show it too: in the next frame.
        let hovering = self.state.hovering.take();
        let bar = self.state.hovering_bar.take();
        if (hovering, &bar) != (self.state.hovered, &self.state.hovered_bar) {
            (self.state.hovered, self.state.hovered_bar) = (hovering, bar);
            ui.ctx().request_repaint();
        }
        if !ui.input(|input| input.pointer.any_down()) {
            self.state.history.settle(&self.state.experiment);
        }
        let requests = std::mem::take(&mut self.state.outbox);
        clock.time("requests", || requests.into_iter().for_each(|request| self.engine.send(request)));
        self.frame_ms.add(clock.stop());
        #[cfg(feature = "desktop")]
        self.state.follow();
        if self.state.run.as_ref().is_some_and(|run| run.is_followed) {
            ui.ctx().request_repaint_after(Duration::from_secs(1));
        }
        if self.state.is_seeking() || self.state.is_waiting() {
            ui.ctx().request_repaint();
        }
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
            ui.menu_button("Open", |ui| {
                for (pick, name) in [(Pick::Files, "Files…"), (Pick::Folder, "Folder…")] {
                    if ui.button(name).clicked() {
                        self.shell.pick(pick);
                        ui.close();
                    }
                }
            })
            .response
            .on_hover_text("Images, a label store (its folder, or packed with tar), or a run");
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
            if let Some(opening) = &self.state.opening {
                ui.spinner();
                ui.weak(format!("Opening {}", opening.name()));
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
        let Frame { ms: most, longest: (part, of) } = self.frame_ms.peak();
        ui.weak(format!("{ms:.1} ms")).on_hover_text(format!(
            "The interface's own work per frame: {ms:.2} ms on average, {most:.2} ms at the most ({of:.2} ms of it \
             for {part}), over the last {} frames",
            self.frame_ms.len(),
        ));
        ui.weak(self.state.device.as_deref().unwrap_or("no device yet"));
    }

    fn notices(&mut self, ui: &mut egui::Ui) {
        let mut closed = None;
        for (i, notice) in self.state.notices.iter().enumerate().rev().take(3) {
            ui.horizontal(|ui| {
                if ui.small_button("×").on_hover_text("Close").clicked() {
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

    /// Offers the part of a picture of the window that a pane covers.
    fn save_picture(&mut self, pane: PaneKind, window: &egui::ColorImage, ctx: &egui::Context) {
        let Some(rect) = self.layout.place(pane) else {
            self.state.complain(format!("{}: the pane is not in sight", pane.title()));
            return;
        };
        let part = window.region(&rect, Some(ctx.pixels_per_point()));
        match crate::export::png(&part) {
            Ok(bytes) => self.shell.save(&format!("{}.png", pane.title().to_lowercase()), bytes),
            Err(error) => self.state.complain(error),
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
            Action::NextImage => self.state.step_image(true),
            Action::PreviousImage => self.state.step_image(false),
            Action::NextListed => self.state.step_review(true),
            Action::PreviousListed => self.state.step_review(false),
            Action::Decide(verdict) => self.state.decide_chosen(verdict),
            Action::CopyToml => ctx.copy_text(crate::export::toml(&self.state)),
            Action::CopyCommand => ctx.copy_text(crate::export::command_line(&self.state)),
            Action::CopyLink => {
                let (base, fragment) =
                    (self.shell.base_link(), crate::link::to_fragment(&self.state.experiment));
                ctx.copy_text(format!("{base}#{fragment}"));
                self.state.say("The link is in the clipboard");
            }
            Action::SaveToml => {
                self.shell.save("thresholds.toml", crate::export::toml(&self.state).into_bytes())
            }
            Action::SaveCsv => self.shell.save("counts.csv", crate::export::csv(&self.state).into_bytes()),
            Action::SaveDecisions => {
                self.shell.save("decisions.jsonl", crate::export::jsonl(&self.state).into_bytes());
            }
            Action::SaveReview => {
                self.shell.save("review.csv", crate::export::review_csv(&self.state).into_bytes());
            }
            Action::SavePicture(pane) => {
                let snap = self.snap.clone();
                self.layout.focus(pane);
                ctx.request_screenshot(move |picture| {
                    if let Ok(mut snap) = snap.lock() {
                        *snap = Some((pane, picture));
                    }
                });
                ctx.request_repaint();
            }
            Action::OpenFiles => self.shell.pick(Pick::Files),
            Action::OpenFolder => self.shell.pick(Pick::Folder),
            Action::ResetLayout => self.layout = Layout::default(),
            Action::Tour => crate::tour::Tour::start(&mut self.state),
            Action::Theme => {
                let dark = ctx.theme() == egui::Theme::Dark;
                ctx.set_theme(if dark { egui::Theme::Light } else { egui::Theme::Dark });
            }
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
        storage.set_string(DECISIONS_KEY, self.state.decisions_to_text());
    }
}
