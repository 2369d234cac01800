//! The inspector with what surrounds it in a page: its link, the files that come in, what is kept.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use ferkd_app::Inspector;
use ferkd_app::app::Fetch;
use ferkd_app::engine::Engine;
use ferkd_app::experiment::Experiment;
use ferkd_app::shell::{Pick, Picked, Shell};
use wasm_bindgen::JsValue;

use crate::browser::{download, hide_cover, listen, wants_still, words};
use crate::files::Files;
use crate::link::Link;
use crate::mirror;

/// Where the theme is kept between visits.
const THEME_KEY: &str = "ferkd-theme-1";

/// What a page is made of.
pub struct Parts {
    /// What is looked at first.
    pub experiment: Experiment,
    /// What computes.
    pub engine: Box<dyn Engine>,
    /// What brings weights and labels.
    pub fetch: Box<dyn Fetch>,
    /// What the reader should know.
    pub notice: Option<String>,
    /// What is wrong with the address.
    pub complaint: Option<String>,
    /// What computes, in words.
    pub device: Option<String>,
    /// The address of a store or a run to open.
    pub open: Option<String>,
    /// What the window is drawn with, where that is WebGPU.
    pub window: Option<eframe::egui_wgpu::RenderState>,
}

/// The inspector in its page.
pub struct Page {
    /// The inspector.
    pub inspector: Inspector,
    /// What it is drawn in.
    pub ctx: egui::Context,
    link: Link,
    files: Rc<RefCell<Files>>,
    /// Raised when someone changes the address.
    address_changed: Rc<Cell<bool>>,
    frames: u64,
    theme: egui::ThemePreference,
}

impl Page {
    /// Puts the page together.
    pub fn new(ctx: &egui::Context, storage: Option<&dyn eframe::Storage>, parts: Parts) -> Self {
        let Parts { experiment, engine, fetch, notice, complaint, device, open, window } = parts;
        let link = Link::new(&experiment);
        let files = Rc::new(RefCell::new(Files::new(ctx)));
        let shell = Box::new(PageShell { files: files.clone() });
        let mut inspector = Inspector::new(ctx, experiment, engine, shell, Some(fetch), notice);
        if let Some(window) = window {
            inspector.draw_with(window);
        }
        inspector.restore(storage);
        let state = inspector.state();
        state.device = device;
        if let Some(address) = &open {
            files.borrow().sources.borrow().open_address(address);
        }
        let state = inspector.state();
        if let Some(complaint) = complaint {
            state.complain(complaint);
        }
        let theme = storage.and_then(|storage| storage.get_string(THEME_KEY));
        let theme = match theme.as_deref() {
            Some("dark") => egui::ThemePreference::Dark,
            Some("light") => egui::ThemePreference::Light,
            _ => egui::ThemePreference::System,
        };
        ctx.set_theme(theme);
        if wants_still() {
            ferkd_app::theme::hold_still(ctx);
        }
        mirror::start(ctx);
        let address_changed = Rc::new(Cell::new(false));
        if let Some(window) = web_sys::window() {
            let (changed, ctx) = (address_changed.clone(), ctx.clone());
            listen(&window, "hashchange", move |_| {
                changed.set(true);
                ctx.request_repaint();
            });
        }
        Self { inspector, ctx: ctx.clone(), link, files, address_changed, frames: 0, theme }
    }

    /// Opens a folder that the page may look into.
    pub fn open_folder(&self, handle: JsValue) {
        self.files.borrow().sources.borrow().open_folder(handle);
    }

    /// Opens a store or a run behind an address.
    pub fn open_address(&self, address: &str) {
        self.files.borrow().sources.borrow().open_address(address);
    }

    /// Frames that were drawn.
    pub fn frames(&self) -> u64 {
        self.frames
    }

    fn hear_address(&mut self) {
        if !self.address_changed.take() {
            return;
        }
        match self.link.changed() {
            Some(Ok(experiment)) => self.inspector.state().experiment = experiment,
            Some(Err(error)) => self.inspector.state().complain(error),
            None => {}
        }
    }
}

/// What the interface asks of a page.
struct PageShell {
    files: Rc<RefCell<Files>>,
}

impl Shell for PageShell {
    fn save(&mut self, name: &str, bytes: Vec<u8>) {
        if let Err(error) = download(name, &bytes) {
            log::error!("{name}: {}", words(&error));
        }
    }

    fn pick(&mut self, what: Pick) {
        self.files.borrow().pick(what);
    }

    fn picked(&mut self) -> Vec<Picked> {
        let arrived = self.files.borrow_mut().arrived();
        let whole = arrived.into_iter().map(|files| files.map_or_else(Picked::Failed, Picked::Files));
        let opened = self.files.borrow().sources.borrow_mut().opened();
        whole.chain(opened).collect()
    }

    fn base_link(&self) -> String {
        let location = web_sys::window().map(|window| window.location());
        type Part = fn(&web_sys::Location) -> Result<String, JsValue>;
        let part = |of: Part| location.as_ref().and_then(|location| of(location).ok()).unwrap_or_default();
        // With what was opened from an address, so that the link opens it too.
        let [origin, path, search] =
            [web_sys::Location::origin as Part, web_sys::Location::pathname, web_sys::Location::search]
                .map(part);
        format!("{origin}{path}{search}")
    }
}

impl eframe::App for Page {
    fn ui(&mut self, ui: &mut egui::Ui, _frame: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.hear_address();
        self.inspector.show(ui);
        self.files.borrow().sources.borrow_mut().pump();
        if let Some(later) = self.link.follow(&self.inspector.state().experiment) {
            ctx.request_repaint_after(later);
        }
        self.theme = ctx.options(|options| options.theme_preference);
        // What the first frame drew is on the canvas when the second one begins.
        self.frames += 1;
        match self.frames {
            1 => ctx.request_repaint(),
            2 => hide_cover(),
            _ => {}
        }
    }

    fn as_any_mut(&mut self) -> Option<&mut dyn std::any::Any> {
        Some(self)
    }

    fn save(&mut self, storage: &mut dyn eframe::Storage) {
        eframe::App::save(&mut self.inspector, storage);
        let theme = match self.theme {
            egui::ThemePreference::Dark => "dark",
            egui::ThemePreference::Light => "light",
            egui::ThemePreference::System => "system",
        };
        storage.set_string(THEME_KEY, theme.into());
    }

    fn auto_save_interval(&self) -> std::time::Duration {
        std::time::Duration::from_secs(5)
    }
}
