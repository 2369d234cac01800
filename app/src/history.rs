//! What undo goes back to: experiments, one for each change of the hand.

use crate::experiment::Experiment;

/// What undo goes back to.
#[derive(Debug, Default)]
pub struct History {
    past: Vec<Experiment>,
    future: Vec<Experiment>,
    settled: Option<Experiment>,
}

/// Steps that can be undone.
const DEPTH: usize = 200;

impl History {
    /// Takes note of the experiment once the hand is off it: a drag is one step.
    pub fn settle(&mut self, now: &Experiment) {
        match &self.settled {
            Some(before) if before == now => {}
            Some(before) => {
                self.past.push(before.clone());
                if self.past.len() > DEPTH {
                    self.past.remove(0);
                }
                self.future.clear();
                self.settled = Some(now.clone());
            }
            None => self.settled = Some(now.clone()),
        }
    }

    /// Whether there is something to go back to.
    pub fn can_undo(&self) -> bool {
        !self.past.is_empty()
    }

    /// Whether there is something to go forward to again.
    pub fn can_redo(&self) -> bool {
        !self.future.is_empty()
    }

    /// The experiment before the last change.
    pub fn undo(&mut self, now: &Experiment) -> Option<Experiment> {
        let before = self.past.pop()?;
        self.future.push(now.clone());
        self.settled = Some(before.clone());
        Some(before)
    }

    /// The experiment that was undone last.
    pub fn redo(&mut self, now: &Experiment) -> Option<Experiment> {
        let after = self.future.pop()?;
        self.past.push(now.clone());
        self.settled = Some(after.clone());
        Some(after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undo_and_redo_walk_the_same_road() {
        let mut history = History::default();
        let mut now = Experiment::default();
        history.settle(&now);
        now.settings.epsilon = 0.2;
        history.settle(&now);
        history.settle(&now);
        now.image = 1;
        history.settle(&now);
        let back = history.undo(&now).unwrap();
        assert_eq!((back.image, back.settings.epsilon), (0, 0.2));
        let first = history.undo(&back).unwrap();
        assert_eq!(first, Experiment::default());
        assert!(!history.can_undo());
        let again = history.redo(&first).unwrap();
        assert_eq!(history.redo(&again).unwrap(), now);
    }
}
