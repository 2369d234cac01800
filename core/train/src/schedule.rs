//! The learning rate of each step: linear warm-up, then half a cosine (per step; ours).

/// A schedule over a known number of steps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Schedule {
    /// Highest learning rate.
    pub peak: f64,
    /// Learning rate at the end.
    pub minimum: f64,
    /// Learning rate of the first warm-up step.
    pub warmup_start: f64,
    /// Steps of warm-up.
    pub warmup_steps: u64,
    /// Steps in all.
    pub steps: u64,
}

impl Schedule {
    /// The learning rate of step `step`, counted from 0.
    pub fn rate(&self, step: u64) -> f64 {
        if step < self.warmup_steps {
            let share = step as f64 / self.warmup_steps as f64;
            return self.warmup_start + (self.peak - self.warmup_start) * share;
        }
        let span = (self.steps - self.warmup_steps).max(1);
        let share = (step - self.warmup_steps) as f64 / span as f64;
        let cosine = libm::cos(std::f64::consts::PI * share.min(1.0));
        self.minimum + (self.peak - self.minimum) * (1.0 + cosine) / 2.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_rises_and_the_cosine_falls() {
        let schedule = Schedule { peak: 1.0, minimum: 0.0, warmup_start: 0.1, warmup_steps: 10, steps: 110 };
        assert_eq!(schedule.rate(0), 0.1);
        assert!((schedule.rate(5) - 0.55).abs() < 1e-12);
        assert_eq!(schedule.rate(10), 1.0);
        assert!((schedule.rate(60) - 0.5).abs() < 1e-12);
        assert!(schedule.rate(110) < 1e-12);
        assert!((10..109).all(|s| schedule.rate(s) > schedule.rate(s + 1)));
    }
}
