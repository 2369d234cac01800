//! The inspector: which region gets which label, and why.
//!
//! The interface is a library; a window on a desktop and a page in a browser are thin shells around it. A frame reads
//! the [`state`], draws it, and gathers what the reader's hand asks for; then the state changes, in one place.
//!
//! The floors, from the ground up; a file imports what stands on floors below its own, never the other way round:
//!
//! 1. names and values: [`pane_kind`], [`verdict`], `fonts`, `touch`, [`theme`], [`assets`], [`meter`], [`shell`],
//!    [`slices`];
//! 2. [`experiment`], everything that decides what is shown; [`history`], [`link`], [`explain`], [`command`];
//! 3. what is looked at: [`dataset`], [`live_image`], [`scenes`], [`run`] with its monitor, [`sweep`], `run_files`, what
//!    lies in the folders of both; `representative`, what of an image is drawn first, and [`growth`], the boxes that grow
//!    about a region; [`snapshot`], students that were trained before;
//! 4. [`engine`]: teacher and students on one device; a window never waits for them;
//!    [`onnx_form`] is what is asked about a teacher of the reader's own before it gets there, `onnx_files` what lies
//!    beside its file;
//! 5. [`labels`], the data sets that are loaded with what is counted of them, and above it `study`, what is found out
//!    about a whole set, a slice a frame;
//! 6. [`state`]: the subjects, [`State`] that holds them, and [`State::apply`](state::State::apply), the one place
//!    where actions change it; [`export`] reads it;
//! 7. [`panes`], which read `&State` and push actions, and `screen` and `thumbnails`, what draws their pictures;
//! 8. the window: bar, palette, `welcome`, `ask_onnx`, [`tour`], [`layout`], and [`app`], what joins engine, state and
//!    panes;
//!    [`desktop`] opens files by path; [`mirror`] says what a frame showed, for a page's screen readers.
//!
//! What is computed is core's: no pane has a formula of its own.
#![warn(missing_docs)]

pub mod app;
mod ask_onnx;
pub mod assets;
mod bar;
pub mod command;
pub mod dataset;
#[cfg(feature = "desktop")]
pub mod desktop;
pub mod engine;
pub mod experiment;
pub mod explain;
pub mod export;
mod fonts;
pub mod growth;
pub mod history;
pub mod labels;
pub mod layout;
pub mod link;
pub mod live_image;
pub mod meter;
pub mod mirror;
mod monitor;
#[cfg(feature = "desktop")]
mod onnx_files;
pub mod onnx_form;
mod palette;
pub mod pane_kind;
pub mod panes;
mod representative;
pub mod run;
#[cfg(feature = "desktop")]
mod run_files;
pub mod scenes;
mod screen;
pub mod shell;
pub mod slices;
pub mod snapshot;
pub mod state;
mod study;
pub mod sweep;
pub mod theme;
mod thumbnails;
mod touch;
pub mod tour;
pub mod verdict;
mod welcome;

pub use app::Inspector;
pub use monitor::{Monitor, Point, Status};
pub use state::State;
