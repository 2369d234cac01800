//! The speed of training, which a session, that looks at no clock, cannot say.

use std::time::Instant;

use crate::progress::Metrics;
use crate::session_event::StepTaken;
use ferkd_data::events::Event;

/// Steps and regions since the last metric of this sitting.
pub(super) struct Meter {
    since: Instant,
    steps: u64,
    regions: u64,
}

impl Meter {
    /// Begins to measure.
    pub fn start() -> Self {
        Self { since: Instant::now(), steps: 0, regions: 0 }
    }

    /// Counts a step.
    pub fn count(&mut self, step: &StepTaken) {
        self.steps += 1;
        self.regions += step.regions;
    }

    /// A metric with the speed since the last one; begins the next interval.
    pub fn event(&mut self, metrics: Metrics) -> Event {
        let Metrics { step, steps, epoch, loss, lr, regions, kinds, fallbacks } = metrics;
        let seconds = self.since.elapsed().as_secs_f64();
        let regions_per_s = self.regions as f64 / seconds;
        let eta_s = seconds / self.steps as f64 * (steps - step) as f64;
        *self = Self::start();
        Event::Metric { step, steps, epoch, loss, lr, regions, kinds, fallbacks, regions_per_s, eta_s }
    }
}
