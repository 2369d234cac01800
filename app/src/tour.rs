//! The tour: steps that drive the real interface. Each waits until the reader has done the thing.

use egui::Ui;
use ferkd::mining::Kind;

use crate::experiment::{Data, Experiment};
use crate::panes::PaneKind;
use crate::state::State;
use crate::theme;

/// Steps that a student takes before the last stop is done.
const STEPS: u64 = 40;

/// Where the reader is on the tour.
#[derive(Debug, Clone, PartialEq)]
pub struct Tour {
    /// Number of the stop, from 0.
    stop: usize,
    /// The experiment when the stop began.
    begun: Experiment,
    /// Whether what the stop asks for has been done.
    is_done: bool,
}

/// One stop.
struct Stop {
    title: &'static str,
    /// What is to be understood.
    text: &'static str,
    /// What is to be done.
    task: &'static str,
    pane: PaneKind,
    done: fn(&State, &Experiment) -> bool,
}

const STOPS: [Stop; 10] = [
    Stop {
        title: "Regions",
        text: "A teacher looked at many regions of this photo, one time, and wrote down what it saw. A student will learn \
               from these labels without the teacher. Every box is a region; its letter and colour say what FerKD does with it.",
        task: "Move the pointer over the boxes on the photo",
        pane: PaneKind::Image,
        done: |state, _| state.hovered.is_some(),
    },
    Stop {
        title: "A label",
        text: "A label is the teacher's belief: a probability for every class. Its highest probability is called the confidence c.",
        task: "Click a box, and read its label below the photo",
        pane: PaneKind::Label,
        done: |state, before| state.experiment.region.is_some() && state.experiment.region != before.region,
    },
    Stop {
        title: "Four kinds",
        text: "Three thresholds on c make four kinds. D: nothing of the object, not trained on. C: context. I: important, what \
               distillation feeds on. T: trivial, nothing left to learn.",
        task: "Drag the line called mid in the histogram, and watch the counts",
        pane: PaneKind::Confidence,
        done: |state, before| state.experiment.settings.numbers() != before.settings.numbers(),
    },
    Stop {
        title: "Calibration",
        text: "In context the teacher guesses: it sees a table and says \"desk\". FerKD replaces the guess by the image's own class, \
               softened by ε.",
        task: "Click a box with the letter C (drag mid to the right if there is none)",
        pane: PaneKind::Label,
        done: |state, _| chosen_kind(state) == Some(Kind::Context),
    },
    Stop {
        title: "How soft",
        text: "ε is the probability that a calibrated label leaves to the other classes. The adapted label beside the teacher's \
               follows it.",
        task: "Change ε below the histogram",
        pane: PaneKind::Confidence,
        done: |state, before| state.experiment.settings.epsilon != before.settings.epsilon,
    },
    Stop {
        title: "Ask the teacher",
        text: "The teacher itself runs here. It looks at whatever you draw, and its confidence, kind and label follow your hand.",
        task: "Draw a box of your own on the photo: around the face, then on the background",
        pane: PaneKind::Image,
        done: |state, _| state.probe.as_ref().is_some_and(|probe| probe.label.is_some()),
    },
    Stop {
        title: "SelfMix",
        text: "Mixing two images blurs two objects and their labels. FerKD mixes regions of one image: both labels speak of the \
               same object, so the mixture stays near its parents.",
        task: "Move the weight l in the SelfMix pane",
        pane: PaneKind::Selfmix,
        done: |state, before| state.experiment.mixing.l != before.mixing.l,
    },
    Stop {
        title: "Where the truth is known",
        text: "The scenes are made: one digit among clutter. So it is known how much of the digit every region shows, and mining \
               can be held against it.",
        task: "Choose Scenes in the bar at the top",
        pane: PaneKind::Confidence,
        done: |state, _| state.experiment.data == Data::Scenes && state.has(Data::Scenes),
    },
    Stop {
        title: "Mistakes",
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
        text: "Five students learn from the same scenes in the same order: from the ground truth, an online teacher, the stored \
               labels, and the adapted ones. What you change takes effect while they learn.",
        task: "Press play in the Training pane, and wait for forty steps",
        pane: PaneKind::Training,
        done: |state, _| state.lesson.students.iter().any(|student| student.step >= STEPS),
    },
];

/// Kind of the region that is chosen.
fn chosen_kind(state: &State) -> Option<Kind> {
    let shown = state.shown()?;
    let label = shown.labels.get(state.experiment.region? as usize)?.as_ref()?;
    state.judge(&state.experiment.settings, label, shown.truth).map(|(_, kind)| kind)
}

impl Tour {
    /// Begins at the first stop.
    pub fn start(state: &mut State) {
        Self::go(state, 0);
    }

    fn go(state: &mut State, stop: usize) {
        state.focus = Some(STOPS[stop].pane);
        state.tour = Some(Self { stop, begun: state.experiment.clone(), is_done: false });
    }

    /// Number of the stop, from 0, and how many there are.
    pub fn place(&self) -> (usize, usize) {
        (self.stop, STOPS.len())
    }

    /// Whether what the stop asks for has been done.
    pub fn is_done(&self) -> bool {
        self.is_done
    }

    /// Draws the stop at hand, and goes on when the reader wants to.
    pub fn show(state: &mut State, ui: &mut Ui) {
        let Some(mut tour) = state.tour.take() else { return };
        let stop = &STOPS[tour.stop];
        tour.is_done |= (stop.done)(state, &tour.begun);
        let (at, last) = (tour.stop, tour.stop + 1 == STOPS.len());
        let mut next = None;
        ui.horizontal_wrapped(|ui| {
            ui.strong(format!("{} of {} · {}", at + 1, STOPS.len(), stop.title));
            if ui.button("Back").clicked() && at > 0 {
                next = Some(Some(at - 1));
            }
            let title = match (tour.is_done, last) {
                (_, true) => "Finish",
                (true, false) => "Next",
                (false, false) => "Skip",
            };
            let button = egui::Button::new(title);
            let button = if tour.is_done { button.fill(theme::good(ui.visuals())) } else { button };
            if ui.add(button).clicked() {
                next = Some((!last).then_some(at + 1));
            }
            if ui.button("End tour").clicked() {
                next = Some(None);
            }
        });
        ui.label(stop.text);
        let mark = if tour.is_done { "Done:" } else { "→" };
        ui.label(egui::RichText::new(format!("{mark} {}", stop.task)).strong());
        match next {
            Some(Some(stop)) => Self::go(state, stop),
            Some(None) => {}
            None => state.tour = Some(tour),
        }
    }
}
