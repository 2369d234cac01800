//! How fast students go on: a limit that a reader sets to follow with the eye.

use std::time::Duration;

use web_time::Instant;

/// Steps per second at most.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    steps_per_s: u32,
    /// When the next step may begin.
    next: Option<Instant>,
}

impl Pace {
    /// Sets the limit; none if 0.
    pub fn limit(&mut self, steps_per_s: u32) {
        if self.steps_per_s != steps_per_s {
            *self = Self { steps_per_s, next: None };
        }
    }

    /// How long it is until the next step may begin.
    pub fn wait(&self, now: Instant) -> Duration {
        self.next.map_or(Duration::ZERO, |next| next.saturating_duration_since(now))
    }

    /// Takes note that a step begins. A late one does not make those after it hurry.
    pub fn begin(&mut self, now: Instant) {
        let Some(period) = Duration::from_secs(1).checked_div(self.steps_per_s) else { return };
        let due = self.next.filter(|due| *due + period > now).unwrap_or(now);
        self.next = Some(due + period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_keep_their_distance_and_late_ones_are_not_made_up_for() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut pace = Pace::default();
        pace.begin(at(0));
        assert_eq!(pace.wait(at(0)), Duration::ZERO, "without a limit nothing waits");
        pace.limit(10);
        assert_eq!(pace.wait(at(0)), Duration::ZERO);
        pace.begin(at(0));
        assert_eq!(pace.wait(at(30)), Duration::from_millis(70));
        // A little late: the mean pace is kept.
        pace.begin(at(120));
        assert_eq!(pace.wait(at(120)), Duration::from_millis(80));
        // Far too late: no burst follows.
        pace.begin(at(1000));
        assert_eq!(pace.wait(at(1000)), Duration::from_millis(100));
        pace.limit(0);
        assert_eq!(pace.wait(at(1000)), Duration::ZERO);
    }
}
