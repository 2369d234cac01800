//! What is under the pointer, and what is chosen: one type for both.

use std::ops::RangeInclusive;

/// A bar of the histogram, as the confidences that it counts.
pub type Bar = RangeInclusive<f32>;

/// Something that can be pointed at and chosen.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// An image of the data set that is looked at, and none of its regions.
    Image(u64),
    /// A region of an image.
    Region {
        /// The image.
        image: u64,
        /// The region's number in it.
        region: u32,
    },
    /// A bar of the histogram.
    Bar(Bar),
}

/// Items that are pointed at, or chosen, at the same time: one of each sort at the most.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Selection {
    /// The image.
    pub image: Option<u64>,
    /// The number of a region of it.
    pub region: Option<u32>,
    /// A bar of the histogram.
    pub bar: Option<Bar>,
}

impl Selection {
    /// Takes an item in; another one of its sort goes.
    pub fn add(&mut self, item: Item) {
        match item {
            Item::Image(image) => (self.image, self.region) = (Some(image), None),
            Item::Region { image, region } => (self.image, self.region) = (Some(image), Some(region)),
            Item::Bar(bar) => self.bar = Some(bar),
        }
    }

    /// The region of an image, where that is the image.
    pub fn region_of(&self, image: u64) -> Option<u32> {
        self.region.filter(|_| self.image == Some(image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_goes_with_its_image_and_a_bar_stays() {
        let mut chosen = Selection::default();
        chosen.add(Item::Bar(0.25..=0.5));
        chosen.add(Item::Region { image: 3, region: 7 });
        assert_eq!((chosen.region_of(3), chosen.region_of(4)), (Some(7), None));
        chosen.add(Item::Image(4));
        assert_eq!(chosen, Selection { image: Some(4), region: None, bar: Some(0.25..=0.5) });
    }
}
