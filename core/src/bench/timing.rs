//! Turns of work, and how long one lasts.

use std::time::Instant;

use ferkd_method::error::{Error, Result};

/// How long is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Turns of our own work, each followed by one of the yardstick.
    pub repetitions: usize,
    /// Seconds of a turn, at least; what has begun is finished.
    pub seconds: f64,
}

impl Timing {
    /// Checks the numbers.
    ///
    /// # Errors
    /// A number that is zero, or none.
    pub fn checked(self) -> Result<Self> {
        if self.repetitions > 0 && self.seconds > 0.0 && self.seconds.is_finite() {
            return Ok(self);
        }
        Err(Error::usage("bench", "repetitions and seconds must be positive numbers"))
    }

    /// Repeats `work`, which says how many units it did, for a turn; gives units per second.
    pub(crate) fn turn(&self, work: impl FnMut() -> Result<u64>) -> Result<f64> {
        self.turn_until(work, || Ok(()))
    }

    /// The same with work that a device may still have before it: `finish` waits for it, within the turn.
    pub(crate) fn turn_until(
        &self,
        mut work: impl FnMut() -> Result<u64>,
        finish: impl FnOnce() -> Result<()>,
    ) -> Result<f64> {
        let begun = Instant::now();
        let mut done = 0;
        while {
            done += work()?;
            begun.elapsed().as_secs_f64() < self.seconds
        } {}
        finish()?;
        Ok(done as f64 / begun.elapsed().as_secs_f64())
    }

    /// Warms up by a turn of `work`, then takes turns: units per second of each turn of `work`, and of `other`,
    /// if there is one.
    pub(crate) fn turns(
        &self,
        mut work: impl FnMut() -> Result<u64>,
        mut other: Option<impl FnMut() -> Result<f64>>,
    ) -> Result<(Vec<f64>, Vec<f64>)> {
        let (mut ours, mut others) = (Vec::new(), Vec::new());
        self.turn(&mut work)?;
        for _ in 0..self.repetitions {
            ours.push(self.turn(&mut work)?);
            if let Some(other) = &mut other {
                others.push(other()?);
            }
        }
        Ok((ours, others))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_alternate_after_a_warm_up() {
        let timing = Timing { repetitions: 3, seconds: 1e-9 };
        let order = std::cell::RefCell::new(String::new());
        let ours = || {
            order.borrow_mut().push('a');
            Ok(7)
        };
        let other = || {
            order.borrow_mut().push('b');
            Ok(2.0)
        };
        let (rates, others) = timing.turns(ours, Some(other)).unwrap();
        assert_eq!(order.into_inner(), "aababab");
        assert!(rates.len() == 3 && rates.iter().all(|r| r.is_finite() && *r > 0.0));
        assert_eq!(others, [2.0; 3]);
    }

    #[test]
    fn a_turn_ends_when_its_work_has() {
        let timing = Timing { repetitions: 1, seconds: 1e-9 };
        let wait = std::time::Duration::from_millis(20);
        let finish = || {
            std::thread::sleep(wait);
            Ok(())
        };
        assert!(timing.turn_until(|| Ok(1), finish).unwrap() <= 1.0 / wait.as_secs_f64());
        assert!(timing.turn_until(|| Ok(1), || Err(Error::usage("device", "it is gone"))).is_err());
    }

    #[test]
    fn nothing_at_all_is_refused() {
        for (repetitions, seconds) in [(0, 1.0), (1, 0.0), (1, f64::NAN), (1, f64::INFINITY)] {
            assert!(Timing { repetitions, seconds }.checked().is_err());
        }
    }
}
