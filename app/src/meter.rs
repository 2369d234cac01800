//! How long the interface works on a frame, and what takes longest in it.

use std::collections::VecDeque;

use web_time::Instant;

/// The last frames' own work.
#[derive(Debug, Default)]
pub struct Meter(VecDeque<Frame>);

/// One frame's own work.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Frame {
    /// All of it, in milliseconds.
    pub ms: f64,
    /// The part that took longest, and its milliseconds.
    pub longest: (&'static str, f64),
}

/// The frame that is at work: its parts are timed one after the other.
#[derive(Debug)]
pub struct Clock {
    begun: Instant,
    longest: (&'static str, f64),
}

/// Frames that are looked back at.
const FRAMES: usize = 120;

impl Clock {
    /// A frame begins.
    pub fn start() -> Self {
        Self { begun: Instant::now(), longest: ("", 0.0) }
    }

    /// Does a part of the frame's work.
    pub fn time<T>(&mut self, part: &'static str, work: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        let done = work();
        let ms = begun.elapsed().as_secs_f64() * 1e3;
        if ms > self.longest.1 {
            self.longest = (part, ms);
        }
        done
    }

    /// The frame is done.
    pub fn stop(self) -> Frame {
        Frame { ms: self.begun.elapsed().as_secs_f64() * 1e3, longest: self.longest }
    }
}

impl Meter {
    /// Takes note of a frame.
    pub fn add(&mut self, frame: Frame) {
        if self.0.len() == FRAMES {
            self.0.pop_front();
        }
        self.0.push_back(frame);
    }

    /// Frames that are looked back at.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no frame was noted yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Mean, in milliseconds.
    pub fn mean(&self) -> f64 {
        self.0.iter().map(|frame| frame.ms).sum::<f64>() / self.0.len().max(1) as f64
    }

    /// The longest frame.
    pub fn peak(&self) -> Frame {
        self.0.iter().copied().max_by(|a, b| a.ms.total_cmp(&b.ms)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_frame_names_its_longest_part() {
        let mut meter = Meter::default();
        for (ms, part) in [(2.0, "Image"), (9.0, "Training"), (4.0, "Label")] {
            meter.add(Frame { ms, longest: (part, ms / 2.0) });
        }
        assert_eq!(meter.peak(), Frame { ms: 9.0, longest: ("Training", 4.5) });
        assert_eq!((meter.len(), meter.mean()), (3, 5.0));
        // Only so many frames are looked back at.
        (0..FRAMES).for_each(|_| meter.add(Frame { ms: 1.0, longest: ("", 0.0) }));
        assert_eq!(meter.peak().ms, 1.0);
    }

    #[test]
    fn parts_are_within_their_frame() {
        let mut clock = Clock::start();
        assert_eq!(
            clock.time("sum", || (0..100_000u64).map(std::hint::black_box).sum::<u64>()),
            4_999_950_000
        );
        let frame = clock.stop();
        assert_eq!(frame.longest.0, "sum");
        assert!(frame.ms >= frame.longest.1 && frame.longest.1 > 0.0);
    }
}
