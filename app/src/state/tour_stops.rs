//! The stops of the tour: each drives the real interface, and waits until the reader has done the thing.

use ferkd_method::mining::RegionKind;

use super::State;
use super::tour::Tour;
use crate::experiment::{Data, Experiment};
use crate::explain::Stage;
use crate::pane_kind::PaneKind;

/// Steps that students take before a stop about them is done.
const STEPS: u64 = 40;

/// One stop.
pub struct Stop {
    /// What it is called.
    pub title: &'static str,
    /// Where in the pipeline it is, which the diagram shows.
    pub stage: Stage,
    /// What is to be understood.
    pub text: &'static str,
    /// What is to be done.
    pub task: &'static str,
    /// The pane that it is about.
    pub pane: PaneKind,
    /// Whether that has been done since the stop began.
    pub done: fn(&State, &Experiment) -> bool,
}

/// All stops, in their order.
pub const STOPS: [Stop; 12] = [
    Stop {
        title: "Regions",
        stage: Stage::Regions,
        text: "A teacher looked at many regions of this photo, one time, and wrote down what it saw. A student will learn \
               from these labels without the teacher. Every box is a region; its letter and colour say what FerKD does with it.",
        task: "Move the pointer over the boxes on the photo",
        pane: PaneKind::Image,
        done: |state, _| state.hovered.region.is_some(),
    },
    Stop {
        title: "A label",
        stage: Stage::Teacher,
        text: "A label is the teacher's belief: a probability for every class. Its highest probability is called the confidence c.",
        task: "Click a box, and read its label below the photo",
        pane: PaneKind::Label,
        done: |state, before| state.experiment.region.is_some() && state.experiment.region != before.region,
    },
    Stop {
        title: "Four kinds",
        stage: Stage::Mining,
        text: "Three thresholds on c make four kinds. D: nothing of the object, not trained on. C: context. I: important, what \
               distillation feeds on. T: trivial, nothing left to learn.",
        task: "Drag the line called mid in the histogram, and watch the counts",
        pane: PaneKind::Confidence,
        done: |state, before| state.experiment.settings.numbers() != before.settings.numbers(),
    },
    Stop {
        title: "Calibration",
        stage: Stage::Calibration,
        text: "In context the teacher guesses: it sees a table and says \"desk\". FerKD replaces the guess by the image's own class, \
               softened by ε.",
        task: "Click a box with the letter C (drag mid to the right if there is none)",
        pane: PaneKind::Label,
        done: |state, _| chosen_kind(state) == Some(RegionKind::Context),
    },
    Stop {
        title: "How soft",
        stage: Stage::Calibration,
        text: "ε is the probability that a calibrated label leaves to the other classes. The adapted label beside the teacher's \
               follows it.",
        task: "Change ε below the histogram",
        pane: PaneKind::Confidence,
        done: |state, before| state.experiment.settings.epsilon != before.settings.epsilon,
    },
    Stop {
        title: "Ask the teacher",
        stage: Stage::Teacher,
        text: "The teacher itself runs here. It looks at whatever you draw, and its confidence, kind and label follow your hand.",
        task: "Draw a box of your own on the photo: around the object, then on the background",
        pane: PaneKind::Image,
        done: |state, _| state.teachers.probe.as_ref().is_some_and(|probe| probe.label.is_some()),
    },
    Stop {
        title: "SelfMix",
        stage: Stage::Selfmix,
        text: "Mixing two images blurs two objects and their labels. FerKD mixes regions of one image: both labels speak of the \
               same object, so the mixture stays near its parents.",
        task: "Move the weight l in the SelfMix pane",
        pane: PaneKind::Selfmix,
        done: |state, before| state.experiment.mixing.l != before.mixing.l,
    },
    Stop {
        title: "Where the truth is known",
        stage: Stage::Mining,
        text: "The scenes are made: one digit among clutter. So it is known how much of the digit every region shows, and mining \
               can be held against it.",
        task: "Choose Scenes in the bar at the top",
        pane: PaneKind::Confidence,
        done: |state, _| state.experiment.data == Data::Scenes && state.labels.has(Data::Scenes),
    },
    Stop {
        title: "Mistakes",
        stage: Stage::Mining,
        text: "Below the histogram stands the visible share of the digit in each region. A filled number is a mistake: the digit \
               is hidden in a region that counts as important, or seen in one that does not.",
        task: "Click one of the numbers, or go to another scene",
        pane: PaneKind::Confidence,
        done: |state, before| {
            state.experiment.image != before.image
                || (state.experiment.region.is_some() && state.experiment.region != before.region)
        },
    },
    Stop {
        title: "Students",
        stage: Stage::Student,
        text: "Five students learn from the same scenes in the same order: from the ground truth, an online teacher, the stored \
               labels, and the adapted ones. They have learned for a while already; the bands show how far other seeds of them \
               lie apart. What you change takes effect while they go on.",
        task: "Press play in the Training pane, and wait for forty steps",
        pane: PaneKind::Training,
        done: |state, _| has_learned(state),
    },
    Stop {
        title: "Your own thresholds",
        stage: Stage::Mining,
        text: "A grey line in the histogram says how often the teacher is right. Where it crosses one half, a label begins to be \
               worth more than the class: that is where `auto` puts mid. Choose thresholds of your own; the students of FerKD \
               follow them while they learn.",
        task: "Drag mid, or press Auto",
        pane: PaneKind::Confidence,
        done: |state, before| state.experiment.settings.numbers() != before.settings.numbers(),
    },
    Stop {
        title: "What they do",
        stage: Stage::Student,
        text: "ferkd and ferkd+selfmix learn by your thresholds now; hard, kd and fkd look at none. Below the curves stands what \
               each has gained since. A gain that the others share is time's, and one within the bands may be noise.",
        task: "Let students go on for forty steps more (press play), and read the sentence below the curves",
        pane: PaneKind::Training,
        done: |state, _| has_followed(state),
    },
];

