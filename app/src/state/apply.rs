//! The one place where what panes ask for changes the state.

use ferkd_method::region::Region;

use super::State;
use super::action::Action;
use super::selection::{Item, Selection};
use super::teachers::Probe;
use crate::command::Command;

impl State {
    /// Does what was asked for in a frame, in order; whether the next frame looks different.
    ///
    /// What the pointer is on, and what of the whole set goes on, holds for one frame: it is what these actions say.
    pub fn apply(&mut self, actions: impl IntoIterator<Item = Action>) -> bool {
        let (mut hovered, mut watched) = (Selection::default(), Vec::new());
        let mut is_changed = false;
        for action in actions {
            match action {
                Action::Hover(item) => hovered.add(item),
                Action::Watch(of) if watched.contains(&of) => {}
                Action::Watch(of) => watched.push(of),
                action => {
                    self.perform(action);
                    is_changed = true;
                }
            }
        }
        is_changed |= (&hovered, &watched) != (&self.hovered, &self.study.watched);
        (self.hovered, self.study.watched) = (hovered, watched);
        is_changed
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Hover(_) | Action::Watch(_) => {}
            Action::Command(command) => self.command(command),

            Action::LookAt(data) => self.look_at(data),
            Action::Choose(item) => self.choose(item),
            Action::ChooseRegion(region) => self.experiment.region = Some(region),
            Action::LookAtRegion(data, image, region) => {
                self.look_at(data);
                self.look_at_region(image, region);
            }
            Action::Front(pane) => self.focus = Some(pane),

            Action::FilterKind(kind) => self.filters.kind = kind,
            Action::FilterClass(class) => self.filter_class(class),
            Action::Boxes(boxes) => self.filters.boxes = boxes,
            Action::ClearFilters => (self.filters.bar, self.filters.kind) = (None, None),
            Action::KeepSet(is_kept) => {
                let now = is_kept.then(|| self.thresholds(&self.experiment.settings).ok());
                self.filters.frozen = now.flatten();
            }

            Action::Experiment(experiment) => self.experiment = *experiment,
            Action::Settings(settings) => self.experiment.settings = settings,
            Action::Compare(other) => self.experiment.other = other,
            Action::SwapSides => {
                if let Some(other) = &mut self.experiment.other {
                    std::mem::swap(other, &mut self.experiment.settings);
                }
            }
            Action::CompareRuns(left, right) => {
                (self.experiment.settings, self.experiment.other) = (left, Some(right));
                self.labels.with_before = true;
            }
            Action::CompareBefore(with_before) => {
                self.labels.with_before = with_before;
                if with_before {
                    self.experiment.other.get_or_insert(self.experiment.settings);
                }
            }
            Action::Mixing(mixing) => self.experiment.mixing = mixing,
            Action::Training(training) => self.experiment.training = training,

            Action::Box(region) => self.draw_box(region),
            Action::AskAgain => {
                let data = self.experiment.data;
                let region = self.experiment.region;
                let asked = region.and_then(|region| self.teachers.ask_again(&self.labels, data, region));
                self.outbox.extend(asked);
            }
            Action::Classify(image, class) => self.labels.classify(self.experiment.data, image, class),
            Action::OnnxInput(asked) => self.own.set_input(asked),
            Action::UseOnnx => self.use_onnx(),
            Action::CloseOnnx => self.own.form = None,
            Action::Decide(image, region, verdict) => self.decide(image, region, verdict),

            Action::Play => self.play_training(),
            Action::Step => self.step_training(),
            Action::Pause => self.pause_training(),
            Action::Reset => self.begin_training(),
            Action::Resume => self.resume_training(),

            Action::SortClasses(column) => self.study.classes.sort_by(column),
            Action::ListConfusion(confusion) => {
                let set = self.labels.set_or_photos(self.experiment.data);
                self.study.classes.list(confusion, set);
            }
            Action::ListChange(only) => self.study.compare.only = only,
            Action::Review(what, wanted) => {
                (self.study.review.what, self.study.review.wanted) = (what, wanted);
            }
            Action::OpenListed(image, region) => {
                self.study.review.went_to(image, region);
                self.look_at_region(image, region);
            }

            Action::OrderGallery(order) => self.study.gallery.order = order,
            Action::Pick(image, region) => self.study.gallery.pick(image, region),
            Action::PickShown => self.study.gallery.pick_shown(),
            Action::PickNone => self.study.gallery.picked.clear(),
            Action::DecidePicked(verdict) => self.decide_picked(verdict),

            Action::ReloadRun => self.runs.reload(),
            Action::OpenCheckpoint(file) => self.runs.wanted_checkpoint = Some(file),
            Action::CloseCheckpoint => self.close_checkpoint(),
            Action::Dismiss(at) => self.notices.dismiss(at),
            Action::Complain(text) => self.complain(text),
            Action::Welcome(is_open) => self.welcome = is_open,
            Action::Tour(stop) => self.go_to_stop(stop),
        }
    }

    /// Does what has a name; what takes a window waits in [`asked`](Self::asked).
    fn command(&mut self, command: Command) {
        match command {
            Command::Undo => {
                if let Some(before) = self.history.undo(&self.experiment) {
                    self.experiment = before;
                }
            }
            Command::Redo => {
                if let Some(after) = self.history.redo(&self.experiment) {
                    self.experiment = after;
                }
            }
            Command::NextImage => self.step_image(true),
            Command::PreviousImage => self.step_image(false),
            Command::NextListed => self.step_review(true),
            Command::PreviousListed => self.step_review(false),
            Command::Decide(verdict) => self.decide_chosen(verdict),
            Command::ShippedTeacher => self.shipped_teacher(),
            Command::Welcome => self.welcome = true,
            Command::Tour => self.go_to_stop(Some(0)),
            of_the_window => self.asked.push(of_the_window),
        }
    }

    fn choose(&mut self, item: Item) {
        match item {
            Item::Image(image) => {
                self.look_at_image(image);
                (self.experiment.region, self.teachers.probe) = (None, None);
            }
            Item::Region { image, region } => self.look_at_region(image, region),
            Item::Bar(bar) => {
                let is_chosen = self.filters.bar.as_ref() == Some(&bar);
                self.filters.bar = (!is_chosen).then_some(bar);
            }
        }
    }

    /// Where the reader's own box is: what the teacher said of it stays until it has looked again.
    fn draw_box(&mut self, region: Option<Region>) {
        if region.is_some() {
            self.experiment.region = None;
        }
        match (region, &mut self.teachers.probe) {
            (Some(region), Some(probe)) => probe.region = region,
            (Some(region), probe) => *probe = Some(Probe::new(region)),
            (None, probe) => *probe = None,
        }
    }

    /// Lets the teacher label so many regions of the shown picture, for the time that it takes; whether it can.
    pub fn measure(&mut self, regions: u32) -> bool {
        let asked = self.teachers.measure(&self.labels, self.experiment.data, regions);
        let can = asked.is_some();
        self.outbox.extend(asked);
        can
    }
}
