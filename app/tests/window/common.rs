//! A window for tests: no screen, the engine on the CPU, dialogs that a test answers.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use egui_kittest::Harness;
use ferkd_app::engine::thread::ThreadEngine;
use ferkd_app::experiment::Experiment;
use ferkd_app::shell::{Pick, Picked, Shell};
use ferkd_app::{Inspector, State};

/// The files that were saved, and what the reader will have chosen.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    saved: Vec<(String, Vec<u8>)>,
    picked: Vec<Picked>,
}

impl Recorder {
    /// The files that were saved.
    pub fn saved(&self) -> Vec<(String, Vec<u8>)> {
        self.0.lock().expect("no test panics with it").saved.clone()
    }

    /// Lets the reader choose something.
    pub fn choose(&self, picked: Picked) {
        self.0.lock().expect("no test panics with it").picked.push(picked);
    }
}

impl Shell for Recorder {
    fn save(&mut self, name: &str, bytes: Vec<u8>) {
        self.0.lock().expect("no test panics with it").saved.push((name.into(), bytes));
    }

    fn pick(&mut self, _: Pick) {}

    fn picked(&mut self) -> Vec<Picked> {
        std::mem::take(&mut self.0.lock().expect("no test panics with it").picked)
    }

    fn base_link(&self) -> String {
        "https://example.org/".into()
    }
}

/// A window of 1280 x 800 points.
pub fn open(experiment: Experiment) -> Harness<'static, Inspector> {
    open_with(experiment, Recorder::default())
}

/// The same, around whose dialogs a test decides.
pub fn open_with(experiment: Experiment, shell: Recorder) -> Harness<'static, Inspector> {
    let engine = ThreadEngine::start(burn::tensor::Device::flex(), || ()).expect("a thread");
    let inspector =
        Inspector::new(&egui::Context::default(), experiment, Box::new(engine), Box::new(shell), None, None);
    let builder = Harness::builder().with_size([1280.0, 800.0]).with_context_setup(ferkd_app::theme::apply);
    builder.build_ui_state(|ui, inspector: &mut Inspector| inspector.show(ui), inspector)
}

/// Draws frames until something is so; the engine works meanwhile.
pub fn run_until(window: &mut Harness<'static, Inspector>, is_so: impl Fn(&State) -> bool) {
    let begun = Instant::now();
    loop {
        window.run_steps(1);
        if is_so(window.state_mut().state()) {
            return;
        }
        let notices = &window.state_mut().state().notices;
        // Not a measure of speed: without it a lost reply would hang the test for ever.
        assert!(begun.elapsed() < Duration::from_secs(300), "it never happened: {notices:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
