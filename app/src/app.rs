//! The inspector: bars, panes, and the connection between the engine and the state.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::assets::Asset;
use crate::bar;
use crate::command::Command;
use crate::engine::Engine;
use crate::experiment::Experiment;
use crate::layout::Layout;
use crate::meter::{Clock, Meter};
use crate::palette::Palette;
use crate::pane_kind::PaneKind;
use crate::panes::context::PaneContext;
use crate::screen::Screen;
use crate::shell::{Pick, Picked, Shell};
use crate::state::State;
use crate::{ask_onnx, export, link, theme, touch, tour, welcome};

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
    /// What panes ask for, and what draws their pictures.
    context: PaneContext,
    layout: Layout,
    engine: Box<dyn Engine>,
    shell: Box<dyn Shell>,
    /// A picture of the window that was asked for, and the pane that it is of.
    snap: Arc<Mutex<Option<Snap>>>,
    fetch: Option<Box<dyn Fetch>>,
    palette: Palette,
    /// Milliseconds of the interface's own work in the last frames.
    frame_ms: Meter,
}

/// Where a layout is kept between visits.
const LAYOUT_KEY: &str = "ferkd-layout-1";

/// Where decisions are kept between visits.
const DECISIONS_KEY: &str = "ferkd-decisions-1";

