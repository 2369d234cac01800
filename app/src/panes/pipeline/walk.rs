//! Leading a region along the pipeline, one stage after the other.

use egui::Id;

use crate::explain::Stage;
use crate::panes::context::PaneContext;
use crate::state::State;
use crate::state::action::Action;
use crate::state::selection::Item;

/// How far a region has come.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Walk {
    /// The stage that the region has reached; all are shown if none.
    pub at: Option<Stage>,
    /// Whether it goes on by itself.
    pub is_playing: bool,
    /// Stages per second.
    pub stages_per_s: f64,
    /// The stage that is explained.
    pub chosen: Stage,
    /// When the last step was taken, in seconds.
    since_s: f64,
    /// The stop of the tour that has led it.
    led: Option<usize>,
}

impl Default for Walk {
    fn default() -> Self {
        Self {
            at: None,
            is_playing: false,
            stages_per_s: 1.0,
            chosen: Stage::Mining,
            since_s: 0.0,
            led: None,
        }
    }
}

impl Walk {
    pub fn id() -> Id {
        Id::unique("walk along the pipeline")
    }

    /// Whether a stage has been reached.
    pub fn has_reached(&self, stage: Stage) -> bool {
        self.at.is_none_or(|at| stage <= at)
    }

    /// Follows the tour: each stop leads the region to its stage, once. The tour's end shows all stages.
    pub fn follow(&mut self, stop: Option<(usize, Stage)>) {
        let number = stop.map(|(number, _)| number);
        if self.led == number {
            return;
        }
        self.led = number;
        self.stop();
        if let Some((_, stage)) = stop {
            (self.at, self.chosen) = (Some(stage), stage);
        }
    }

    /// Goes on by itself from now on, or stops.
    pub fn toggle(&mut self, now_s: f64) {
        self.is_playing = !self.is_playing;
        self.wait_from(now_s);
    }

    /// Ends the walk: every stage is shown.
    pub fn stop(&mut self) {
        (self.at, self.is_playing) = (None, false);
    }

    /// The next step comes a while after `now_s`.
    pub fn wait_from(&mut self, now_s: f64) {
        self.since_s = now_s;
    }

    /// Share of the way to the next stage, in 0..=1.
    pub fn progress(&self, now_s: f64) -> f32 {
        if self.is_playing {
            ((now_s - self.since_s) * self.stages_per_s).clamp(0.0, 1.0) as f32
        } else {
            0.0
        }
    }

    /// Whether it is time for the next step.
    pub fn is_due(&self, now_s: f64) -> bool {
        now_s - self.since_s >= 1.0 / self.stages_per_s.max(0.01)
    }

    /// Leads the region through the next stage, and asks for what the stage does. Behind the last one the next
    /// region of the image sets out.
    pub fn step(&mut self, state: &State, cx: &mut PaneContext) {
        let reached = self.at.and_then(|at| Stage::ALL.iter().position(|&stage| stage == at));
        let next = reached.map_or(0, |at| at + 1);
        let (stage, on) = match Stage::ALL.get(next) {
            Some(&stage) => (stage, 0),
            None => (Stage::Regions, 1),
        };
        match stage {
            Stage::Regions => choose_region(state, on, cx),
            Stage::Teacher => cx.push(Action::AskAgain),
            Stage::Student if !state.training.is_playing && state.training_missing().is_none() => {
                cx.push(Action::Step);
            }
            _ => {}
        }
        (self.at, self.chosen) = (Some(stage), stage);
    }
}

/// Looks at the region that lies `on` further than the one that is looked at.
fn choose_region(state: &State, on: u32, cx: &mut PaneContext) {
    let Some(shown) = state.shown().filter(|shown| !shown.regions.is_empty()) else { return };
    let region = (state.experiment.region.unwrap_or(0) + on) % shown.regions.len() as u32;
    cx.push(Action::Choose(Item::Region { image: shown.image, region }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::Experiment;

    #[test]
    fn a_walk_leads_one_region_after_the_other_along_all_stages() {
        let mut state = State::new(Experiment::default());
        state.refresh();
        let (mut walk, mut cx) = (Walk::default(), PaneContext::default());
        assert!(walk.has_reached(Stage::Student), "without a walk everything is shown");
        let mut seen = Vec::new();
        for _ in 0..8 {
            walk.step(&state, &mut cx);
            state.apply(cx.take());
            seen.push(walk.at.unwrap());
        }
        assert_eq!(seen[..7], Stage::ALL);
        assert_eq!((seen[7], state.experiment.region), (Stage::Regions, Some(1)));
        assert!(walk.has_reached(Stage::Image) && !walk.has_reached(Stage::Teacher));
        walk.stop();
        assert!(walk.has_reached(Stage::Teacher));
    }

    #[test]
    fn steps_come_at_the_speed_that_is_set() {
        let mut walk = Walk { stages_per_s: 2.0, ..Walk::default() };
        walk.toggle(10.0);
        assert!(!walk.is_due(10.4) && walk.is_due(10.5));
        assert!((walk.progress(10.25) - 0.5).abs() < 1e-6);
        walk.toggle(10.25);
        assert_eq!(walk.progress(10.4), 0.0, "a walk that is paused stands still");
    }
}
