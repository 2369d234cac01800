//! What panes ask for: every change of the state that comes from the reader's hand.

use std::path::PathBuf;

use ferkd_method::mining::RegionKind;
use ferkd_method::region::Region;
use ferkd_nn::preprocessing::InputOverrides;

use super::filters::Boxes;
use super::selection::Item;
use crate::command::Command;
use crate::experiment::{Data, Experiment, MixSettings, Settings, TrainSettings};
use crate::pane_kind::PaneKind;
use crate::study::Watched;
use crate::study::classes::Column;
use crate::study::gallery::Order;
use crate::study::review::{Wanted, What};
use crate::verdict::Verdict;

/// A change of the state that a pane asks for; [`State::apply`](super::State::apply) makes it.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Do what has a name: a menu entry, a key.
    Command(Command),

    // What is looked at.
    /// Look at another data set.
    LookAt(Data),
    /// The pointer is on something, in this frame.
    Hover(Item),
    /// Choose something. An image alone leaves none of its regions chosen; a bar that is chosen already is let go.
    Choose(Item),
    /// Look at a region of the shown image; the reader's own box stays.
    ChooseRegion(u32),
    /// Look at a region of one of the data sets.
    LookAtRegion(Data, u64, u32),
    /// Bring a pane to the front.
    Front(PaneKind),

    // What is shown.
    /// Show only regions of this kind, or of all.
    FilterKind(Option<RegionKind>),
    /// Show only images of this class, or of all.
    FilterClass(Option<u32>),
    /// Draw so many of an image's regions.
    Boxes(Boxes),
    /// Show regions of every kind and bar.
    ClearFilters,
    /// Keep the shown regions, by the kinds of now, while thresholds move.
    KeepSet(bool),

    // The experiment.
    /// Take up another experiment.
    Experiment(Box<Experiment>),
    /// Take up other settings.
    Settings(Settings),
    /// Hold other settings against those at hand; none any longer if `None`.
    Compare(Option<Settings>),
    /// Change the sides of the comparison.
    SwapSides,
    /// Hold the settings of two runs against each other.
    CompareRuns(Settings, Settings),
    /// Hold the store that was open before against the reader's.
    CompareBefore(bool),
    /// Mix regions in another way.
    Mixing(MixSettings),
    /// Train students in another way.
    Training(TrainSettings),

    // The teacher.
    /// Draw a box of the reader's own; remove it if `None`.
    Box(Option<Region>),
    /// Ask the teacher about the chosen region once more.
    AskAgain,
    /// Give an image that is labelled while you look on a class.
    Classify(u64, u32),
    /// Say of the ONNX file that waits what it sees; the rest stays as it is.
    OnnxInput(InputOverrides),
    /// Let the ONNX file that waits label from now on.
    UseOnnx,
    /// Use the ONNX file that waits for nothing.
    CloseOnnx,
    /// Say who is wrong about a region; saying it again takes it back.
    Decide(u64, u32, Verdict),

    // Students.
    /// Let students learn.
    Play,
    /// One step of every student.
    Step,
    /// Stop once every student has taken its step.
    Pause,
    /// New students, under the settings at hand.
    Reset,
    /// The students that were trained before.
    Resume,

    // The whole set.
    /// Something of the whole set is looked at, in this frame: it goes on.
    Watch(Watched),
    /// Sort classes by a column; the other way round if they are.
    SortClasses(Column),
    /// List the regions of a class that the teacher takes for another one; none any longer if `None`.
    ListConfusion(Option<(u32, u32)>),
    /// List only regions that go from one kind to another one.
    ListChange(Option<(RegionKind, RegionKind)>),
    /// Ask another question of the review.
    Review(What, Wanted),
    /// Look at a region that the review lists.
    OpenListed(u64, u32),
    /// Show the gallery's regions in another order.
    OrderGallery(Order),
    /// Pick a region of the gallery besides those that are picked; let it go if it is.
    Pick(u64, u32),
    /// Pick the regions that the gallery shows.
    PickShown,
    /// Let all regions go that were picked.
    PickNone,
    /// Say who is wrong about every region that is picked.
    DecidePicked(Verdict),

    // What is around.
    /// Read the log of the run again, and the sweep.
    ReloadRun,
    /// Ask a checkpoint of the run, by its file, about the regions of the shown image.
    OpenCheckpoint(PathBuf),
    /// Ask it no longer.
    CloseCheckpoint,
    /// Take back a word to the user, by its place.
    Dismiss(usize),
    /// Say that something went wrong.
    Complain(String),
    /// Say what this is, or no longer.
    Welcome(bool),
    /// Go to a stop of the tour; end it if `None`.
    Tour(Option<usize>),
}

impl From<Command> for Action {
    fn from(command: Command) -> Self {
        Self::Command(command)
    }
}