/// Whether students have learned for a while, besides what they had learned before.
fn has_learned(state: &State) -> bool {
    let training = &state.training;
    training.has_begun && !training.students.is_empty() && training.step() >= training.begun_at + STEPS
}

/// Whether students have learned for a while by thresholds that changed, and were evaluated then.
fn has_followed(state: &State) -> bool {
    let training = &state.training;
    let is_later = |step: u64| training.step() >= step + STEPS;
    training.retuned.as_ref().is_some_and(|retuned| is_later(retuned.step)) && !training.effect().is_empty()
}

/// Kind of the region that is chosen.
fn chosen_kind(state: &State) -> Option<RegionKind> {
    let shown = state.shown()?;
    let label = shown.labels.get(state.experiment.region? as usize)?.as_ref()?;
    state.judge(&state.experiment.settings, label, shown.truth).map(|(_, kind)| kind)
}

impl State {
    /// Goes to a stop of the tour; ends it if `None`, or where there is no such stop.
    pub fn go_to_stop(&mut self, stop: Option<usize>) {
        let found = stop.and_then(|stop| Some((stop, STOPS.get(stop)?)));
        self.tour = found.map(|(stop, _)| Tour::at(stop, &self.experiment));
        if let Some((_, stop)) = found {
            self.focus = Some(stop.pane);
        }
    }

    /// Looks whether what the stop asks for has been done; once a frame.
    pub(super) fn follow_tour(&mut self) {
        let Some(mut tour) = self.tour.take() else { return };
        tour.is_done |= STOPS.get(tour.stop).is_some_and(|stop| (stop.done)(self, &tour.begun));
        self.tour = Some(tour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ferkd_train::config::Supervision;

    use crate::engine::{Reply, StudentStep};

    #[test]
    fn a_stop_stays_done_and_the_last_one_is_followed_by_none() {
        let mut state = State::new(Experiment::default());
        state.go_to_stop(Some(4));
        state.refresh();
        assert!(!state.tour.as_ref().unwrap().is_done);
        let epsilon = state.experiment.settings.epsilon;
        for value in [0.3, epsilon] {
            state.experiment.settings.epsilon = value;
            state.refresh();
            assert!(state.tour.as_ref().unwrap().is_done, "what was done once is done");
        }
        assert_eq!(state.focus.take(), Some(PaneKind::Confidence));
        state.go_to_stop(Some(STOPS.len()));
        assert!(state.tour.is_none() && state.focus.is_none());
    }
    #[test]
    fn the_last_stop_waits_for_what_thresholds_do_to_trained_students() {
        let mut state = crate::panes::testing::scenes();
        state.training.record = Some(std::sync::Arc::new(crate::snapshot::tests::snapshot().record));
        let supervisions = vec![Supervision::Ferkd];
        (state.experiment.training.supervisions, state.experiment.training.epochs) =
            (supervisions.clone(), 4);
        state.resume_training();
        state.hear(Reply::TrainingOpened { number: 0, supervisions, steps: 20, step: 10, parameters: 9 });
        let goes = |state: &mut State, steps: std::ops::Range<u64>| {
            let of = |step| StudentStep {
                supervision: Supervision::Ferkd,
                step,
                epoch: 2.0,
                loss: 1.0,
                lr: 0.1,
                kinds: Default::default(),
            };
            steps.for_each(|step| state.hear(Reply::Step(vec![of(step)])));
        };
        let tries = |state: &mut State| {
            let step = state.training.step();
            let (predictions, confidences) = (vec![0; 449], vec![0.5; 449]);
            let (supervision, epoch, samples, loss) = (Supervision::Ferkd, 2.0, Vec::new(), 1.0);
            state.hear(Reply::Evaluated {
                supervision,
                step,
                epoch,
                predictions,
                confidences,
                samples,
                loss,
            });
        };
        let is_done = |state: &mut State| {
            state.refresh();
            state.tour.as_ref().is_some_and(|tour| tour.is_done)
        };
        state.go_to_stop(Some(STOPS.len() - 3));
        assert!(!is_done(&mut state), "what was learned before does not count");
        goes(&mut state, 10..10 + STEPS);
        assert!(is_done(&mut state));
        state.go_to_stop(Some(STOPS.len() - 2));
        tries(&mut state);
        assert!(!is_done(&mut state));
        state.experiment.settings.numbers_mut().mid = 0.4;
        assert!(is_done(&mut state));
        state.go_to_stop(Some(STOPS.len() - 1));
        tries(&mut state);
        assert!(!is_done(&mut state), "no step was taken since");
        goes(&mut state, 10 + STEPS..10 + 2 * STEPS);
        assert!(!is_done(&mut state), "no one was evaluated since");
        tries(&mut state);
        assert!(is_done(&mut state));
    }
}
