//! WGSL for what the screen and the browser need fast, each as a small pipeline that is encoded into buffers of the
//! caller's. Every shader has a CPU twin in core, of the same name and with the same result; it is validated when the
//! crate is built, and [`compare_all`] holds it against its twin on any device, in a browser too.
//!
//! | shader | twin |
//! |---|---|
//! | [`CropResize`] | [`ferkd_data::pixels::crop_resize`], then [`ferkd_data::pixels::Normalisation`] |
//! | [`Kinds`] | [`ferkd_method::mining::Thresholds::kind`] |
//! | [`Histogram`] | [`ferkd_method::mining::Histogram::add`] |
//! | [`Heat`] | [`ferkd_method::heat::heat_map`] |
//! | [`Mix`] | [`ferkd_method::selfmix::Mixing::apply`] |
//! | [`Paint`] | [`ferkd_method::heat::colour`], [`ferkd_method::selfmix::mixed_picture`] |
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
