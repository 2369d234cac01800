//! The interface without a screen: as it is used, with students, and with a teacher on a wgpu device.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

mod common;
mod inspector;
mod live_teacher;
mod phone;
mod pictures;
mod students;
