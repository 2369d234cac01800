//! WGSL for what the screen and the browser need fast, each as a small pipeline that is encoded into buffers of the
//! caller's. Every shader has a CPU twin in core, of the same name and with the same result; it is validated when the
//! crate is built, and [`compare_all`] holds it against its twin on any device, in a browser too.
//!
//! | shader | twin |
//! |---|---|
//! | [`CropResize`] | [`ferkd::pixels::crop_resize`], then [`ferkd::pixels::Normalisation`] |
//! | [`Kinds`] | [`ferkd::mining::Thresholds::kind`] |
//! | [`Histogram`] | [`ferkd::mining::Histogram::add`] |
//! | [`Heat`] | [`ferkd::heat::heat_map`] |
//! | [`Mix`] | [`ferkd::selfmix::Mixing::apply`] |
//! | [`Paint`] | [`ferkd::heat::colour`], [`ferkd::selfmix::mixed_picture`] |
#![warn(missing_docs)]

mod axis;
mod compare;
mod crop_resize;
mod heat;
mod histogram;
mod kinds;
mod mix;
mod paint;
mod pipeline;

pub use compare::{Compared, compare_all, pixels_of};
pub use crop_resize::{CropResize, Cut};
pub use heat::Heat;
pub use histogram::Histogram;
pub use kinds::Kinds;
pub use mix::Mix;
pub use paint::Paint;
