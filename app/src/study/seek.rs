//! The next image of a class: found by walking, so that a large store does not hold up a frame.

use web_time::Instant;

use super::SLICE;
use crate::state::State;

/// A search for an image of a class.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seek {
    class: u32,
    at: u64,
    is_forward: bool,
    /// Images that are still to be looked at.
    left: u64,
}

impl State {
    /// Looks at the next or the previous image: of the class that is filtered by, where one is.
    pub fn step_image(&mut self, is_forward: bool) {
        let count = self.set().map_or(0, |set| set.len());
        let image = self.experiment.image;
        let Some(class) = self.class_filter else {
            let next = if is_forward { image + 1 } else { image.saturating_sub(1) };
            if next < count {
                self.look_at_image(next);
            }
            return;
        };
        let left = if is_forward { count.saturating_sub(image + 1) } else { image };
        self.study.seek = Some(Seek { class, at: image, is_forward, left });
        self.seek();
    }

    /// Looks only at images of a class from now on, or at all; goes to the first one if need be.
    pub fn filter_class(&mut self, class: Option<u32>) {
        (self.class_filter, self.study.seek) = (class, None);
        let (Some(class), Some(set)) = (class, self.set()) else { return };
        if self.shown().and_then(|shown| shown.truth) != Some(class) {
            // All images, from behind the last one: round to the first.
            let left = set.len();
            let at = left.saturating_sub(1);
            self.study.seek = Some(Seek { class, at, is_forward: true, left });
            self.seek();
        }
    }

    /// Whether an image of a class is being looked for: the next frame goes on.
    pub fn is_seeking(&self) -> bool {
        self.study.seek.is_some()
    }

    /// Goes on looking for an image of a class, for a slice of time.
    pub(crate) fn seek(&mut self) {
        let (Some(mut seek), Some(set)) = (self.study.seek.take(), self.set()) else { return };
        let count = set.len();
        let begun = Instant::now();
        while seek.left > 0 && begun.elapsed() < SLICE {
            let next = match seek.is_forward {
                true => (seek.at + 1) % count.max(1),
                false => seek.at.saturating_sub(1),
            };
            match set.class_of(next) {
                Ok(found) if found == Some(seek.class) => return self.look_at_image(next),
                Ok(_) => (seek.at, seek.left) = (next, seek.left - 1),
                Err(error) if error.is_pending() => break,
                Err(error) => return self.complain(error),
            }
        }
        if seek.left > 0 {
            self.study.seek = Some(seek);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::State;
    use crate::assets::Asset;
    use crate::experiment::{Data, Experiment};

    fn scenes() -> State {
        let mut state = State::new(Experiment::default());
        state.load(Asset::Scenes, include_bytes!("../../../assets/playground/scenes-store.tar"));
        state.look_at(Data::Scenes);
        state.refresh();
        state
    }

    #[test]
    fn a_filter_leaves_the_images_of_one_class() {
        let mut state = scenes();
        let of_class = |state: &State, class| -> Vec<u64> {
            let set = state.set().unwrap();
            (0..set.len()).filter(|&image| set.class_of(image).unwrap() == Some(class)).collect()
        };
        let expected = of_class(&state, 7);
        state.filter_class(Some(7));
        let mut seen = Vec::new();
        // One more step than there are images: the last one stays.
        for _ in 0..=expected.len() {
            while state.is_seeking() {
                state.refresh();
            }
            seen.push(state.experiment.image);
            state.step_image(true);
        }
        assert_eq!(seen.pop(), expected.last().copied());
        assert_eq!(seen, expected);
        state.step_image(false);
        while state.is_seeking() {
            state.refresh();
        }
        assert_eq!(state.experiment.image, expected[expected.len() - 2]);
        state.filter_class(None);
        state.step_image(false);
        assert_eq!(state.experiment.image, expected[expected.len() - 2] - 1);
    }
}
