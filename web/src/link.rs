//! The experiment in the page's address: read at the start and when it changes, written as the reader goes.

use ferkd_app::experiment::Experiment;
use ferkd_app::link::{from_fragment, to_fragment};
use wasm_bindgen::JsValue;

/// Seconds between two writes: browsers refuse addresses that change too often.
const PAUSE_S: f64 = 0.5;

/// The page's address, and what stands in it.
pub struct Link {
    experiment: Experiment,
    written: web_time::Instant,
}

impl Link {
    /// The experiment of the address, or the one that a reader sees first; what is wrong with the address, where something is.
    pub fn open() -> (Experiment, Option<String>) {
        let fragment = fragment();
        if fragment.len() < 2 {
            return (Experiment::first(), None);
        }
        match from_fragment(&fragment) {
            Ok(experiment) => (experiment, None),
            Err(error) => (Experiment::first(), Some(error.to_string())),
        }
    }

    /// Follows the experiment from here on.
    pub fn new(experiment: &Experiment) -> Self {
        Self { experiment: experiment.clone(), written: web_time::Instant::now() }
    }

    /// Writes the experiment into the address where it has changed; how soon to call again, where it must wait.
    pub fn follow(&mut self, now: &Experiment) -> Option<std::time::Duration> {
        if *now == self.experiment {
            return None;
        }
        let since_s = self.written.elapsed().as_secs_f64();
        if since_s < PAUSE_S {
            return Some(std::time::Duration::from_secs_f64(PAUSE_S - since_s));
        }
        (self.experiment, self.written) = (now.clone(), web_time::Instant::now());
        let address = format!("#{}", to_fragment(now));
        let history = web_sys::window().and_then(|window| window.history().ok());
        // Where the address may not be changed, the link can still be copied.
        let _ = history.map(|history| history.replace_state_with_url(&JsValue::NULL, "", Some(&address)));
        None
    }

    /// The experiment that someone wrote into the address, where it is another.
    pub fn changed(&mut self) -> Option<ferkd_method::Result<Experiment>> {
        let read = from_fragment(&fragment());
        if let Ok(experiment) = &read {
            if *experiment == self.experiment {
                return None;
            }
            self.experiment = experiment.clone();
        }
        Some(read)
    }
}

fn fragment() -> String {
    web_sys::window().and_then(|window| window.location().hash().ok()).unwrap_or_default()
}
