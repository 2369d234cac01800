//! The inspector: which region gets which label, and why.
//!
//! The interface is a library; a window on a desktop and a page in a browser are thin shells around it.
//!
//! - [`experiment`]: everything that decides what is shown; a link holds it, undo restores it.
//! - [`dataset`]: images with regions and labels, from a store or labelled while one looks on.
//! - [`state`]: what the panes show and change, fed by the engine's replies.
//! - [`engine`]: teacher and students on one device; a window never waits for them.
//! - [`panes`]: one file each.
//! - [`explain`]: the stages of the road in words, with the numbers at hand.
//! - [`lesson`]: what is known of the students, and how more of them is asked for.
//! - [`app`]: bars, panes, and the road between engine and state.
//!
//! What is computed is core's: no pane has a formula of its own.
#![warn(missing_docs)]

pub mod actions;
pub mod app;
pub mod assets;
pub mod dataset;
#[cfg(feature = "desktop")]
pub mod desktop;
pub mod engine;
pub mod experiment;
pub mod explain;
pub mod export;
pub mod layout;
pub mod lesson;
pub mod link;
pub mod meter;
mod monitor;
pub mod panes;
pub mod run;
mod screen;
pub mod shell;
pub mod slices;
pub mod state;
mod study;
pub mod theme;
pub mod tour;
pub mod yours;

pub use app::Inspector;
pub use monitor::{Monitor, Point, Status};
pub use state::State;
