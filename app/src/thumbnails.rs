//! Small pictures of regions: cut when they come into sight, as far as a frame has time, and forgotten again.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use egui::TextureHandle;
use ferkd_method::region::Region;
use image::RgbImage;
use image::imageops::{FilterType, crop_imm, resize};
use web_time::Instant;

use crate::dataset::{DataSet, Shown};

/// Regions whose pictures are kept: more than are in sight of a large window.
const KEPT: usize = 2048;

/// Images that are kept decoded: their regions often stand side by side.
const DECODED: usize = 8;

/// Longer side of a picture, in its own pixels.
pub(crate) const SIDE: u32 = 72;

/// Time of a frame for pictures that come into sight; the rest follow in the next frames.
const CUTTING: Duration = Duration::from_millis(4);

/// Whose pictures are kept.
pub(crate) type Owner = (String, u64);

/// The pictures of one data set's regions.
#[derive(Default)]
pub(crate) struct Thumbnails {
    of: Option<Owner>,
    kept: HashMap<(u64, u32), Option<TextureHandle>>,
    /// The keys of `kept`, oldest first.
    order: VecDeque<(u64, u32)>,
    decoded: VecDeque<(u64, Option<Arc<Shown>>)>,
    /// The frame that pictures were cut in last, and the time that it took.
    spent: (u64, Duration),
}

impl Thumbnails {
    /// Forgets the pictures of any other data set, or of other labels.
    pub(crate) fn belong_to(&mut self, owner: &Owner) {
        if self.of.as_ref() != Some(owner) {
            *self = Self { of: Some(owner.clone()), ..Self::default() };
        }
    }

    /// The picture of a region; none while it is not cut, or where there is none.
    pub(crate) fn get(
        &mut self,
        set: &DataSet,
        image: u64,
        region: u32,
        ctx: &egui::Context,
    ) -> Option<TextureHandle> {
        if let Some(kept) = self.kept.get(&(image, region)) {
            return kept.clone();
        }
        let frame = ctx.cumulative_frame_nr();
        let spent = if self.spent.0 == frame { self.spent.1 } else { Duration::ZERO };
        if spent >= CUTTING {
            ctx.request_repaint();
            return None;
        }
        let begun = Instant::now();
        let found = self.shown(set, image).ok_or(()).map(|shown| {
            let picture = cut(shown.picture.as_ref()?, shown.regions.get(region as usize)?);
            let size = [picture.width() as usize, picture.height() as usize];
            let pixels = egui::ColorImage::from_rgb(size, picture.as_raw());
            Some(ctx.load_texture("region", pixels, egui::TextureOptions::LINEAR))
        });
        self.spent = (frame, spent + begun.elapsed());
        let Ok(texture) = found else {
            // On its way, or unreadable: the Image pane says why.
            return None;
        };
        if self.order.len() >= KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.kept.remove(&oldest);
        }
        self.order.push_back((image, region));
        self.kept.insert((image, region), texture.clone());
        texture
    }

    fn shown(&mut self, set: &DataSet, image: u64) -> Option<Arc<Shown>> {
        if let Some((_, shown)) = self.decoded.iter().find(|(of, _)| *of == image) {
            return shown.clone();
        }
        let shown = match set.show(image) {
            Ok(shown) => Some(Arc::new(shown)),
            Err(error) if error.is_pending() => return None,
            Err(_) => None,
        };
        if self.decoded.len() >= DECODED {
            self.decoded.pop_front();
        }
        self.decoded.push_back((image, shown.clone()));
        shown
    }
}

/// What a region shows, its longer side [`SIDE`] pixels long.
fn cut(picture: &RgbImage, region: &Region) -> RgbImage {
    let part = crop_imm(picture, region.left, region.top, region.width, region.height).to_image();
    let scale = SIDE as f32 / part.width().max(part.height()).max(1) as f32;
    let side = |pixels: u32| ((pixels as f32 * scale).round() as u32).max(1);
    resize(&part, side(part.width()), side(part.height()), FilterType::Triangle)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::panes::testing::scenes;

    #[test]
    fn pictures_keep_the_regions_shape_and_the_oldest_are_forgotten() {
        let picture = RgbImage::from_pixel(100, 80, image::Rgb([10, 20, 30]));
        let region = Region { top: 10, left: 20, height: 60, width: 30, flip: false };
        assert_eq!(cut(&picture, &region).dimensions(), (SIDE / 2, SIDE));

        let (state, ctx) = (scenes(), egui::Context::default());
        let (set, mut thumbnails) = (state.set().unwrap(), Thumbnails::default());
        thumbnails.belong_to(&("scenes".into(), 0));
        let per_image = set.store().unwrap().per_image();
        for tile in 0..KEPT as u64 + 40 {
            // No frame passes here: time is not counted against it.
            thumbnails.spent = Default::default();
            thumbnails.get(set, tile / u64::from(per_image), (tile % u64::from(per_image)) as u32, &ctx);
        }
        assert_eq!((thumbnails.kept.len(), thumbnails.order.len()), (KEPT, KEPT));
        assert!(!thumbnails.kept.contains_key(&(0, 0)) && thumbnails.decoded.len() == DECODED);
        thumbnails.belong_to(&("others".into(), 0));
        assert!(thumbnails.kept.is_empty());
    }
}
