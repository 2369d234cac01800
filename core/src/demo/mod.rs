//! The demo: the whole method on data that ship with the program.

pub mod digits;
pub mod run;
pub mod scenes;
