//! Pixels: from a file's bytes to the numbers that a network sees.

mod crop_mode;
mod decode;
#[cfg(all(test, feature = "formats"))]
mod format_kinds;
mod formats;
mod jpeg;
#[cfg(test)]
mod jpeg_kinds;
mod normalise;
mod resize;

pub use crop_mode::{CropMode, crop_by};
pub use decode::{Decoded, OrientationRule, decode, measure};
pub use normalise::Normalisation;
pub(crate) use resize::crop_resize_with;
pub use resize::{
    Filter, centre_resize, centre_resize_share, check_centre, columns_first, crop_resize, whole_resize,
};
