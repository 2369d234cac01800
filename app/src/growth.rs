//! The same object in growing boxes: from its middle to the whole picture. Where confidence comes from is seen in what
//! the teacher says of each.

use ferkd_method::label::SoftLabel;
use ferkd_method::region::Region;

use crate::experiment::Data;

/// Number of boxes.
pub const BOXES: usize = 6;

/// Which of them is the region itself.
pub const REGION: usize = 2;

/// Smallest side of a box, in pixels of the picture.
const SMALLEST: u32 = 8;

/// Boxes that grow about a region, and what the teacher says of each.
#[derive(Debug, Clone, PartialEq)]
pub struct Growth {
    /// The data set, the number of the image, and the region.
    pub of: (Data, u64, Region),
    /// The boxes, smallest first.
    pub boxes: [Region; BOXES],
    /// What the teacher says of each, once it has.
    pub labels: Option<Vec<SoftLabel>>,
    /// Whether the teacher has failed at them: it is not asked again.
    pub has_failed: bool,
}

impl Growth {
    /// Boxes about a region of an image of `size`, width and height in pixels, of which the teacher knows nothing yet.
    pub fn new(of: (Data, u64, Region), size: (u32, u32)) -> Self {
        Self { of, boxes: growing(&of.2, size), labels: None, has_failed: false }
    }
}

/// Boxes from half of a region's sides about its middle, over the region itself, to the whole picture of `size`, width
/// and height in pixels; each holds those before it. The region must lie in the picture.
pub fn growing(region: &Region, (width, height): (u32, u32)) -> [Region; BOXES] {
    // Edges that are a share of the way from the region's own to the picture's, or to the region's middle.
    let span = |start: u32, length: u32, end: u32, step: usize| {
        let (low, high) = (f64::from(start), f64::from(start) + f64::from(length));
        if step <= REGION {
            let cut = f64::from(length.saturating_sub(SMALLEST.min(length))) / 2.0;
            let cut = (0.25 * f64::from(length) * (REGION - step) as f64 / REGION as f64).min(cut);
            ((low + cut).round() as u32, (high - cut).round() as u32)
        } else {
            let share = (step - REGION) as f64 / (BOXES - 1 - REGION) as f64;
            let (low, high) = (low * (1.0 - share), high + (f64::from(end) - high) * share);
            (low.round() as u32, high.round() as u32)
        }
    };
    std::array::from_fn(|step| {
        let (left, right) = span(region.left, region.width, width, step);
        let (top, bottom) = span(region.top, region.height, height, step);
        Region { top, left, height: bottom - top, width: right - left, flip: region.flip }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_grow_from_the_middle_of_a_region_to_the_whole_picture() {
        let size = (451, 300);
        for (left, top, width, height) in
            [(100, 40, 180, 90), (0, 0, 451, 300), (440, 290, 11, 10), (7, 9, 1, 1)]
        {
            let region = Region { top, left, height, width, flip: false };
            let boxes = growing(&region, size);
            assert_eq!((boxes[REGION], boxes[BOXES - 1]), (region, Region::whole(451, 300)));
            assert!(boxes.iter().all(|one| one.fits(size.0, size.1)), "{boxes:?}");
            for pair in boxes.windows(2) {
                let [inner, outer] = [pair[0], pair[1]];
                assert!(outer.left <= inner.left && outer.top <= inner.top, "{pair:?}");
                assert!(outer.left + outer.width >= inner.left + inner.width, "{pair:?}");
                assert!(outer.top + outer.height >= inner.top + inner.height, "{pair:?}");
            }
        }
        let region = Region { top: 40, left: 100, height: 90, width: 180, flip: false };
        let smallest = growing(&region, size)[0];
        assert_eq!((smallest.width, smallest.left), (90, 145), "half of its sides, about its middle");
    }
}