/// What is kept once the reader has seen what this is.
const WELCOME_KEY: &str = "ferkd-welcome-1";

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
            state.notices.say(notice);
        }
        // The photos are the state's from the start.
        for asset in [Asset::Scenes, Asset::Digits, Asset::Students, Asset::Lite0] {
            match asset.embedded() {
                Some(bytes) => state.load(asset, bytes),
                None => _ = state.loading.insert(asset, (0, 0)),
            }
        }
        Self {
            state,
            context: PaneContext::default(),
            layout: Layout::default(),
            engine,
            shell,
            snap: Arc::default(),
            fetch,
            palette: Palette::default(),
            frame_ms: Meter::default(),
        }
    }

    /// What the panes show: for the shell around, and for tests.
    pub fn state(&mut self) -> &mut State {
        &mut self.state
    }

    /// Brings a pane to the front.
    pub fn focus(&mut self, pane: PaneKind) {
        self.state.focus = Some(pane);
    }

    /// Milliseconds of the interface's own work in the last frames.
    pub fn frame_ms(&self) -> &Meter {
        &self.frame_ms
    }

    /// Lets shaders compute what is drawn, on the device that the window is drawn with.
    pub fn draw_with(&mut self, window: eframe::egui_wgpu::RenderState) {
        self.context.screen = Screen::on(window);
    }

    /// Takes up the layout and the decisions that were kept. Who was never here, and comes by no link, is told what
    /// this is.
    pub fn restore(&mut self, storage: Option<&dyn eframe::Storage>) {
        let was_here = storage.is_some_and(|storage| storage.get_string(WELCOME_KEY).is_some());
        self.state.welcome = !was_here && self.state.experiment == Experiment::first();
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
                    self.state.loading.insert(asset, (here, all));
                }
                Arrival::Whole(asset, bytes) => self.state.load(asset, &bytes),
                Arrival::Failed(asset, why) => {
                    self.state.loading.remove(&asset);
                    self.state.complain(format!("{}: {why}", asset.title()));
                }
            }
        }
    }

    /// One frame of the whole interface.
    pub fn show(&mut self, ui: &mut egui::Ui) {
        touch::hear(ui.ctx());
        let mut clock = Clock::start();
        clock.time("replies", || self.hear(&ui.ctx().clone()));
        clock.time("labels", || self.state.refresh());
        let focus = self.state.focus.take();
        let cx = &mut self.context;
        self.palette.hear_keys(ui.ctx()).into_iter().for_each(|command| cx.push(command));
        let state = &self.state;
        egui::Panel::top("bar").show(ui, |ui| bar::ui(state, &self.frame_ms, cx, ui));
        if !state.notices.is_empty() {
            egui::Panel::bottom("notices").show(ui, |ui| bar::notices(state, cx, ui));
        }
        if state.tour.is_some() {
            egui::Panel::bottom("tour").show(ui, |ui| tour::ui(state, cx, ui));
        }
        egui::CentralPanel::default()
            .frame(egui::Frame::new().fill(ui.visuals().panel_fill))
            .show(ui, |ui| self.layout.show(state, focus, cx, &mut clock, ui));
        tour::point(state, &self.layout, ui.ctx());
        welcome::ui(state, cx, ui.ctx());
        ask_onnx::ui(state, cx, ui.ctx());
        self.palette.show(ui.ctx(), state).into_iter().for_each(|command| cx.push(command));
        // Nothing has changed so far: what was asked for is done now, and the next frame shows it.
        if self.state.apply(self.context.take()) {
            ui.ctx().request_repaint();
        }
        for command in std::mem::take(&mut self.state.asked) {
            self.perform(command, ui.ctx());
        }
        if !ui.input(|input| input.pointer.any_down()) {
            self.state.history.settle(&self.state.experiment);
        }
        let requests = std::mem::take(&mut self.state.outbox);
        clock.time("requests", || requests.into_iter().for_each(|request| self.engine.send(request)));
        self.frame_ms.add(clock.stop());
        #[cfg(feature = "desktop")]
        self.state.follow();
        if self.state.runs.is_followed() {
            ui.ctx().request_repaint_after(Duration::from_secs(1));
        }
        if self.state.is_waiting() {
            ui.ctx().request_repaint();
        }
        // A page has no thread that could wake it: it looks again while something is on its way.
        if !self.state.loading.is_empty() {
            ui.ctx().request_repaint_after(Duration::from_millis(100));
        }
    }

    /// Offers the part of a picture of the window that a pane covers.
    fn save_picture(&mut self, pane: PaneKind, window: &egui::ColorImage, ctx: &egui::Context) {
        let Some(rect) = self.layout.place(pane) else {
            self.state.complain(format!("{}: the pane is not in sight", pane.title()));
            return;
        };
        let part = window.region(&rect, Some(ctx.pixels_per_point()));
        match export::png(&part) {
            Ok(bytes) => self.shell.save(&format!("{}.png", pane.title().to_lowercase()), bytes),
            Err(error) => self.state.complain(error),
        }
    }

    /// Offers the regions that are picked.
    fn save_picked(&mut self, name: &str, text: fn(&State) -> ferkd_method::Result<String>) {
        match text(&self.state) {
            Ok(text) => self.shell.save(name, text.into_bytes()),
            Err(error) => self.state.complain(error),
        }
    }

    /// Does what has to do with files, clipboard or layout.
    fn perform(&mut self, command: Command, ctx: &egui::Context) {
        match command {
            Command::CopyToml => ctx.copy_text(export::toml(&self.state)),
            Command::CopyCommand => ctx.copy_text(export::command_line(&self.state)),
            Command::CopyLink => {
                let (base, fragment) = (self.shell.base_link(), link::to_fragment(&self.state.experiment));
                ctx.copy_text(format!("{base}#{fragment}"));
                self.state.notices.say("The link is in the clipboard");
            }
            Command::SaveToml => self.shell.save("thresholds.toml", export::toml(&self.state).into_bytes()),
            Command::SaveCsv => self.shell.save("counts.csv", export::csv(&self.state).into_bytes()),
            Command::SaveDecisions => {
                self.shell.save("decisions.jsonl", export::jsonl(&self.state).into_bytes());
            }
            Command::SaveReview => {
                self.shell.save("review.csv", export::review_csv(&self.state).into_bytes());
            }
            Command::SavePickedCsv => self.save_picked("picked.csv", export::picked_csv),
            Command::SavePickedJsonl => self.save_picked("picked.jsonl", export::picked_jsonl),
            Command::SavePicture(pane) => {
                let snap = self.snap.clone();
                self.layout.focus(pane);
                ctx.request_screenshot(move |picture| {
                    if let Ok(mut snap) = snap.lock() {
                        *snap = Some((pane, picture));
                    }
                });
                ctx.request_repaint();
            }
            Command::OpenFiles => self.shell.pick(Pick::Files),
            Command::OpenFolder => self.shell.pick(Pick::Folder),
            Command::ResetLayout => self.layout = Layout::default(),
            Command::Theme => {
                let dark = ctx.theme() == egui::Theme::Dark;
                ctx.set_theme(if dark { egui::Theme::Light } else { egui::Theme::Dark });
            }
            Command::Palette => self.palette.open_palette(),
            Command::Help => self.palette.open_help(),
            // The state does the rest itself.
            Command::Undo
            | Command::Redo
            | Command::NextImage
            | Command::PreviousImage
            | Command::NextListed
            | Command::PreviousListed
            | Command::Decide(_)
            | Command::ShippedTeacher
            | Command::Welcome
            | Command::Tour => {}
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
        if !self.state.welcome {
            storage.set_string(WELCOME_KEY, "seen".into());
        }
        storage.set_string(LAYOUT_KEY, self.layout.to_text());
        storage.set_string(DECISIONS_KEY, self.state.decided.to_text());
    }
}
